import { evictDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { type FrontDesk, openFrontDesk, type Reply, times } from './clinic'
import { depthOf } from './critical-path'
import { APPOINTMENTS, CHECKINS, MONDAY, objectOf, TUESDAY } from './moves'
import { soon } from './soon'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const key = { 'Idempotency-Key': 'k' }
const isToday = (date: string) => vi.useFakeTimers({ now: Date.parse(`${date}T12:00:00Z`), toFake: ['Date'] })
const bookAll = async (desk: FrontDesk, count: number): Promise<string[]> => {
  const ids: string[] = []
  for (const patient of times(count, (n) => n)) ids.push((await desk.book({ date: MONDAY, patient })).body.id)
  return ids
}
const arrive = (desk: FrontDesk, id: string, patient: number, headers = {}) =>
  desk.post(CHECKINS, { appointment_id: id, patient_id: desk.patientIds[patient] }, headers)
const callNext = (desk: FrontDesk, headers = {}) =>
  desk.post(`${CHECKINS}/doctors/${desk.doctorId}/queue/next`, { room: '1' }, headers)

const record = ({ clinicId }: FrontDesk) => ({
  test_id: 'T-1',
  patient_id: 'P-1',
  clinic_id: clinicId,
  test_type: 'haemoglobin',
  result: '13.9 g/dL',
})
const EVENT = {
  event_type: 'appointment.updated',
  appointment_id: 'A-1',
  patient_id: 'P-1',
  timestamp: '2026-01-11T09:00:00Z',
}

/** D1 knows who waits, as it does half a second after each event. */
async function expectCopied({ clinicId, patientIds }: FrontDesk): Promise<void> {
  const next = await env.DB.prepare('SELECT next_patient FROM days WHERE clinic_id = ?')
    .bind(clinicId)
    .first('next_patient')
  expect(next).toBe(patientIds[1])
}

type Ask = (desk: FrontDesk, ids: string[]) => Promise<Reply>

/**
 * The days have just woken: nothing of earlier requests goes on in them, and they remember nothing.
 *
 * How many calls a request with a key waits for, one after the other. The first asks KV for a kept answer, and
 * at the same time D1 for the key.
 */
const PATHS: [what: string, depth: number, ask: Ask][] = [
  ['a booking', 2, (desk) => desk.book({ date: MONDAY, patient: 5 }, key)],
  ['a check-in', 2, (desk, [, , id = '']) => arrive(desk, id, 2, key)],
  ['calling the next', 2, (desk) => callNext(desk, key)],
  ['a step of a visit', 2, (desk, [id]) => desk.post(`${CHECKINS}/${id}/skip`, {}, key)],
  ['a cancellation', 2, (desk, [, , id]) => desk.post(`${APPOINTMENTS}/${id}/cancel`, {}, key)],
  ['a medical test', 1, (desk) => desk.post('/tests', record(desk), key)],
  ['a webhook event', 1, (desk) => desk.post('/webhook/appointments', EVENT, key)],
  [
    'a reschedule',
    3,
    (desk, [, , id]) => desk.post(`${APPOINTMENTS}/${id}/reschedule`, { date: TUESDAY }, key),
  ],
  [
    'a reschedule to a doctor',
    3,
    (desk, [, , id]) =>
      desk.post(`${APPOINTMENTS}/${id}/reschedule`, { date: TUESDAY, doctor_id: desk.doctorId }, key),
  ],
]

test.each(PATHS)('%s with a key waits for %i calls in a row', async (_, depth, ask) => {
  const desk = await openFrontDesk({ patients: 6 })
  isToday(MONDAY)
  const ids = await bookAll(desk, 4)
  await arrive(desk, ids[0] ?? '', 0)
  await callNext(desk)
  await arrive(desk, ids[1] ?? '', 1)
  await soon(() => expectCopied(desk))
  await evictDurableObject(objectOf(desk, MONDAY))
  await desk.get(`${APPOINTMENTS}/${ids[3]}`)
  const { depth: found, reply } = await depthOf(() => ask(desk, ids))
  expect([reply.status < 300, found]).toEqual([true, depth])
})

test.each([
  [1, 30, 3],
  [5, 30, 3],
  [30, 30, 3],
  [30, 20, 4],
  [30, 1, 4],
])('an absence of %i patients on a day with room for %i waits for %i calls in a row', async (...row) => {
  const [patients, room, most] = row
  const desk = await openFrontDesk({ patients, capacity: 30 })
  isToday(MONDAY)
  await bookAll(desk, patients)
  const there = { date: TUESDAY, is_present: true, capacity: room }
  await desk.post(`/api/v1/doctors/${desk.doctorId}/availability`, there)
  for (const date of [MONDAY, TUESDAY]) await evictDurableObject(objectOf(desk, date))
  await desk.get(`${APPOINTMENTS}/doctors/${desk.doctorId}/appointments?date=${TUESDAY}`)
  const absent = `/api/v1/doctors/${desk.doctorId}/days/${MONDAY}/absence`
  const { depth, reply } = await depthOf(() =>
    desk.post(absent, { reason: 'ill', move_to: { date: TUESDAY } }, key),
  )
  const moved = Math.min(patients, room)
  expect([reply.body.moved.length, reply.body.waitlisted.length]).toEqual([moved, patients - moved])
  expect(depth).toBe(most)
})

test('an absence on a day where the times are taken waits for one more call, however many patients', async () => {
  const desk = await openFrontDesk({ patients: 30, capacity: 30 })
  isToday(MONDAY)
  await bookAll(desk, 10)
  for (const patient of times(10, (n) => n + 10)) await desk.book({ date: TUESDAY, patient })
  for (const date of [MONDAY, TUESDAY]) await evictDurableObject(objectOf(desk, date))
  await desk.get(`${APPOINTMENTS}/doctors/${desk.doctorId}/appointments?date=${TUESDAY}`)
  const absent = `/api/v1/doctors/${desk.doctorId}/days/${MONDAY}/absence`
  const { depth, reply } = await depthOf(() =>
    desk.post(absent, { reason: 'ill', move_to: { date: TUESDAY } }, key),
  )
  expect(reply.body.moved.map(({ slot }: { slot: number }) => slot)).toEqual(times(10, (n) => n + 11))
  expect(depth).toBe(4)
})

test('calls at once count once, calls in a row count each', async () => {
  const desk = await openFrontDesk()
  const [id] = await bookAll(desk, 1)
  const read = () => desk.get(`${APPOINTMENTS}/${id}`)
  const atOnce = () => Promise.all([read(), read(), read()])
  const { depth } = await depthOf(async () => {
    await atOnce()
    await read()
    const [reply] = await atOnce()
    return reply
  })
  expect(depth).toBe(3)
})
