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
    ...{ capacity: 2, booked: 0, held: 0, offered: 0, over: 0, closed: 0, remaining: 2 },
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

test('a day that takes no patients has nothing remaining, whatever the reason; its free slots are closed', async () => {
  const desk = await openFrontDesk({ patients: 2, capacity: 3, scopes: ['*', 'clinic:admin'] })
  const doctor = `/api/v1/doctors/${desk.doctorId}`
  const seen = async (date: string) => {
    const { body } = await desk.get(`${doctor}/days/${date}`)
    const [{ figures }] = (await desk.get(`/api/v1/days?date=${date}`)).body
    for (const one of [body, figures])
      expect([one.is_present, one.booked + one.closed + one.remaining]).toEqual([one.remaining > 0, 3])
    const states = body.slots.map(({ state }: { state: string }) => state).join(' ')
    return [body.booked, body.closed, body.remaining, figures.closed, figures.remaining, states]
  }
  const [absent, used, leave, closing, weekly] = [DAY, '2040-03-15', '2040-03-20', '2040-03-27', '2040-04-01']
  const allClosed = [0, 3, 0, 3, 0, 'closed closed closed']
  for (const date of [absent, used]) expect(await seen(date)).toEqual([0, 0, 3, 0, 3, 'free free free'])
  await desk.post(`${doctor}/availability`, { date: absent, is_present: false })
  expect(await seen(absent)).toEqual(allClosed)
  expect((await desk.book({ date: absent, patient: 1 })).status).toBe(422)
  await desk.book({ date: used })
  await desk.post(`${doctor}/days/${used}/absence`, { reason: 'ill' })
  expect(await seen(used)).toEqual([1, 2, 0, 2, 0, 'booked closed closed'])
  await desk.post(`${doctor}/availability`, { date: used, is_present: true })
  expect(await seen(used)).toEqual([1, 0, 2, 0, 2, 'booked free free'])
  await desk.post(`${doctor}/leave`, { from: leave, to: leave, reason: 'off' })
  expect(await seen(leave)).toEqual(allClosed)
  await desk.post('/api/v1/closings', { from: closing, to: closing, reason: 'holiday' })
  expect(await seen(closing)).toEqual(allClosed)
  const day = { from: '09:00', to: '12:00', minutes_per_slot: 60 }
  const weekly_hours = { mon: day, tue: day, wed: day, thu: day, fri: day, sat: null, sun: null }
  const valid = JSON.stringify({ weekly_hours: { ...weekly_hours, valid_from: '2040-04-01' } })
  await desk.send('PATCH', doctor, valid, { 'Content-Type': 'application/json' })
  expect(await seen(weekly)).toEqual(allClosed)
})

test('a date that is past has nothing remaining, also where slots have no times', async () => {
  const desk = await openFrontDesk({ capacity: 2 })
  for (const past of ['2026-11-01', '0026-11-28']) {
    const { body } = await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${past}`)
    expect(body).toMatchObject({ over: 2, remaining: 0, slots: [{ state: 'over' }, { state: 'over' }] })
  }
})
