import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { DAY, type FrontDesk, openFrontDesk } from './clinic'
import { APPOINTMENTS, CHECKINS } from './moves'

/** `allow_another`: a second visit of a patient to a doctor on one day. */

const NOON = Date.parse(`${DAY}T12:00:00Z`)
beforeEach(() => void vi.useFakeTimers({ now: NOON, toFake: ['Date'] }))
afterEach(() => vi.useRealTimers())

const walkIn = (desk: FrontDesk, more: object = {}, headers: HeadersInit = {}) =>
  desk.post(
    `${CHECKINS}/walk-in`,
    { patient_id: desk.patientIds[0], doctor_id: desk.doctorId, ...more },
    headers,
  )
const wait = (desk: FrontDesk, more: object = {}, headers: HeadersInit = {}) =>
  desk.post(
    `${APPOINTMENTS}/waitlist`,
    { patient_id: desk.patientIds[0], doctor_id: desk.doctorId, date: DAY, ...more },
    headers,
  )

test('a walk-in who has an appointment today is 409, and 201 with allow_another', async () => {
  const desk = await openFrontDesk()
  await desk.book({ date: DAY })
  for (const more of [{}, { allow_another: false }]) {
    const refused = await walkIn(desk, more)
    expect([refused.status, refused.body.message]).toEqual([409, expect.stringContaining('allow_another')])
  }
  expect((await walkIn(desk, { allow_another: true })).body).toMatchObject({ queue_position: 1 })
  expect((await walkIn(desk, { allow_another: true })).body).toMatchObject({ queue_position: 2 })
})

test('a patient who is booked can wait for another visit, is offered a freed slot, and accepts it', async () => {
  const desk = await openFrontDesk({ patients: 2, capacity: 2 })
  for (const patient of [0, 1]) await desk.book({ date: DAY, patient })
  expect((await wait(desk)).status).toBe(409)
  const { status, body: place } = await wait(desk, { allow_another: true })
  expect([status, place.status]).toEqual([201, 'waiting'])
  expect((await wait(desk, { allow_another: true })).body.id).toBe(place.id)
  const [, other] = (await desk.get(`${APPOINTMENTS}/doctors/${desk.doctorId}/appointments?date=${DAY}`)).body
  await desk.post(`${APPOINTMENTS}/${other.id}/cancel`)
  const accepted = await desk.post(`${APPOINTMENTS}/waitlist/${place.id}/accept`)
  expect(accepted.body).toMatchObject({ slot: 2, patient_id: desk.patientIds[0] })
})

test('a retry with allow_another is one visit and one place', async () => {
  const desk = await openFrontDesk({ capacity: 3 })
  await desk.book({ date: DAY })
  const key = { 'Idempotency-Key': 'w' }
  const first = await wait(desk, { allow_another: true }, key)
  expect((await wait(desk, { allow_another: true }, key)).text).toBe(first.text)
  const arrived = await walkIn(desk, { allow_another: true }, { 'Idempotency-Key': 'a' })
  expect((await walkIn(desk, { allow_another: true }, { 'Idempotency-Key': 'a' })).text).toBe(arrived.text)
  expect((await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${DAY}`)).body).toMatchObject({
    booked: 2,
    offered: 0,
  })
})

test.each(['true', 1, {}])('allow_another must be true or false, and not %j', async (allow_another) => {
  const desk = await openFrontDesk()
  for (const { status, body } of [await walkIn(desk, { allow_another }), await wait(desk, { allow_another })])
    expect([status, body.errors[0].field]).toEqual([400, 'allow_another'])
})
