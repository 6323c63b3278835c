import { afterEach, expect, test, vi } from 'vitest'
import { openFrontDesk } from './clinic'

const DAY = '2040-03-14'
const NOON = Date.parse(`${DAY}T12:00:00Z`)
const MINUTE = 60_000
afterEach(() => {
  vi.useRealTimers()
})

test('the ledger tells who has which slot, and its numbers sum to the capacity', async () => {
  const desk = await openFrontDesk({ patients: 4, capacity: 3, timeZone: 'Asia/Kolkata' })
  const place = { doctor_id: desk.doctorId, date: DAY }
  const { body: first } = await desk.book({ date: DAY })
  const { body: hold } = await desk.post('/api/v1/appointments/holds', { ...place, ttl_seconds: 600 })
  const { body: third } = await desk.book({ date: DAY, patient: 1 })
  const { body: waits } = await desk.post('/api/v1/appointments/waitlist', {
    ...place,
    patient_id: desk.patientIds[2],
  })
  await desk.post('/api/v1/appointments/waitlist', { ...place, patient_id: desk.patientIds[3] })
  await desk.post(`/api/v1/appointments/${third.id}/cancel`)
  expect(await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${DAY}`)).toMatchObject({
    status: 200,
    body: {
      date: DAY,
      time_zone: 'Asia/Kolkata',
      is_present: true,
      ...{ capacity: 3, booked: 1, held: 1, offered: 1, remaining: 0, waiting: 1, version: 8 },
      slots: [
        { slot: 1, state: 'booked', id: first.id },
        { slot: 2, state: 'held', id: hold.hold_id },
        { slot: 3, state: 'offered', id: waits.id },
      ],
    },
  })
})

test('a day that nobody has touched has its doctor’s terms, version 0 and free slots', async () => {
  const desk = await openFrontDesk({ capacity: 2 })
  const { body } = await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${DAY}`)
  expect(body).toEqual({
    date: DAY,
    time_zone: 'UTC',
    is_present: true,
    ...{ capacity: 2, booked: 0, held: 0, offered: 0, over: 0, remaining: 2 },
    ...{ waiting: 0, version: 0 },
    slots: [
      { slot: 1, state: 'free', id: null },
      { slot: 2, state: 'free', id: null },
    ],
  })
})

test('?at= answers as of that instant', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  const at = (now: number) => vi.useFakeTimers({ now, toFake: ['Date'] })
  at(NOON)
  await desk.book({ date: DAY })
  at(NOON + MINUTE)
  await desk.book({ date: DAY, patient: 1 })
  const booked = async (instant: string) =>
    (await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${DAY}?at=${encodeURIComponent(instant)}`)).body
      .booked
  expect(await booked(`${DAY}T11:59:59Z`)).toBe(0)
  expect(await booked(`${DAY}T17:30:00+05:30`)).toBe(1)
  expect(await booked(`${DAY}T12:00:59.999Z`)).toBe(1)
  expect(await booked(`${DAY}T12:01:00Z`)).toBe(2)
})

test.each(['/days/2026-02-30', `/days/${DAY}?at=yesterday`])('%s is 400', async (path) => {
  const desk = await openFrontDesk()
  expect((await desk.get(`/api/v1/doctors/${desk.doctorId}${path}`)).status).toBe(400)
})

test('a slot that has begun, or whose date is past, is over and not remaining, as booking has it', async () => {
  const desk = await openFrontDesk({ patients: 3, capacity: 4 })
  const day = `/api/v1/doctors/${desk.doctorId}/days/${DAY}`
  const seen = async (query = '') => {
    const { body } = await desk.get(`${day}${query}`)
    const { capacity, booked, over, remaining } = body
    return [
      capacity,
      booked,
      over,
      remaining,
      body.slots.map(({ state }: { state: string }) => state).join(' '),
    ]
  }
  const hours = { from: '12:00', to: '14:00', minutes_per_slot: 30 }
  vi.useFakeTimers({ now: NOON - MINUTE, toFake: ['Date'] })
  const set = { date: DAY, is_present: true, working_hours: hours }
  expect((await desk.post(`/api/v1/doctors/${desk.doctorId}/availability`, set)).status).toBe(200)
  expect(await seen()).toEqual([4, 0, 0, 4, 'free free free free'])
  vi.setSystemTime(NOON + 40 * MINUTE)
  expect(await seen()).toEqual([4, 0, 2, 2, 'over over free free'])
  await desk.book({ date: DAY })
  expect(await seen()).toEqual([4, 1, 2, 1, 'over over booked free'])
  vi.setSystemTime(NOON + 90 * MINUTE)
  expect(await seen()).toEqual([4, 1, 3, 0, 'over over booked over'])
  expect((await desk.book({ date: DAY, patient: 1 })).body.type).toBe('/problems/day_full')
  vi.setSystemTime(NOON + 24 * 60 * MINUTE)
  expect(await seen()).toEqual([4, 1, 3, 0, 'over over booked over'])
  expect(await seen(`?at=${DAY}T12:31:00Z`)).toEqual([4, 0, 2, 2, 'over over free free'])
})

test('a date that is past has nothing remaining, also where slots have no times', async () => {
  const desk = await openFrontDesk({ capacity: 2 })
  for (const past of ['2026-11-01', '0026-11-28']) {
    const { body } = await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${past}`)
    expect(body).toMatchObject({ over: 2, remaining: 0, slots: [{ state: 'over' }, { state: 'over' }] })
  }
})
