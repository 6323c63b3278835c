import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { dayKey } from '../src/doctor-day/storage/address'
import { DAY, type FrontDesk, keyFor, openFrontDesk, type Reply, statuses, times } from './clinic'
import { rounds } from './rounds'

const APPOINTMENTS = '/api/v1/appointments'
const at = (instant: string) => vi.useFakeTimers({ now: Date.parse(instant), toFake: ['Date'] })
afterEach(() => {
  vi.useRealTimers()
})

/** A doctor who works from 9 to 12 in slots of half an hour: 6 slots. */
async function openMorning(patients = 4, timeZone = 'UTC'): Promise<FrontDesk> {
  const desk = await openFrontDesk({ patients, timeZone })
  const working_hours = { from: '09:00', to: '12:00', minutes_per_slot: 30 }
  const changed = await desk.send(
    'PATCH',
    `/api/v1/doctors/${desk.doctorId}`,
    JSON.stringify({ working_hours }),
  )
  expect(changed.status).toBe(200)
  return desk
}

const reschedule = (desk: FrontDesk, id: string, wanted: object, headers = {}) =>
  desk.post(`${APPOINTMENTS}/${id}/reschedule`, wanted, headers)
const join = (desk: FrontDesk, patient: number, wanted: object = {}) =>
  desk.post(`${APPOINTMENTS}/waitlist`, {
    ...{ patient_id: desk.patientIds[patient], doctor_id: desk.doctorId, date: DAY },
    ...wanted,
  })
const cancel = (desk: FrontDesk, id: string) => desk.post(`${APPOINTMENTS}/${id}/cancel`, {})
const codeOf = ({ status, body }: Reply) => [status, body.type.replace('/problems/', '')]
const namedIn = ({ body }: Reply): number[] => body.alternatives.map(({ slot }: { slot: number }) => slot)

test('a patient gets the slot that was chosen, by number, by the clock of the clinic, or by its instant', async () => {
  const desk = await openMorning(3, 'America/New_York')
  const byTime = await desk.book({ date: DAY, patient: 0, time: '10:30' })
  expect(byTime).toMatchObject({ status: 201, body: { slot: 4, starts_at: `${DAY}T10:30:00-04:00` } })
  expect(await desk.book({ date: DAY, patient: 1, slot: 6 })).toMatchObject({
    status: 201,
    body: { slot: 6 },
  })
  const byInstant = await desk.book({ date: DAY, patient: 2, starts_at: `${DAY}T13:00:00Z` })
  expect(byInstant).toMatchObject({ status: 201, body: { slot: 1, starts_at: `${DAY}T09:00:00-04:00` } })
})

test('without a choice the lowest free slot is given, as before', async () => {
  const desk = await openMorning()
  await desk.book({ date: DAY, patient: 0, slot: 1 })
  expect((await desk.book({ date: DAY, patient: 1 })).body.slot).toBe(2)
})

