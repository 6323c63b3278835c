import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { type FrontDesk, keyFor, openFrontDesk, times } from './clinic'
import { betweenDays } from './faults'

const [TODAY, MONDAY] = ['2040-03-09', '2040-03-12']
const NOON = Date.parse(`${TODAY}T12:00:00Z`)
const APPOINTMENTS = '/api/v1/appointments'
const CHECKINS = '/api/v1/checkins'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const absent = (desk: FrontDesk, wanted: object = {}, key = '') =>
  desk.post(
    `/api/v1/doctors/${desk.doctorId}/days/${TODAY}/absence`,
    { reason: 'ill', ...wanted },
    key ? { 'Idempotency-Key': key } : {},
  )
const listed = async (desk: FrontDesk, date: string) =>
  (await desk.get(`${APPOINTMENTS}/doctors/${desk.doctorId}/appointments?date=${date}`)).body
const bookAll = async (desk: FrontDesk, date: string, patients: number[]): Promise<string[]> => {
  const ids: string[] = []
  for (const patient of patients) ids.push((await desk.book({ date, patient })).body.id)
  return ids
}
const forgetReplies = async () => {
  const { keys } = await env.REPLIES.list()
  await Promise.all(keys.map(({ name }) => env.REPLIES.delete(name)))
}
const idsIn = (list: { appointment_id: string }[]) => list.map(({ appointment_id }) => appointment_id)

/** Six struck: one checked in; on Monday two slots are free, and one patient has an appointment already. */
async function fallIll(desk: FrontDesk): Promise<string[]> {
  vi.useFakeTimers({ now: NOON, toFake: ['Date'] })
  const ids = await bookAll(desk, TODAY, [0, 1, 2, 3, 4, 5])
  await bookAll(desk, MONDAY, [2, ...times(desk.patientIds.length - 6, (n) => n + 6)])
  await desk.post(CHECKINS, { appointment_id: ids[0], patient_id: desk.patientIds[0] })
  return ids
}

test('each patient of an absent doctor is moved, waits, or is to be called: exactly one of these', async () => {
  const desk = await openFrontDesk({ patients: 9, capacity: 6 })
  const [checkedIn, one, booked, two, three, four] = await fallIll(desk)
  const told = await absent(desk, { move_to: { date: MONDAY } })
  expect(told.status).toBe(200)
  const { moved, waitlisted, to_call } = told.body
  const there = { doctor_id: desk.doctorId, date: MONDAY }
  expect(moved).toEqual([
    { appointment_id: three, patient_id: desk.patientIds[4], ...there, slot: 5 },
    { appointment_id: four, patient_id: desk.patientIds[5], ...there, slot: 6 },
  ])
  expect(waitlisted).toEqual([
    { appointment_id: one, patient_id: desk.patientIds[1], ...there, waitlist_id: expect.any(String) },
    { appointment_id: two, patient_id: desk.patientIds[3], ...there, waitlist_id: expect.any(String) },
  ])
  expect(to_call).toEqual([
    { appointment_id: checkedIn, patient_id: desk.patientIds[0], slot: 1, why: 'checked_in' },
    { appointment_id: booked, patient_id: desk.patientIds[2], slot: 3, why: 'already_booked' },
  ])
  expect(await listed(desk, MONDAY)).toHaveLength(6)
  expect((await listed(desk, TODAY)).map(({ id }: { id: string }) => id)).toEqual([checkedIn, booked])
  expect((await desk.get(`${APPOINTMENTS}/${one}`)).body.status).toBe('cancelled')
  expect((await desk.book({ date: TODAY, patient: 8 })).status).toBe(422)
  const place = await desk.post(`${APPOINTMENTS}/waitlist`, { patient_id: desk.patientIds[1], ...there })
  expect(place).toMatchObject({ status: 200, body: { id: waitlisted[0].waitlist_id, place: 1 } })
})

