import { afterEach, expect, test, vi } from 'vitest'
import { type FrontDesk, openFrontDesk } from './clinic'
import { betweenDays } from './faults'
import { APPOINTMENTS, forgetReplies, MONDAY, TUESDAY } from './moves'
import { soon } from './soon'

/** Where the patients of an absent doctor go: to the same time of the other day, or as near to it as can be. */

const NEXT_MONDAY = '2040-03-19'
const HOURS = { from: '09:00', to: '12:00', minutes_per_slot: 30 }

afterEach(() => {
  vi.restoreAllMocks()
})

const DOCTORS = '/api/v1/doctors'
const absent = (desk: FrontDesk, move_to: object = { date: TUESDAY }, key = '') =>
  desk.post(
    `${DOCTORS}/${desk.doctorId}/days/${MONDAY}/absence`,
    { reason: 'ill', move_to },
    key ? { 'Idempotency-Key': key } : {},
  )
async function openHours(patients: number, hours: object | null = HOURS, more: object = {}) {
  const desk = await openFrontDesk({ patients, capacity: 6, ...more })
  if (hours) await desk.send('PATCH', `${DOCTORS}/${desk.doctorId}`, JSON.stringify({ working_hours: hours }))
  return desk
}
const set = (desk: FrontDesk, date: string, more: object) =>
  desk.post(`${DOCTORS}/${desk.doctorId}/availability`, { date, is_present: true, ...more })
const bookAt = async (desk: FrontDesk, date: string, times: string[], first = 0): Promise<string[]> => {
  const ids: string[] = []
  for (const [n, time] of times.entries())
    ids.push((await desk.book({ date, patient: first + n, time })).body.id)
  return ids
}
/** `10:30`, or the slot where there are no times; null where the visit is not on that date. */
const timeOf = async (desk: FrontDesk, id: string, date = TUESDAY) => {
  const { body } = await desk.get(`${APPOINTMENTS}/${id}`)
  return body.date === date && body.status === 'booked' ? (body.starts_at?.slice(11, 16) ?? body.slot) : null
}
const timesOf = (desk: FrontDesk, ids: string[], date = TUESDAY) =>
  Promise.all(ids.map((id) => timeOf(desk, id, date)))

test('an absence and a leave move each patient to the same time of the other day', async () => {
  const desk = await openHours(2)
  const ids = await bookAt(desk, MONDAY, ['10:30', '11:00'])
  const { body } = await absent(desk)
  expect(body.moved.map(({ slot }: { slot: number }) => slot)).toEqual([4, 5])
  expect(await timesOf(desk, ids)).toEqual(['10:30', '11:00'])
  const week = { from: TUESDAY, to: TUESDAY, reason: 'off', move_to: { days_later: 6 } }
  await desk.post(`${DOCTORS}/${desk.doctorId}/leave`, week)
  await soon(async () => expect(await timesOf(desk, ids, NEXT_MONDAY)).toEqual(['10:30', '11:00']))
})

test('who finds the time taken gets the nearest free one, the earlier of two; nobody loses a free time to them', async () => {
  const desk = await openHours(8)
  await bookAt(desk, TUESDAY, ['10:00'], 6)
  const ids = await bookAt(desk, MONDAY, ['10:00', '10:30', '11:00'])
  await absent(desk)
  expect(await timesOf(desk, ids)).toEqual(['09:30', '10:30', '11:00'])
})

test('earlier visits find room first among those whose time is taken; the others wait, in that order', async () => {
  const desk = await openHours(8)
  await bookAt(desk, TUESDAY, ['09:00', '09:30', '10:00', '10:30'], 4)
  const ids = await bookAt(desk, MONDAY, ['09:00', '09:30', '10:00', '11:30'])
  const { body } = await absent(desk)
  expect(await timesOf(desk, ids)).toEqual(['11:00', null, null, '11:30'])
  expect(body.waitlisted.map(({ patient_id }: { patient_id: string }) => patient_id)).toEqual(
    desk.patientIds.slice(1, 3),
  )
})