test('who waits for a time is offered that time and no other, whatever hours the day gets', async () => {
  const desk = await openMorning(3)
  const say = (terms: object) =>
    desk.post(`/api/v1/doctors/${desk.doctorId}/availability`, { date: DAY, ...terms })
  const present = (from: string, to: string, more = {}) =>
    say({ is_present: true, working_hours: { from, to, minutes_per_slot: 30, ...more } })
  await say({ is_present: false })
  const first = await join(desk, 0, { time: '10:30' })
  expect(first.body).toMatchObject({ status: 'waiting', slot: 4 })
  await join(desk, 1, { starts_at: `${DAY}T11:00:00Z` })
  await join(desk, 2, { slot: 1 })
  const offered = async () =>
    (await desk.get(`${APPOINTMENTS}/waitlist?doctor_id=${desk.doctorId}&date=${DAY}`)).body.map(
      ({ slot, offer }: { slot: number; offer: { starts_at: string } | null }) => [slot, offer?.starts_at],
    )
  for (const [from, to, more] of [
    ['13:00', '17:00', {}],
    ['08:15', '12:15', {}],
    ['10:00', '12:00', { breaks: [{ from: '10:30', to: '11:30' }] }],
  ] as const) {
    expect((await present(from, to, more)).status).toBe(200)
    expect([from, (await offered()).map(([, at]: string[]) => at)]).toEqual([from, times(3, () => undefined)])
  }
  expect(codeOf(await desk.post(`${APPOINTMENTS}/waitlist/${first.body.id}/accept`))).toEqual([
    409,
    'no_offer',
  ])
  expect((await present('10:00', '12:00')).status).toBe(200)
  const [ten, eleven] = [`${DAY}T10:30:00+00:00`, `${DAY}T11:00:00+00:00`]
  expect(await offered()).toEqual([
    [2, ten],
    [3, eleven],
    [1, undefined],
  ])
  const accepted = await desk.post(`${APPOINTMENTS}/waitlist/${first.body.id}/accept`)
  expect(accepted).toMatchObject({ status: 201, body: { slot: 2, starts_at: ten } })
  expect((await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${DAY}/verify`)).body.ok).toBe(true)
})

test('a slot that is taken, held or offered is 409 slot_taken, with the three nearest free ones', async () => {
  const desk = await openMorning()
  await desk.book({ date: DAY, patient: 0, slot: 3 })
  await desk.post(`${APPOINTMENTS}/holds`, { doctor_id: desk.doctorId, date: DAY, ttl_seconds: 60, slot: 2 })
  const waiting = await join(desk, 1, { slot: 4 })
  expect(waiting.body).toMatchObject({ status: 'offered', slot: 4, offer: { slot: 4 } })
  for (const slot of [2, 3, 4]) {
    const refused = await desk.book({ date: DAY, patient: 2, slot })
    expect(codeOf(refused)).toEqual([409, 'slot_taken'])
    expect(namedIn(refused)).toEqual({ 2: [1, 5, 6], 3: [1, 5, 6], 4: [5, 6, 1] }[slot])
  }
  const { body } = await desk.book({ date: DAY, patient: 2, time: '10:00' })
  expect(body.alternatives[0]).toEqual({
    slot: 1,
    starts_at: `${DAY}T09:00:00+00:00`,
    ends_at: `${DAY}T09:30:00+00:00`,
  })
})

test('a time at which no slot begins, or a slot that the day does not have, is 422 with the nearest ones', async () => {
  const desk = await openMorning()
  for (const [wanted, nearest] of [
    [{ time: '10:15' }, [3, 4, 2]],
    [{ time: '08:30' }, [1, 2, 3]],
    [{ slot: 7 }, [6, 5, 4]],
    [{ starts_at: `${DAY}T12:30:00Z` }, [6, 5, 4]],
  ] as const) {
    const refused = await desk.book({ date: DAY, ...wanted })
    expect(codeOf(refused)).toEqual([422, 'no_such_slot'])
    expect(namedIn(refused)).toEqual(nearest)
  }
})

test('a chosen time on another date, or on a day without times, is refused with that reason', async () => {
  const [desk, timeless] = [await openMorning(), await openFrontDesk()]
  const starts_at = '2040-03-15T09:00:00Z'
  for (const [refused, said, nearest] of [
    [await desk.book({ date: DAY, starts_at }), 'starts_at lies on another date', [6, 5, 4]],
    [await timeless.book({ date: DAY, starts_at }), 'starts_at lies on another date', [1, 2, 3]],
    [await timeless.book({ date: DAY, time: '10:00' }), 'no times', [1, 2, 3]],
    [await timeless.book({ date: DAY, slot: 99 }), 'does not fit', expect.anything()],
  ] as const) {
    expect(codeOf(refused)).toEqual([422, 'no_such_slot'])
    expect(refused.body.detail).toContain(said)
    expect(namedIn(refused)).toEqual(nearest)
  }
  const short = await desk.book({ date: DAY, time: '9:30' })
  expect([short.status, short.body.errors[0].message]).toEqual([400, expect.stringContaining('like 09:30')])
})

test('two choices at once are 400, and so are a choice beside a hold and a slot that is no number', async () => {
  const desk = await openMorning()
  const held = await desk.post(`${APPOINTMENTS}/holds`, {
    ...{ doctor_id: desk.doctorId, date: DAY, ttl_seconds: 60, time: '11:00' },
  })
  expect(held.body).toMatchObject({ slot: 5, starts_at: `${DAY}T11:00:00+00:00` })
  const faults = async (wanted: object) => {
    const { status, body } = await desk.post(APPOINTMENTS, { patient_id: desk.patientIds[0], ...wanted })
    return [status, body.errors?.map(({ field }: { field: string }) => field)]
  }
  const day = { doctor_id: desk.doctorId, date: DAY }
  expect(await faults({ ...day, slot: 1, time: '09:00' })).toEqual([400, ['time']])
  expect(await faults({ hold_id: held.body.hold_id, slot: 5 })).toEqual([400, ['slot']])
  for (const slot of [0, 1.5, '1', 1001, -1]) expect(await faults({ ...day, slot })).toEqual([400, ['slot']])
  for (const time of ['9:00', '24:00', '10:60', '10:30:00'])
    expect(await faults({ ...day, time })).toEqual([400, ['time']])
})

test('a slot that has begun is never given: 422 slot_begun, with those that are left', async () => {
  const desk = await openMorning()
  at(`${DAY}T10:10:00Z`)
  const refused = await desk.book({ date: DAY, time: '10:00' })
  expect(codeOf(refused)).toEqual([422, 'slot_begun'])
  expect(namedIn(refused)).toEqual([4, 5, 6])
  expect((await desk.book({ date: DAY, time: '10:30' })).status).toBe(201)
})

test('a visit is recorded afterwards with back_dated, by a key that may do so', async () => {
  const desk = await openMorning()
  const scopes = ['appointments:read', 'appointments:write', 'appointments:backdate']
  const clerk = await keyFor(desk.clinicId, scopes)
  at('2040-03-20T10:00:00Z')
  const visit = { patient_id: desk.patientIds[0], doctor_id: desk.doctorId, date: DAY, time: '10:30' }
  expect(codeOf(await desk.post(APPOINTMENTS, visit))).toEqual([422, 'date_over'])
  const unscoped = await desk.post(APPOINTMENTS, { ...visit, back_dated: true })
  expect(codeOf(unscoped)).toEqual([403, 'scope_missing'])
  const recorded = await clerk.post(APPOINTMENTS, { ...visit, back_dated: true })
  expect(recorded).toMatchObject({ status: 201, body: { slot: 4, date: DAY } })
  const again = { ...visit, patient_id: desk.patientIds[1], back_dated: true }
  expect(codeOf(await clerk.post(APPOINTMENTS, again))).toEqual([409, 'slot_taken'])
})

test('a visit moves to another slot of its day, keeps its id, and its old slot goes to who waits for it', async () => {
  const desk = await openMorning()
  const booked = await desk.book({ date: DAY, patient: 0, time: '09:30' })
  const waiting = await join(desk, 1, { time: '09:30' })
  expect(waiting.body).toMatchObject({ status: 'waiting', slot: 2, offer: null })
  const moved = await reschedule(desk, booked.body.id, { date: DAY, time: '11:00' })
  expect(moved).toMatchObject({ status: 200, body: { id: booked.body.id, slot: 5, status: 'booked' } })
  expect((await join(desk, 1)).body).toMatchObject({ id: waiting.body.id, offer: { slot: 2 } })
  const list = await desk.get(`${APPOINTMENTS}/doctors/${desk.doctorId}/appointments?date=${DAY}`)
  expect(list.body.map(({ slot }: { slot: number }) => slot)).toEqual([5])
  await expect
    .poll(async () => (await desk.get(`${APPOINTMENTS}?patient_id=${desk.patientIds[0]}`)).body)
    .toMatchObject([{ id: booked.body.id, slot: 5, starts_at: `${DAY}T11:00:00+00:00` }])
})

test('a move to a slot that is taken on another day changes nothing and names the nearest free ones', async () => {
  const desk = await openMorning()
  const [mine] = [await desk.book({ date: DAY, patient: 0, slot: 2 })]
  const OTHER = '2040-03-15'
  await desk.book({ date: OTHER, patient: 1, slot: 4 })
  for (const key of ['k1', 'k1']) {
    const refused = await reschedule(
      desk,
      mine.body.id,
      { date: OTHER, time: '10:30' },
      { 'Idempotency-Key': key },
    )
    expect(codeOf(refused)).toEqual([409, 'slot_taken'])
    expect(namedIn(refused)).toEqual([3, 5, 2])
  }
  expect((await desk.get(`${APPOINTMENTS}/${mine.body.id}`)).body).toMatchObject({ date: DAY, slot: 2 })
  const moved = await reschedule(desk, mine.body.id, { date: OTHER, slot: 3 })
  expect(moved.body).toMatchObject({ id: mine.body.id, date: OTHER, slot: 3 })
})

test('who waits for one slot is passed over for others, and gets that one before who joined later', async () => {
  const desk = await openMorning(9)
  const booked = await Promise.all(times(6, (n) => desk.book({ date: DAY, patient: n, slot: n + 1 })))
  const only = await join(desk, 6, { slot: 3 })
  const any = await join(desk, 7)
  expect([only.body.place, any.body.place]).toEqual([1, 2])
  await cancel(desk, booked[0]?.body.id)
  expect((await join(desk, 6)).body.offer).toBeNull()
  expect((await join(desk, 7)).body.offer).toMatchObject({ slot: 1 })
  await join(desk, 8)
  await cancel(desk, booked[2]?.body.id)
  expect((await join(desk, 6)).body.offer).toMatchObject({ slot: 3 })
  expect((await join(desk, 8)).body.offer).toBeNull()
})

test('a retry with the same key gets the first answer: the slot, or the refusal with its alternatives', async () => {
  const desk = await openMorning()
  const book = (patient: number, key: string) =>
    desk.book({ date: DAY, patient, slot: 2 }, { 'Idempotency-Key': key })
  const [won, lost] = [await book(0, 'a'), await book(1, 'b')]
  expect([won.status, lost.status]).toEqual([201, 409])
  await cancel(desk, won.body.id)
  expect((await book(0, 'a')).text).toBe(won.text)
  const again = await book(1, 'b')
  expect([again.status, namedIn(again)]).toEqual([409, namedIn(lost)])
})

test('another clinic’s day is asked nothing: the slot stays free there', async () => {
  const [desk, stranger] = [await openMorning(), await openMorning()]
  expect((await desk.book({ date: DAY, slot: 2, doctorId: stranger.doctorId })).status).toBe(404)
  const key = dayKey(stranger.clinicId, stranger.doctorId, DAY)
  const seen = await env.DOCTOR_DAY.get(env.DOCTOR_DAY.idFromName(key)).see(stranger.clinicId, {
    view: 'ledger',
  })
  expect(seen).toMatchObject({ seen: null, version: 0 })
})

test('of two hundred callers for one slot one gets it, and each other is told which ones are free', async () => {
  const desk = await openFrontDesk({ patients: 200, capacity: 300 })
  const given = new Set<number>()
  for (const slot of [7, 300, ...times(rounds(0, 198), (n) => ((n * 37) % 292) + 8)]) {
    const replies = await Promise.all(
      times(200, (patient) => desk.book({ date: DAY, patient, slot, allow_another: true })),
    )
    given.add(slot)
    expect(statuses(replies)).toEqual({ 201: 1, 409: 199 })
    for (const refused of replies.filter(({ status }) => status === 409)) {
      expect(codeOf(refused)).toEqual([409, 'slot_taken'])
      expect(namedIn(refused)).toHaveLength(3)
      expect(namedIn(refused).filter((other) => given.has(other))).toEqual([])
    }
  }
}, 600_000)
