import { afterEach, expect, test, vi } from 'vitest'
import { DAY, type FrontDesk, openFrontDesk } from './clinic'

const NOON = new Date(`${DAY}T12:00:00Z`)
const at = (instant: string | Date) => vi.useFakeTimers({ now: new Date(instant), toFake: ['Date'] })
afterEach(() => vi.useRealTimers())

async function arrive(desk: FrontDesk, patient = 0): Promise<{ appointment_id: string; patient_id: string }> {
  const { body } = await desk.book({ date: DAY, patient })
  return { appointment_id: body.id, patient_id: body.patient_id }
}
const checkIn = (desk: FrontDesk, wanted: object, headers?: HeadersInit) =>
  desk.post('/api/v1/checkins', wanted, headers)
const queueOf = (desk: FrontDesk) => desk.get(`/api/v1/checkins/doctors/${desk.doctorId}/queue?date=${DAY}`)

test('a check-in answers position, time and appointment', async () => {
  const desk = await openFrontDesk()
  const wanted = await arrive(desk)
  at(NOON)
  const { status, body } = await checkIn(desk, wanted)
  expect(status).toBe(201)
  expect(body).toEqual({
    queue_position: 1,
    checked_in_at: NOON.toISOString(),
    appointment_id: wanted.appointment_id,
  })
})

test('positions are 1, 2, 3 … in the order of arrival, and the queue lists them with names', async () => {
  const desk = await openFrontDesk({ patients: 3 })
  const wanted = [await arrive(desk, 0), await arrive(desk, 1), await arrive(desk, 2)]
  at(NOON)
  for (const n of [2, 0, 1]) await checkIn(desk, wanted[n] ?? {})
  const { status, body } = await queueOf(desk)
  expect(status).toBe(200)
  expect(body).toEqual(
    [2, 0, 1].map((n, index) => ({
      id: expect.any(String),
      appointment_id: wanted[n]?.appointment_id,
      doctor_id: desk.doctorId,
      date: DAY,
      position: index + 1,
      checked_in_at: NOON.toISOString(),
      status: 'waiting',
      priority: 'normal',
      room: null,
      patient_name: `Patient ${n}`,
    })),
  )
})

test('an empty queue is []', async () => {
  const desk = await openFrontDesk()
  expect(await queueOf(desk)).toMatchObject({ status: 200, text: '[]\n' })
})

test('a second check-in is 409, “already checked in”; the same key gets the first answer', async () => {
  const desk = await openFrontDesk()
  const wanted = await arrive(desk)
  at(NOON)
  const first = await checkIn(desk, wanted, { 'Idempotency-Key': 'k' })
  const again = await checkIn(desk, wanted, { 'Idempotency-Key': 'k' })
  const second = await checkIn(desk, wanted)
  expect([again.status, again.text]).toEqual([201, first.text])
  expect(second.status).toBe(409)
  expect(second.body.message).toContain('already checked in')
})

test('another day than the appointment’s is 422, “only allowed on appointment date”', async () => {
  const desk = await openFrontDesk()
  const wanted = await arrive(desk)
  at('2040-03-15T00:00:00Z')
  const refused = await checkIn(desk, wanted)
  expect(refused.status).toBe(422)
  expect(refused.body.message).toContain('only allowed on appointment date')
})

test.each([
  ['Asia/Kolkata', '2040-03-13T18:29:59Z', 422],
  ['Asia/Kolkata', '2040-03-13T18:30:00Z', 201],
  ['Asia/Kolkata', '2040-03-14T18:29:59Z', 201],
  ['Asia/Kolkata', '2040-03-14T18:30:00Z', 422],
  ['America/New_York', '2040-03-14T03:59:59Z', 422],
  ['America/New_York', '2040-03-14T04:00:00Z', 201],
  ['Pacific/Kiritimati', '2040-03-13T10:00:00Z', 201],
  ['Pacific/Pago_Pago', '2040-03-15T10:59:59Z', 201],
])('the date is the clinic’s: in %s at %s a check-in is %i', async (timeZone, instant, expected) => {
  const desk = await openFrontDesk({ timeZone })
  const wanted = await arrive(desk)
  at(instant)
  expect((await checkIn(desk, wanted)).status).toBe(expected)
})

test('another patient’s appointment is 400, “does not belong”', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  const wanted = await arrive(desk)
  at(NOON)
  const refused = await checkIn(desk, { ...wanted, patient_id: desk.patientIds[1] })
  expect(refused.status).toBe(400)
  expect(refused.body.message).toContain('does not belong')
})

test('an unknown appointment is 404', async () => {
  const desk = await openFrontDesk()
  for (const appointment_id of ['nobody', crypto.randomUUID()])
    expect((await checkIn(desk, { appointment_id, patient_id: desk.patientIds[0] })).status).toBe(404)
})

test('the queue of an unknown doctor is 404', async () => {
  const desk = await openFrontDesk()
  expect((await queueOf({ ...desk, doctorId: 'nobody' })).status).toBe(404)
})

test('every missing field of a check-in is named', async () => {
  const desk = await openFrontDesk()
  const { status, body } = await checkIn(desk, {})
  expect(status).toBe(400)
  expect(body.errors.map((fault: { field: string }) => fault.field)).toEqual(['appointment_id', 'patient_id'])
})
