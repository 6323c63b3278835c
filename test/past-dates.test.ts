import { afterEach, expect, test, vi } from 'vitest'
import { DAY, type FrontDesk, openFrontDesk, type Reply } from './clinic'
import { APPOINTMENTS, CHECKINS, forgetReplies, move } from './moves'
import { soon } from './soon'
import { openTimedDesk, type TimedDesk } from './timed-desk'

/** A date that is over takes nothing new, and a slot that has begun is not given. */

const NEXT = '2040-03-15'
const at = (instant: string | number) => vi.useFakeTimers({ now: new Date(instant), toFake: ['Date'] })
afterEach(() => vi.useRealTimers())

const codeOf = ({ status, body }: Reply) => [status, body.type?.split(/[:/]/).at(-1)]
const path = (desk: FrontDesk, date: string) => `/api/v1/doctors/${desk.doctorId}/days/${date}`

/** Everything that makes something on a date. */
const makers: [what: string, make: (desk: FrontDesk, date: string) => Promise<Reply>][] = [
  ['a booking', (desk, date) => desk.book({ date })],
  [
    'a hold',
    (desk, date) => desk.post(`${APPOINTMENTS}/holds`, { doctor_id: desk.doctorId, date, ttl_seconds: 60 }),
  ],
  [
    'a place in the waitlist',
    (desk, date) =>
      desk.post(`${APPOINTMENTS}/waitlist`, {
        doctor_id: desk.doctorId,
        date,
        patient_id: desk.patientIds[0],
      }),
  ],
  [
    'availability',
    (desk, date) => desk.post(`/api/v1/doctors/${desk.doctorId}/availability`, { date, is_present: false }),
  ],
  ['an absence', (desk, date) => desk.post(`${path(desk, date)}/absence`, { reason: 'ill' })],
  [
    'a move to it',
    async (desk, date) => move(desk, (await desk.book({ date: DAY, allow_another: true })).body.id, { date }),
  ],
  [
    'an absence that moves patients to it',
    (desk, date) => desk.post(`${path(desk, DAY)}/absence`, { reason: 'ill', move_to: { date } }),
  ],
]

test.each(makers)('%s: a date that is over is 422, and one that nobody means is 400', async (_, make) => {
  const desk = await openFrontDesk()
  at(`${DAY}T12:00:00Z`)
  for (const date of ['2040-03-13', '2026-03-14', '1970-01-01', '1900-01-01'])
    expect([date, codeOf(await make(desk, date))]).toEqual([date, [422, 'date_over']])
  for (const date of ['0026-03-14', '1899-12-31', '2071-01-01', '2204-03-14', '9999-12-31'])
    expect([date, codeOf(await make(desk, date))]).toEqual([date, [400, 'invalid_request']])
  expect((await make(desk, '2070-12-31')).status).toBeLessThan(300)
  vi.useRealTimers()
})

test('a refused date stores nothing, keyed or not, and the refusal says what day it is at the clinic', async () => {
  const desk = await openFrontDesk({ timeZone: 'Pacific/Auckland' })
  at(`${DAY}T12:00:00Z`)
  const refused = await desk.book({ date: DAY }, { 'Idempotency-Key': 'k' })
  expect(codeOf(refused)).toEqual([422, 'date_over'])
  for (const date of [DAY, NEXT]) expect(refused.body.message).toContain(date)
  expect((await desk.get(path(desk, DAY))).body.version).toBe(0)
})

test('an absence whose target is over moves nobody and declares nothing', async () => {
  const desk = await openFrontDesk()
  const { body: booked } = await desk.book({ date: DAY })
  const asked = { reason: 'ill', move_to: { date: '2020-01-01' } }
  expect((await desk.post(`${path(desk, DAY)}/absence`, asked)).status).toBe(422)
  expect((await desk.get(path(desk, DAY))).body).toMatchObject({ is_present: true, booked: 1 })
  expect((await desk.get(`${APPOINTMENTS}/${booked.id}`)).body).toEqual(booked)
})