test('a day with other hours gives the time where it has it, and else the nearest; breaks are not given', async () => {
  const desk = await openHours(4)
  const ids = await bookAt(desk, MONDAY, ['09:00', '10:00', '10:30', '11:30'])
  const breaks = [{ from: '10:00', to: '10:20' }]
  await set(desk, TUESDAY, { working_hours: { from: '09:20', to: '13:00', minutes_per_slot: 20, breaks } })
  await absent(desk)
  expect(await timesOf(desk, ids)).toEqual(['09:20', '09:40', '10:20', '11:20'])
})

test('without times the slot stays the same: on both days, or on one of them', async () => {
  const desk = await openHours(3, null)
  const { body } = await desk.book({ date: MONDAY, slot: 4 })
  await absent(desk)
  expect(await timeOf(desk, body.id)).toBe(4)
  await set(desk, '2040-03-14', { working_hours: HOURS })
  const next = (await desk.book({ date: '2040-03-15', patient: 1, slot: 5 })).body.id
  const move_to = { date: '2040-03-14' }
  await desk.post(`${DOCTORS}/${desk.doctorId}/days/2040-03-15/absence`, { reason: 'ill', move_to })
  expect(await timeOf(desk, next, '2040-03-14')).toBe('11:00')
})

test('a visit of two slots keeps its time, or gets the nearest two neighbouring slots', async () => {
  const desk = await openHours(8)
  const { body: service } = await desk.post('/api/v1/services', { name: 'Echo', slots: 2 })
  const long = async (patient: number, time: string) =>
    (await desk.book({ date: MONDAY, patient, time, service_id: service.id })).body.id
  const ids = [await long(0, '09:30'), await long(1, '10:30')]
  await bookAt(desk, TUESDAY, ['10:00'], 6)
  await absent(desk)
  expect(await timesOf(desk, ids)).toEqual(['09:00', '10:30'])
})

test('two visits of a patient on that day move both, also when the second one moves in a later try', async () => {
  const desk = await openHours(3)
  const [first] = await bookAt(desk, MONDAY, ['09:30'])
  const second = (await desk.book({ date: MONDAY, time: '11:00', allow_another: true })).body.id
  let reserved = 0
  betweenDays(async ({ type }, call) => {
    if (type === 'reserve') reserved += 1
    return type === 'reserve' && reserved === 2 ? { ok: false, refused: 'moving' } : call()
  })
  const { body: half } = await absent(desk, { date: TUESDAY }, 'k')
  expect([half.moved.length, half.to_call.length]).toEqual([1, 1])
  vi.restoreAllMocks()
  const { body } = await absent(desk)
  expect([body.moved.length, body.to_call.length]).toEqual([2, 0])
  expect(await timesOf(desk, [first ?? '', second])).toEqual(['09:30', '11:00'])
})

test('a patient who has an appointment there anyway is to be called, for each of two visits', async () => {
  const desk = await openHours(3)
  await bookAt(desk, TUESDAY, ['09:00'])
  await bookAt(desk, MONDAY, ['09:30'])
  await desk.book({ date: MONDAY, time: '11:00', allow_another: true })
  const { body } = await absent(desk)
  expect([body.moved, body.to_call.map(({ why }: { why: string }) => why)]).toEqual([
    [],
    ['already_booked', 'already_booked'],
  ])
})

test('of two visits of a patient one waits for a full day; the other stands and is to be called', async () => {
  const desk = await openHours(3)
  await set(desk, TUESDAY, { capacity: 1 })
  await bookAt(desk, TUESDAY, ['09:00'], 2)
  const [first] = await bookAt(desk, MONDAY, ['09:30'])
  const second = (await desk.book({ date: MONDAY, time: '11:00', allow_another: true })).body.id
  for (const _ of ['once', 'again']) {
    await forgetReplies()
    const { body } = await absent(desk)
    expect([body.moved, body.waitlisted, body.to_call]).toMatchObject([
      [],
      [{ appointment_id: first }],
      [{ appointment_id: second, why: 'already_waiting' }],
    ])
  }
  expect((await desk.get(`${APPOINTMENTS}/${second}`)).body.status).toBe('booked')
})

