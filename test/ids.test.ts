import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { ID_LOOKUPS_AT_ONCE, UNKNOWN_IDS_PER_SECOND } from '../src/appointments/ids'
import { dayKey, dayKeyOf, isIssued, newIdOn } from '../src/doctor-day/storage/address'
import { type FrontDesk, openFrontDesk, times } from './clinic'
import { DAY } from './live-day'

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

/** Each second has a budget of look-ups of its own. */
const inANewSecond = () => vi.useFakeTimers({ now: Date.now() + 1_000, toFake: ['Date'] })

const SECRET = env.DOCTORDAY_SECRET
const OTHER_SECRET = 'another-secret-of-at-least-32-characters'
const dayOf = (desk: FrontDesk) => dayKey(desk.clinicId, desk.doctorId, DAY)
const objectsReached = () => vi.spyOn(env.DOCTOR_DAY, 'get').mock.calls

/** Every route that takes the id of an appointment, a hold or a place in the waitlist. */
const asks = (desk: FrontDesk, id: string) => [
  desk.get(`/api/v1/appointments/${id}`),
  desk.post(`/api/v1/appointments/${id}/cancel`, {}),
  desk.post(`/api/v1/appointments/${id}/reschedule`, { date: DAY }),
  desk.post('/api/v1/appointments', { patient_id: desk.patientIds[0], hold_id: id }),
  desk.send('DELETE', `/api/v1/appointments/holds/${id}`),
  desk.post(`/api/v1/appointments/waitlist/${id}/accept`),
  desk.post(`/api/v1/appointments/waitlist/${id}/decline`),
  desk.post('/api/v1/checkins', { appointment_id: id, patient_id: desk.patientIds[0] }),
  desk.post(`/api/v1/checkins/${id}/serve`),
  desk.get(`/api/v1/checkins/${id}`),
]

const flipped = (id: string, n: number) => id.slice(0, n) + (id[n] === 'a' ? 'b' : 'a') + id.slice(n + 1)

test('a guessed id, or a real one with any digit changed, is 404 on every route and reaches no object', async () => {
  const desk = await openFrontDesk()
  const real = (await desk.book({ date: DAY })).body.id as string
  const guesses = [
    ...times(36, (n) => flipped(real, n)).filter((id) => dayKeyOf(id) !== null),
    newIdOn(dayOf(desk), OTHER_SECRET, () => false),
    real.toUpperCase(),
    crypto.randomUUID(),
  ]
  expect(guesses.length).toBeGreaterThan(30)
  const reached = objectsReached()
  for (const id of guesses) {
    inANewSecond()
    expect([id, (await desk.get(`/api/v1/appointments/${id}`)).status]).toEqual([id, 404])
  }
  for (const id of guesses.slice(-3)) {
    inANewSecond()
    expect((await Promise.all(asks(desk, id))).map(({ status }) => status)).toEqual(times(10, () => 404))
  }
  expect(reached).toEqual([])
  expect((await desk.get(`/api/v1/appointments/${real}`)).status).toBe(200)
})

test('the ids of a booking, a hold and a place in the waitlist are signed, and no two are equal', async () => {
  const desk = await openFrontDesk({ patients: 3, capacity: 2 })
  const place = { doctor_id: desk.doctorId, date: DAY }
  const replies = [
    await desk.book({ date: place.date }),
    await desk.post('/api/v1/appointments/holds', { ...place, ttl_seconds: 60 }),
    await desk.post('/api/v1/appointments/waitlist', { ...place, patient_id: desk.patientIds[1] }),
  ]
  const ids = replies.map(({ body }) => (body.hold_id ?? body.id) as string)
  for (const id of ids) expect([id, isIssued(id, SECRET), dayKeyOf(id) !== null]).toEqual([id, true, true])
  expect(new Set(ids).size).toBe(3)
})

test('an id is never made twice: a number that is taken is passed over', () => {
  const day = dayKey('clinic', 'doctor', DAY)
  const tried: string[] = []
  const id = newIdOn(day, SECRET, (next) => {
    tried.push(next)
    return tried.length <= 50
  })
  expect(tried).toHaveLength(51)
  expect(tried.at(-1)).toBe(id)
  expect(tried.filter((each) => dayKeyOf(each) !== day)).toEqual([])
})