test('the desk ends yesterday: patients are served, cancelled, no-shows, moved on', async () => {
  const desk = await openFrontDesk({ patients: 4 })
  const ids: string[] = []
  for (const patient of [0, 1, 2, 3]) ids.push((await desk.book({ date: DAY, patient })).body.id)
  at(`${DAY}T23:50:00Z`)
  await desk.post(CHECKINS, { appointment_id: ids[0], patient_id: desk.patientIds[0] })
  at(`${NEXT}T07:00:00Z`)
  const next = `${CHECKINS}/doctors/${desk.doctorId}/queue/next`
  const done = [
    await desk.post(next, { date: DAY, room: '1' }),
    await desk.post(`${CHECKINS}/${ids[0]}/serve`),
    await desk.post(`${APPOINTMENTS}/${ids[1]}/cancel`),
    await desk.post(`${CHECKINS}/${ids[2]}/no-show`),
    await desk.post(`${path(desk, DAY)}/absence`, { reason: 'ill', move_to: { date: NEXT } }),
  ]
  expect(done.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
  expect(done[4]?.body.moved).toMatchObject([{ appointment_id: ids[3], date: NEXT }])
})

const HOURS = { from: '09:00', to: '10:30', minutes_per_slot: 30 }
/** New York, in summer time. */
const clock = (time: string) => `${DAY}T${time}:00-04:00`
const hold = (desk: TimedDesk) =>
  desk.post(`${APPOINTMENTS}/holds`, { doctor_id: desk.doctorId, date: DAY, ttl_seconds: 600 })

test('the slot that is given next is the first that has not begun; a walk-in takes the one that is running', async () => {
  const desk = await openTimedDesk(HOURS, { patients: 5 })
  const walkIn = (patient: number) =>
    desk.post(`${CHECKINS}/walk-in`, { patient_id: desk.patientIds[patient], doctor_id: desk.doctorId })
  at(clock('09:00'))
  expect((await desk.book({ date: DAY })).body).toMatchObject({ slot: 2, starts_at: clock('09:30') })
  const arrived = await walkIn(1)
  expect((await desk.get(`${APPOINTMENTS}/${arrived.body.appointment_id}`)).body.slot).toBe(1)
  at(clock('09:55'))
  expect((await hold(desk)).body).toMatchObject({
    slot: 3,
    expires_at: new Date(clock('10:00')).toISOString(),
  })
  at(clock('10:01'))
  expect(codeOf(await desk.book({ date: DAY, patient: 2 }))).toEqual([409, 'day_full'])
  expect((await desk.book({ date: DAY, patient: 2 })).body.message).toContain('no available slots')
  expect((await walkIn(2)).status).toBe(201)
  at(clock('10:30'))
  expect(codeOf(await walkIn(3))).toEqual([409, 'day_full'])
  vi.useRealTimers()
})

test('an absence offers no patient a place on a day whose last slot has begun: the desk is to call', async () => {
  const ill = await openTimedDesk({ from: '09:00', to: '17:00', minutes_per_slot: 240 }, { patients: 2 })
  const early = await ill.post('/api/v1/doctors', {
    name: 'Early',
    code: 'EA',
    working_hours: { from: '06:00', to: '08:00', minutes_per_slot: 60 },
  })
  at(`${DAY}T08:30:00-04:00`)
  const [patient, other] = ill.patientIds
  const { id } = (await ill.book({ date: DAY })).body
  const to = { date: DAY, doctor_id: early.body.id }
  const { body } = await ill.post(`${path(ill, DAY)}/absence`, { reason: 'ill', move_to: to })
  expect(body).toMatchObject({ moved: [], waitlisted: [] })
  expect(body.to_call).toEqual([{ appointment_id: id, patient_id: patient, slot: 1, why: 'day_over' }])
  const place = { ...to, patient_id: other }
  expect(codeOf(await ill.post(`${APPOINTMENTS}/waitlist`, place))).toEqual([422, 'day_over'])
})

test('a retry after the slot has begun, or the day has ended, gets the first answer', async () => {
  const desk = await openTimedDesk(HOURS, { patients: 2 })
  const key = { 'Idempotency-Key': 'k' }
  at(clock('08:59'))
  const first = await desk.book({ date: DAY }, key)
  expect(first.body.slot).toBe(1)
  const { body: other } = await desk.book({ date: NEXT, patient: 1 })
  const moved = await move(desk, other.id, { date: DAY }, 'm')
  expect(moved.body).toMatchObject({ date: DAY, slot: 2 })
  for (const later of [clock('09:01'), clock('12:00'), `${NEXT}T12:00:00Z`]) {
    at(later)
    await forgetReplies()
    expect((await desk.book({ date: DAY }, key)).text).toBe(first.text)
    expect((await move(desk, other.id, { date: DAY }, 'm')).text).toBe(moved.text)
  }
  vi.useRealTimers()
})

test('a doctor is available today until the hours are over or the last slot begins, and never on a day that is over', async () => {
  const desk = await openTimedDesk(HOURS)
  const isAvailable = async (date = DAY) => {
    const { body } = await desk.get(`/api/v1/doctors?date=${date}`)
    return body.find(({ id }: { id: string }) => id === desk.doctorId).is_available
  }
  const seen = async (...instants: string[]) => {
    const found: boolean[] = []
    for (const instant of instants) {
      at(clock(instant))
      found.push(await isAvailable())
    }
    vi.useRealTimers()
    return found
  }
  expect(await seen('00:00', '08:59', '09:59', '10:00', '10:30', '23:59')).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
  ])
  await desk.say(DAY, { working_hours: { ...HOURS, from: '14:00', to: '15:00' } })
  expect(await seen('10:30', '14:29', '14:30')).toEqual([true, true, false])
  await desk.say(DAY, { capacity: 9 })
  await soon(async () => expect(await seen('14:59', '15:00')).toEqual([true, false]))
  at(clock('09:00'))
  expect([await isAvailable('2040-03-13'), await isAvailable(NEXT), await isAvailable('0026-01-01')]).toEqual(
    [false, true, false],
  )
  await desk.say(NEXT, { is_present: false })
  expect(await isAvailable(NEXT)).toBe(false)
  vi.useRealTimers()
})