test.each([
  ['any of several days', () => ({ dates: [TUESDAY, '2040-03-20'] })],
  ['one slot alone', () => ({ date: TUESDAY, slot: 1 })],
  ['another service', (service: string) => ({ date: TUESDAY, service_id: service })],
])(
  'a place on the waitlist for %s stands for no visit of an absent doctor: it is to be called',
  async (_, wanted) => {
    const desk = await openHours(3)
    const { body: service } = await desk.post('/api/v1/services', { name: 'Checkup', slots: 1 })
    await set(desk, TUESDAY, { capacity: 1 })
    await bookAt(desk, TUESDAY, ['09:00'], 2)
    const [visit] = await bookAt(desk, MONDAY, ['09:30'])
    const place = { doctor_id: desk.doctorId, patient_id: desk.patientIds[0], ...wanted(service.id) }
    const waiting = await desk.post(`${APPOINTMENTS}/waitlist`, place)
    expect(waiting.status).toBe(201)
    const { body } = await absent(desk)
    expect([body.moved, body.waitlisted, body.to_call]).toMatchObject([
      ...[[], []],
      [{ appointment_id: visit, why: 'already_waiting' }],
    ])
    expect((await desk.get(`${APPOINTMENTS}/${visit}`)).body.status).toBe('booked')
    const listed = await desk.get(`${APPOINTMENTS}/waitlist?doctor_id=${desk.doctorId}&date=${TUESDAY}`)
    expect(listed.body).toHaveLength(1)
  },
)

test('a day of an earlier version, which knows no such wish, gives its lowest free slot', async () => {
  const desk = await openHours(2)
  const ids = await bookAt(desk, MONDAY, ['10:30', '11:00'])
  betweenDays(async (command, call) => {
    Object.assign(command, { near: undefined, beside: undefined })
    return call()
  })
  await absent(desk)
  expect(await timesOf(desk, ids)).toEqual(['09:00', '09:30'])
})

test('no move gives a visit to a doctor who does not offer its service: it is refused, or to be called', async () => {
  const desk = await openHours(2)
  const { body: other } = await desk.post(DOCTORS, { code: 'B', name: 'B', working_hours: HOURS })
  const service = { name: 'Echo', slots: 1, doctors: [desk.doctorId] }
  const { body: echo } = await desk.post('/api/v1/services', service)
  const { body: visit } = await desk.book({ date: MONDAY, time: '09:30', service_id: echo.id })
  const [plain] = await bookAt(desk, MONDAY, ['10:00'], 1)
  await soon(async () => expect((await desk.get(`${APPOINTMENTS}?from=${MONDAY}`)).body).toHaveLength(2))
  const moved = await desk.post(`${APPOINTMENTS}/${visit.id}/reschedule`, {
    date: TUESDAY,
    doctor_id: other.id,
  })
  expect([moved.status, moved.body.type]).toEqual([422, '/problems/service_not_offered'])
  const { body } = await absent(desk, { date: TUESDAY, doctor_id: other.id })
  expect([body.moved, body.to_call]).toMatchObject([
    [{ appointment_id: plain, doctor_id: other.id }],
    [{ appointment_id: visit.id, why: 'service_not_offered' }],
  ])
  const week = { from: MONDAY, to: MONDAY, reason: 'off', move_to: { doctor_id: other.id, days_later: 1 } }
  const leave = await desk.post(`${DOCTORS}/${desk.doctorId}/leave`, week)
  const dates = `${DOCTORS}/${desk.doctorId}/leave/${leave.body.leave_id}/dates`
  await soon(async () =>
    expect((await desk.get(dates)).body[0].to_call).toMatchObject([{ why: 'service_not_offered' }]),
  )
  expect((await desk.get(`${APPOINTMENTS}/${visit.id}`)).body).toMatchObject({
    status: 'booked',
    date: MONDAY,
  })
})
