import { evictDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { dayKey } from '../src/doctor-day/storage/address'
import { openFrontDesk } from './clinic'
import { soon } from './soon'
import { openTimedDesk, type TimedDesk } from './timed-desk'

const HOURS = { from: '09:00', to: '11:00', minutes_per_slot: 30 }
const DAY = '2040-05-02'
const AT_NINE = { starts_at: `${DAY}T09:00:00-04:00`, ends_at: `${DAY}T09:30:00-04:00` }
const AT_HALF_PAST = { starts_at: `${DAY}T09:30:00-04:00`, ends_at: `${DAY}T10:00:00-04:00` }
const APPOINTMENTS = '/api/v1/appointments'

const placeOf = (desk: TimedDesk, date = DAY) => ({ doctor_id: desk.doctorId, date })
const holdOf = (desk: TimedDesk) => desk.post(`${APPOINTMENTS}/holds`, { ...placeOf(desk), ttl_seconds: 600 })
const waitOf = (desk: TimedDesk, patient: number) =>
  desk.post(`${APPOINTMENTS}/waitlist`, { ...placeOf(desk), patient_id: desk.patientIds[patient] })
const refusalOf = ({ status, body }: { status: number; body: { type: string } }) => [
  status,
  body.type.split('/').at(-1),
]

test('a doctor tells working hours, and how many slots they usually are', async () => {
  const desk = await openTimedDesk(HOURS)
  expect(desk.doctor).toMatchObject({ status: 201, body: { working_hours: HOURS, capacity: 4 } })
  const { body: doctor } = await desk.get(`/api/v1/doctors/${desk.doctorId}`)
  expect(doctor).toEqual(desk.doctor.body)
  expect((await desk.get('/api/v1/doctors')).body).toContainEqual(doctor)
  expect((await desk.get(`/api/v1/doctors/${desk.doctorId}/availability?date=${DAY}`)).body).toMatchObject({
    id: null,
    capacity: 4,
    working_hours: HOURS,
  })
})

test('a day has a time for each slot, touched or not', async () => {
  const desk = await openTimedDesk(HOURS)
  const slots = [
    { slot: 1, ...AT_NINE },
    { slot: 2, ...AT_HALF_PAST },
    { slot: 3, starts_at: `${DAY}T10:00:00-04:00`, ends_at: `${DAY}T10:30:00-04:00` },
    { slot: 4, starts_at: `${DAY}T10:30:00-04:00`, ends_at: `${DAY}T11:00:00-04:00` },
  ]
  expect((await desk.ledger(DAY)).body).toMatchObject({ version: 0, capacity: 4, slots })
  await desk.book({ date: DAY })
  expect((await desk.ledger(DAY)).body).toMatchObject({ version: 2, capacity: 4, slots })
})

test('whatever answers an appointment tells when it is: booked, read, listed, copied, cancelled', async () => {
  const desk = await openTimedDesk(HOURS, { patients: 2 })
  await desk.book({ date: DAY })
  const { body: booked } = await desk.book({ date: DAY, patient: 1 })
  expect(booked).toMatchObject({ slot: 2, ...AT_HALF_PAST })
  expect((await desk.get(`${APPOINTMENTS}/${booked.id}`)).body).toEqual(booked)
  const ofDay = `${APPOINTMENTS}/doctors/${desk.doctorId}/appointments?date=${DAY}`
  expect((await desk.get(ofDay)).body).toMatchObject([AT_NINE, AT_HALF_PAST])
  const copied = async () => (await desk.get(`${APPOINTMENTS}?patient_id=${desk.patientIds[1]}`)).body
  await soon(async () => expect(await copied()).toEqual([booked]))
  const { body: cancelled } = await desk.post(`${APPOINTMENTS}/${booked.id}/cancel`)
  expect(cancelled).toMatchObject({ status: 'cancelled', ...AT_HALF_PAST })
  await soon(async () => expect(await copied()).toEqual([cancelled]))
})

test('a hold and an offer tell when the slot is, and so does what becomes of them', async () => {
  const desk = await openTimedDesk(HOURS, { patients: 2 })
  const { body: hold } = await holdOf(desk)
  expect(hold).toMatchObject({ slot: 1, ...AT_NINE })
  const { body: waiting } = await waitOf(desk, 1)
  expect(waiting.offer).toMatchObject({ slot: 2, ...AT_HALF_PAST })
  expect((await waitOf(desk, 1)).body.offer).toEqual(waiting.offer)
  const held = await desk.post(APPOINTMENTS, { patient_id: desk.patientIds[0], hold_id: hold.hold_id })
  expect(held.body).toMatchObject({ slot: 1, ...AT_NINE })
  const accepted = await desk.post(`${APPOINTMENTS}/waitlist/${waiting.id}/accept`)
  expect(accepted.body).toMatchObject({ slot: 2, ...AT_HALF_PAST })
})

test('without working hours no reply has a time, to the letter', async () => {
  const desk = await openTimedDesk(null, { patients: 2 })
  expect(desk.doctor.body).toMatchObject({ capacity: 10, working_hours: null })
  const { body: booked } = await desk.book({ date: DAY })
  const fields = [
    'id',
    'patient_id',
    'doctor_id',
    'date',
    'slot',
    'time_slot',
    'status',
    'created_at',
    'updated_at',
  ]
  expect(Object.keys(booked)).toEqual(fields)
  expect(Object.keys((await holdOf(desk)).body)).toEqual(['hold_id', 'slot', 'expires_at'])
  expect(Object.keys((await waitOf(desk, 1)).body.offer)).toEqual(['slot', 'expires_at'])
  expect(Object.keys((await desk.ledger(DAY)).body.slots[0])).toEqual(['slot', 'state', 'id'])
  const copied = async () => (await desk.get(`${APPOINTMENTS}?doctor_id=${desk.doctorId}`)).body
  await soon(async () => expect(await copied()).toEqual([booked]))
  expect((await desk.say('2040-05-03')).body).not.toHaveProperty('working_hours')
})

test('an explicit capacity wins: fewer slots than fit, or overtime behind the hours', async () => {
  const few = await openTimedDesk(HOURS, { capacity: 2 })
  expect((await few.ledger(DAY)).body.slots).toMatchObject([AT_NINE, AT_HALF_PAST])
  const many = await openTimedDesk(HOURS, { capacity: 5 })
  expect(many.doctor.body.capacity).toBe(5)
  expect((await many.ledger(DAY)).body.slots.at(-1)).toMatchObject({
    slot: 5,
    starts_at: `${DAY}T11:00:00-04:00`,
    ends_at: `${DAY}T11:30:00-04:00`,
  })
  await many.say(DAY, { working_hours: { ...HOURS, from: '10:00' }, capacity: 3 })
  expect((await many.ledger(DAY)).body.slots.at(-1)).toMatchObject({
    slot: 3,
    ends_at: `${DAY}T11:30:00-04:00`,
  })
})

test('a day may have other hours, keep them, and lose them; other days stay as they are', async () => {
  const desk = await openTimedDesk(HOURS)
  const early = { from: '07:00', to: '08:00', minutes_per_slot: 20 }
  expect((await desk.say(DAY, { working_hours: early })).body).toMatchObject({
    capacity: 3,
    working_hours: early,
  })
  expect((await desk.book({ date: DAY })).body.starts_at).toBe(`${DAY}T07:00:00-04:00`)
  expect((await desk.book({ date: '2040-05-03' })).body.starts_at).toBe('2040-05-03T09:00:00-04:00')
  expect((await desk.say(DAY, { notes: 'early' })).body).toMatchObject({ capacity: 3, working_hours: early })
  expect((await desk.get(`/api/v1/doctors/${desk.doctorId}/availability?date=${DAY}`)).body).toMatchObject({
    working_hours: early,
    notes: 'early',
  })
  const { body: without } = await desk.say('2040-05-04', { working_hours: null })
  expect(without).toMatchObject({ capacity: 4 })
  expect(without).not.toHaveProperty('working_hours')
  expect((await desk.book({ date: '2040-05-04' })).body).not.toHaveProperty('starts_at')
})

test('the end of the hours may move while slots are taken, as far as to the last of them', async () => {
  const desk = await openTimedDesk(HOURS, { patients: 3 })
  for (const patient of [0, 1]) await desk.book({ date: DAY, patient })
  const until = (to: string) => desk.say(DAY, { working_hours: { ...HOURS, to } })
  expect((await until('12:00')).body.capacity).toBe(6)
  expect((await until('10:00')).body.capacity).toBe(2)
  expect(refusalOf(await until('09:30'))).toEqual([409, 'capacity_below_taken'])
  expect(refusalOf(await desk.book({ date: DAY, patient: 2 }))).toEqual([409, 'day_full'])
})

test.each<[string, Record<string, unknown>]>([
  ['begin later', { working_hours: { ...HOURS, from: '09:30' } }],
  ['have longer slots', { working_hours: { ...HOURS, minutes_per_slot: 40 } }],
  ['be taken away', { working_hours: null }],
])('the hours of a day cannot %s while a slot is booked, held or offered', async (_, terms) => {
  const desk = await openTimedDesk(HOURS, { patients: 2 })
  const { body: booked } = await desk.book({ date: DAY })
  const refused = await desk.say(DAY, terms)
  expect(refusalOf(refused)).toEqual([409, 'hours_in_use'])
  expect(refused.body.message).toBe(
    'Slots are taken, and these working hours would change their times; change only the end of the hours',
  )
  await desk.post(`${APPOINTMENTS}/${booked.id}/cancel`)
  const { body: hold } = await holdOf(desk)
  expect(refusalOf(await desk.say(DAY, terms))).toEqual([409, 'hours_in_use'])
  await desk.send('DELETE', `${APPOINTMENTS}/holds/${hold.hold_id}`)
  const { body: waiting } = await waitOf(desk, 1)
  expect(refusalOf(await desk.say(DAY, terms))).toEqual([409, 'hours_in_use'])
  await desk.post(`${APPOINTMENTS}/waitlist/${waiting.id}/decline`)
  expect((await desk.say(DAY, terms)).status).toBe(200)
})

test.each<[unknown, string, string]>([
  [{ ...HOURS, from: '9:00' }, 'from', 'must be a time like 09:00'],
  [{ ...HOURS, from: '24:00' }, 'from', 'must be a time like 09:00'],
  [{ ...HOURS, to: '24:01' }, 'to', 'must be a time like 17:00, at most 24:00'],
  [{ ...HOURS, to: '09:00' }, 'to', 'must be later than from'],
  [{ ...HOURS, to: '08:00' }, 'to', 'must be later than from'],
  [{ from: '09:00', minutes_per_slot: 15 }, 'to', 'is required'],
  [{ ...HOURS, minutes_per_slot: 0 }, 'minutes_per_slot', 'must be a whole number from 1 to 1440'],
  [{ ...HOURS, minutes_per_slot: 1_441 }, 'minutes_per_slot', 'must be a whole number from 1 to 1440'],
  [{ ...HOURS, minutes_per_slot: 7.5 }, 'minutes_per_slot', 'must be a whole number from 1 to 1440'],
  [
    { ...HOURS, minutes_per_slot: 121 },
    'minutes_per_slot',
    'must be small enough that one slot fits between from and to',
  ],
  [
    { from: '00:00', to: '24:00', minutes_per_slot: 1 },
    'minutes_per_slot',
    'must be large enough that a day has at most 1000 slots',
  ],
  ['nine to five', '', 'must be an object'],
])('working hours %j are 400 for a doctor and for a day', async (working_hours, key, rule) => {
  const desk = await openFrontDesk()
  const day = { date: DAY, is_present: true, working_hours }
  const field = ['working_hours', key].filter(Boolean).join('.')
  for (const refused of [
    await desk.post('/api/v1/doctors', { name: 'A', code: 'A', working_hours }),
    await desk.post(`/api/v1/doctors/${desk.doctorId}/availability`, day),
  ])
    expect(refused).toMatchObject({
      status: 400,
      body: { errors: [{ field, message: `${field} ${rule}` }] },
    })
})

test('another clinic neither sees nor changes the hours of a day', async () => {
  const [desk, other] = [await openTimedDesk(HOURS), await openFrontDesk()]
  await desk.book({ date: DAY })
  const path = `/api/v1/doctors/${desk.doctorId}`
  const change = { date: DAY, is_present: true, working_hours: null }
  expect((await other.post(`${path}/availability`, change)).status).toBe(404)
  expect((await other.get(`${path}/days/${DAY}`)).status).toBe(404)
  expect((await desk.ledger(DAY)).body.slots[0]).toMatchObject(AT_NINE)
})

test('hours and times survive: a retry, an eviction, a resync, a look back; and the log verifies', async () => {
  const desk = await openTimedDesk(HOURS, { patients: 2 })
  const path = `/api/v1/doctors/${desk.doctorId}/days/${DAY}`
  const late = { ...HOURS, from: '10:00', to: '12:00' }
  const key = { 'Idempotency-Key': 'k' }
  await desk.say(DAY, { working_hours: late })
  const first = await desk.book({ date: DAY }, key)
  expect(first.body.starts_at).toBe(`${DAY}T10:00:00-04:00`)
  const before = await desk.ledger(DAY)
  const name = dayKey(desk.clinicId, desk.doctorId, DAY)
  await evictDurableObject(env.DOCTOR_DAY.get(env.DOCTOR_DAY.idFromName(name)))
  expect((await desk.ledger(DAY)).body).toEqual(before.body)
  expect((await desk.get(`${APPOINTMENTS}/${first.body.id}`)).body).toEqual(first.body)
  expect((await desk.book({ date: DAY }, key)).body).toEqual(first.body)
  await env.DB.prepare('DELETE FROM appointments WHERE clinic_id = ?').bind(desk.clinicId).run()
  await desk.post(`${path}/resync`)
  await soon(async () => expect((await desk.get(APPOINTMENTS)).body).toEqual([first.body]))
  const { body: events } = await desk.get(`${path}/events`)
  expect(events.map(({ type }: { type: string }) => type)).toEqual([
    'opened',
    'availability_set',
    'hours_set',
    'booked',
  ])
  expect([events[0].data.hours, events[2].data]).toEqual([HOURS, { hours: late }])
  expect((await desk.get(`${path}/verify`)).body).toMatchObject({ ok: true, count: 4 })
  const longAgo = await desk.get(`${path}?at=2001-01-01T00:00:00Z`)
  expect(longAgo.body.slots[0]).toMatchObject({ state: 'free', ...AT_NINE })
})

test('a doctor’s usual hours can change: for days to come, not for those that somebody has touched', async () => {
  const desk = await openTimedDesk(HOURS)
  const change = (wanted: object) =>
    desk.send('PATCH', `/api/v1/doctors/${desk.doctorId}`, JSON.stringify(wanted))
  await desk.book({ date: DAY })
  const later = { from: '10:00', to: '12:00', minutes_per_slot: 20 }
  expect((await change({ working_hours: later })).body).toMatchObject({ capacity: 6, working_hours: later })
  expect((await desk.ledger(DAY)).body).toMatchObject({ capacity: 4, slots: [AT_NINE, {}, {}, {}] })
  expect((await desk.ledger('2040-05-03')).body).toMatchObject({
    capacity: 6,
    slots: [{ starts_at: '2040-05-03T10:00:00-04:00' }, {}, {}, {}, {}, {}],
  })
  expect((await change({ capacity: 2, specialty: null })).body).toMatchObject({
    capacity: 2,
    specialty: null,
    working_hours: later,
  })
  expect((await change({ working_hours: null })).body).toMatchObject({ capacity: 2, working_hours: null })
  expect((await change({ name: 'Rear Admiral Hopper' })).body).toMatchObject({
    name: 'Rear Admiral Hopper',
    capacity: 2,
  })
  expect((await change({})).body.errors).toMatchObject([{ field: 'body' }])
  expect((await change({ capacity: 0 })).body.errors).toMatchObject([{ field: 'capacity' }])
  expect((await desk.get('/api/v1/audit')).body.map(({ action }: { action: string }) => action)).toContain(
    'doctor.changed',
  )
})

test('an appointment that moves to a day by the clock has its times there, also in D1’s copy', async () => {
  const desk = await openTimedDesk(HOURS)
  const { body: other } = await desk.post('/api/v1/doctors', { name: 'Ada', code: 'NO-HOURS' })
  const { body } = await desk.book({ date: DAY, doctorId: other.id })
  expect(body.starts_at).toBeUndefined()
  const moved = await desk.post(`${APPOINTMENTS}/${body.id}/reschedule`, placeOf(desk))
  expect(moved.body).toMatchObject({ slot: 1, ...AT_NINE })
  expect((await desk.get(`${APPOINTMENTS}/${body.id}`)).text).toBe(moved.text)
  const copied = async () => (await desk.get(`${APPOINTMENTS}?doctor_id=${desk.doctorId}`)).body
  await soon(async () => expect(await copied()).toEqual([moved.body]))
  const back = await desk.post(`${APPOINTMENTS}/${body.id}/reschedule`, { date: DAY, doctor_id: other.id })
  expect([back.status, back.body.starts_at]).toEqual([200, undefined])
})