/** A clinic with an appointment whose id the secret of today does not prove. */
async function withOldId() {
  const desk = await openFrontDesk()
  // The day made it under a secret that is not valid any more.
  const old = newIdOn(dayOf(desk), OTHER_SECRET, () => false)
  const day = env.DOCTOR_DAY.get(env.DOCTOR_DAY.idFromName(dayOf(desk)))
  const opening = {
    clinicId: desk.clinicId,
    doctorId: desk.doctorId,
    date: DAY,
    timeZone: 'UTC',
    capacity: 3,
  }
  const booked = { type: 'book', opening, appointmentId: old, patientId: 'p', allowAnother: true } as const
  await day.perform({ id: 'op', actor: 'key', isKeyed: false }, booked)
  await expect.poll(async () => (await desk.get(`/api/v1/appointments/${old}`)).status).toBe(200)
  return { desk, old }
}

test('an id from before ids were signed still leads to its appointment, in its own clinic only', async () => {
  const stranger = await openFrontDesk()
  const { desk, old } = await withOldId()
  expect((await stranger.get(`/api/v1/appointments/${old}`)).status).toBe(404)
  expect((await desk.post(`/api/v1/appointments/${old}/cancel`, {})).body.status).toBe('cancelled')
})

test('guessed ids cost D1 a few reads a second, then 503 says when; real ids and other clinics go on', async () => {
  const [desk, other] = [await openFrontDesk(), await openFrontDesk()]
  const real = (await desk.book({ date: DAY })).body.id as string
  inANewSecond()
  await desk.get(`/api/v1/appointments/${real}`)
  await other.get(`/api/v1/appointments/${real}`)
  const guesses = times(300, () => newIdOn(dayOf(desk), OTHER_SECRET, () => false))
  const reads = vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'prepare')
  const replies = await Promise.all(guesses.map((id) => desk.get(`/api/v1/appointments/${id}`)))
  expect(reads).toHaveBeenCalledTimes(ID_LOOKUPS_AT_ONCE)
  const statuses = Object.groupBy(replies, ({ status }) => status)
  expect(statuses[404]).toHaveLength(ID_LOOKUPS_AT_ONCE)
  expect(statuses[503]).toHaveLength(300 - ID_LOOKUPS_AT_ONCE)
  expect(statuses[503]?.[0]?.headers.get('Retry-After')).toBe('1')
  inANewSecond()
  reads.mockClear()
  const oneByOne: number[] = []
  for (const id of guesses.slice(0, 30)) oneByOne.push((await desk.get(`/api/v1/appointments/${id}`)).status)
  expect(oneByOne).toEqual(times(30, (n) => (n < UNKNOWN_IDS_PER_SECOND ? 404 : 503)))
  expect(reads).toHaveBeenCalledTimes(UNKNOWN_IDS_PER_SECOND)
  const [guess = ''] = guesses
  expect((await desk.get(`/api/v1/appointments/${real}`)).status).toBe(200)
  expect((await other.get(`/api/v1/appointments/${guess}`)).status).toBe(404)
  inANewSecond()
  expect((await desk.get(`/api/v1/appointments/${guess}`)).status).toBe(404)
})

test('while ids are being guessed, no second has more reads than the few, however many ask at once', async () => {
  const { desk, old } = await withOldId()
  inANewSecond()
  const guess = () => desk.get(`/api/v1/appointments/${newIdOn(dayOf(desk), OTHER_SECRET, () => false)}`)
  await Promise.all(times(60, guess))
  const reads = vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'prepare')
  for (const _ of times(3, (n) => n)) {
    inANewSecond()
    reads.mockClear()
    await Promise.all(times(300, guess))
    expect(reads).toHaveBeenCalledTimes(UNKNOWN_IDS_PER_SECOND)
  }
  inANewSecond()
  for (const _ of times(UNKNOWN_IDS_PER_SECOND * 2, (n) => n))
    expect((await desk.get(`/api/v1/appointments/${old}`)).status).toBe(200)
  vi.useFakeTimers({ now: Date.now() + 10_000, toFake: ['Date'] })
  // The key is read anew after ten seconds.
  await desk.get('/api/v1/doctors')
  reads.mockClear()
  await Promise.all(times(300, guess))
  expect(reads).toHaveBeenCalledTimes(ID_LOOKUPS_AT_ONCE)
})