test('it may be said again: with its key word for word, without it with the same result and nothing moved twice', async () => {
  const desk = await openFrontDesk({ patients: 9, capacity: 6 })
  await fallIll(desk)
  const first = await absent(desk, { move_to: { date: MONDAY } }, 'k')
  const days = await Promise.all([listed(desk, TODAY), listed(desk, MONDAY)])
  await forgetReplies()
  expect((await absent(desk, { move_to: { date: MONDAY } }, 'k')).text).toBe(first.text)
  expect((await absent(desk, { move_to: { date: MONDAY } })).body).toEqual(first.body)
  expect(await Promise.all([listed(desk, TODAY), listed(desk, MONDAY)])).toEqual(days)
  const { body } = await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${MONDAY}`)
  expect(body).toMatchObject({ booked: 6, held: 0, offered: 0, waiting: 2 })
})

test('a first try that broke off midway is completed by the next', async () => {
  const desk = await openFrontDesk({ patients: 9, capacity: 6 })
  await fallIll(desk)
  let reserved = 0
  betweenDays(async (command, call) => {
    if (command.type === 'reserve') reserved += 1
    if (reserved > 1) throw new Error('Network connection lost.')
    return call()
  })
  expect((await absent(desk, { move_to: { date: MONDAY } }, 'k')).status).toBe(503)
  vi.restoreAllMocks()
  const { body } = await absent(desk, { move_to: { date: MONDAY } }, 'k')
  expect([body.moved.length, body.waitlisted.length, body.to_call.length]).toEqual([2, 2, 2])
  expect(await listed(desk, MONDAY)).toHaveLength(6)
})

test('without another day everybody is to be called; what the desk then does is told the next time', async () => {
  const desk = await openFrontDesk({ patients: 4 })
  const [one, two, three, four] = await bookAll(desk, TODAY, [0, 1, 2, 3])
  const { body } = await absent(desk)
  expect(idsIn(body.to_call)).toEqual([one, two, three, four])
  expect(body.to_call[0].why).toBe('no_move_to')
  await desk.post(`${APPOINTMENTS}/${one}/reschedule`, { date: MONDAY })
  await desk.post(`${APPOINTMENTS}/${two}/cancel`)
  const { body: later } = await absent(desk)
  expect([idsIn(later.moved), idsIn(later.to_call)]).toEqual([[one], [three, four]])
})

test('to another doctor; who was booked after the doctor had come back is struck by the next absence', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  const { body: other } = await desk.post('/api/v1/doctors', { name: 'Ada', code: 'AL' })
  const [first] = await bookAll(desk, TODAY, [0])
  const move_to = { date: TODAY, doctor_id: other.id }
  expect((await absent(desk, { move_to })).body.moved).toMatchObject([{ appointment_id: first, ...move_to }])
  await desk.post(`/api/v1/doctors/${desk.doctorId}/availability`, { date: TODAY, is_present: true })
  const [second] = await bookAll(desk, TODAY, [1])
  const { body } = await absent(desk, { move_to })
  expect(idsIn(body.moved)).toEqual([second])
})

test('the other doctor absent too: everybody is to be called, and nobody waits there', async () => {
  const desk = await openFrontDesk({ patients: 1 })
  await bookAll(desk, TODAY, [0])
  await desk.post(`/api/v1/doctors/${desk.doctorId}/availability`, { date: MONDAY, is_present: false })
  const { body } = await absent(desk, { move_to: { date: MONDAY } })
  expect(body).toMatchObject({ moved: [], waitlisted: [], to_call: [{ why: 'doctor_absent' }] })
  const { body: ledger } = await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${MONDAY}`)
  expect(ledger.waiting).toBe(0)
})

test('a day nobody booked is simply absent', async () => {
  const desk = await openFrontDesk()
  expect((await absent(desk)).body).toMatchObject({ moved: [], waitlisted: [], to_call: [] })
  expect((await desk.book({ date: TODAY })).status).toBe(422)
})

test('it needs a reason, another day, a known doctor, and both scopes', async () => {
  const desk = await openFrontDesk()
  const faultOf = async (wanted: object) => (await absent(desk, wanted)).body.errors?.[0]?.field
  expect(await faultOf({ reason: ' ' })).toBe('reason')
  expect(await faultOf({ move_to: { date: TODAY } })).toBe('move_to')
  expect(await faultOf({ move_to: {} })).toBe('move_to.date')
  expect((await absent(desk, { move_to: { date: MONDAY, doctor_id: 'nobody' } })).status).toBe(404)
  const path = `/api/v1/doctors/${desk.doctorId}/days/${TODAY}/absence`
  for (const scope of ['appointments:write', 'doctors:write']) {
    const half = await keyFor(desk.clinicId, [scope])
    expect((await half.post(path, { reason: 'ill' })).status).toBe(403)
  }
  const both = await keyFor(desk.clinicId, ['appointments:write', 'doctors:write'])
  expect((await both.post(path, { reason: 'ill' })).status).toBe(200)
})