test('a doctor without hours is available all of today', async () => {
  const desk = await openFrontDesk()
  await desk.book({ date: DAY })
  for (const time of ['00:00:00', '12:00:00', '23:59:59']) {
    at(`${DAY}T${time}Z`)
    expect((await desk.get(`/api/v1/doctors?date=${DAY}`)).body).toMatchObject([{ is_available: true }])
  }
})

test.each([
  [`${DAY}T00:00:00Z`, NEXT, 'the appointment’s date is 2040-03-15, and today at the clinic is 2040-03-14'],
  [
    `2040-03-16T00:00:00Z`,
    NEXT,
    'the appointment’s date is 2040-03-15, and today at the clinic is 2040-03-16',
  ],
])('a check-in at %s of %s is refused with both dates', async (now, date, sentence) => {
  const desk = await openFrontDesk()
  const { body } = await desk.book({ date })
  at(now)
  const wanted = { appointment_id: body.id, patient_id: desk.patientIds[0] }
  const refused = await desk.post(CHECKINS, wanted)
  expect(codeOf(refused)).toEqual([422, 'wrong_date'])
  expect(refused.body.message).toContain('only allowed on appointment date')
  expect(refused.body.message).toContain(sentence)
  const other = await desk.post(CHECKINS, { ...wanted, patient_id: 'nobody' })
  expect([other.status, other.body.message.includes(date)]).toEqual([400, false])
})