test('ids from before signatures that are found use up nothing', async () => {
  const { desk, old } = await withOldId()
  inANewSecond()
  const get = async () => (await desk.get(`/api/v1/appointments/${old}`)).status
  for (const _ of times(2, (n) => n)) {
    const statuses = await Promise.all(times(ID_LOOKUPS_AT_ONCE, get))
    expect(statuses).toEqual(times(ID_LOOKUPS_AT_ONCE, () => 200))
  }
})

test('a made-up doctor is 404 on every route and reaches no object', async () => {
  const desk = await openFrontDesk()
  const [patientId] = desk.patientIds
  const reached = objectsReached()
  for (const doctor of ['nobody', crypto.randomUUID(), `${desk.doctorId}x`]) {
    const queue = `/api/v1/checkins/doctors/${doctor}/queue`
    const day = `/api/v1/doctors/${doctor}/days/${DAY}`
    const place = { doctor_id: doctor, date: DAY, patient_id: patientId }
    const replies = await Promise.all([
      desk.get(day),
      desk.get(`${day}/events`),
      desk.get(`${day}/verify`),
      desk.get(`${queue}?date=${DAY}`),
      desk.get(`/api/v1/doctors/${doctor}/availability?date=${DAY}`),
      desk.get(`/api/v1/appointments/doctors/${doctor}/appointments?date=${DAY}`),
      desk.post(`${queue}/next`, { date: DAY, room: '1' }),
      desk.post(`${queue}/tickets`, { date: DAY, view: 'board' }),
      desk.post('/api/v1/appointments', place),
      desk.post('/api/v1/appointments/holds', { doctor_id: doctor, date: DAY, ttl_seconds: 60 }),
      desk.post('/api/v1/appointments/waitlist', place),
      desk.post('/api/v1/checkins/walk-in', { doctor_id: doctor, patient_id: patientId }),
      desk.post(`/api/v1/doctors/${doctor}/availability`, { date: DAY, is_present: true }),
    ])
    expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 404))
  }
  expect(reached).toEqual([])
  expect((await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${DAY}`)).status).toBe(200)
})

test('an id that is not found claims no key: it serves the right id afterwards', async () => {
  const desk = await openFrontDesk()
  const booked = (await desk.book({ date: DAY })).body.id
  const waits = { doctor_id: desk.doctorId, date: '2040-03-15', patient_id: desk.patientIds[0] }
  const waiting = (await desk.post('/api/v1/appointments/waitlist', waits)).body.id
  const guess = newIdOn(dayOf(desk), OTHER_SECRET, () => false)
  const key = { 'Idempotency-Key': crypto.randomUUID() }
  const cancel = (id: string) => desk.post(`/api/v1/appointments/${id}/cancel`, {}, key)
  expect((await cancel(guess)).status).toBe(404)
  expect((await cancel(booked)).status).toBe(200)
  const other = { 'Idempotency-Key': crypto.randomUUID() }
  const decline = (id: string) => desk.post(`/api/v1/appointments/waitlist/${id}/decline`, undefined, other)
  expect((await decline(guess)).status).toBe(404)
  expect((await decline(waiting)).status).toBe(200)
})

test('during a rotation of the secret, ids of both are valid', () => {
  const id = newIdOn(dayKey('clinic', 'doctor', DAY), OTHER_SECRET, () => false)
  expect(isIssued(id, SECRET)).toBe(false)
  expect(isIssued(id, `${SECRET},${OTHER_SECRET}`)).toBe(true)
  expect(isIssued('nobody', SECRET)).toBe(false)
})
