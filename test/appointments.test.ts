import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { dayKey, dayKeyOf, newIdOn } from '../src/doctor-day/storage/address'
import { DAY, type FrontDesk, openFrontDesk, times } from './clinic'

const APPOINTMENTS = '/api/v1/appointments'
const listOf = (desk: FrontDesk, date = DAY) =>
  desk.get(`${APPOINTMENTS}/doctors/${desk.doctorId}/appointments?date=${date}`)

test('an appointment is booked with the lowest free slot and read back by its id', async () => {
  const desk = await openFrontDesk()
  const { status, body } = await desk.book({ date: DAY })
  expect(status).toBe(201)
  expect(body).toEqual({
    id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
    patient_id: desk.patientIds[0],
    doctor_id: desk.doctorId,
    date: DAY,
    slot: 1,
    time_slot: null,
    status: 'booked',
    created_at: expect.any(String),
    updated_at: body.created_at,
  })
  expect(await desk.get(`${APPOINTMENTS}/${body.id}`)).toMatchObject({ status: 200, body })
})

test('slots are 1 to 10; then the day is full: 409, “no available slots”', async () => {
  const desk = await openFrontDesk({ patients: 11 })
  const slots: number[] = []
  for (const patient of times(10, (n) => n)) slots.push((await desk.book({ date: DAY, patient })).body.slot)
  expect(slots).toEqual(times(10, (n) => n + 1))
  const refused = await desk.book({ date: DAY, patient: 10 })
  expect(refused.status).toBe(409)
  expect(refused.body.message).toContain('no available slots')
})

test('a doctor absent that day is 422, “not available”; what stands is still listed', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  const { body } = await desk.book({ date: DAY })
  await desk.post(`/api/v1/doctors/${desk.doctorId}/availability`, { date: DAY, is_present: false })
  const refused = await desk.book({ date: DAY, patient: 1 })
  expect(refused.status).toBe(422)
  expect(refused.body.message).toContain('not available')
  expect((await listOf(desk)).body).toEqual([body])
  expect((await desk.book({ date: '2040-03-15', patient: 1 })).status).toBe(201)
})

test('an unknown patient or doctor is 404', async () => {
  const desk = await openFrontDesk()
  expect((await desk.book({ date: DAY, patient_id: 'nobody' })).body.message).toBe('Patient not found')
  expect((await desk.book({ date: DAY, doctorId: 'nobody' })).body.message).toBe('Doctor not found')
  expect((await listOf({ ...desk, doctorId: 'nobody' })).status).toBe(404)
})

/** An id as a day makes it, of which the day knows nothing. */
const idOn = (day: string) => newIdOn(day, env.DOCTORDAY_SECRET, () => false)

test('an unknown appointment is 404, whether or not its id is well made', async () => {
  const desk = await openFrontDesk()
  for (const id of ['nobody', idOn(dayKey(desk.clinicId, desk.doctorId, DAY)), crypto.randomUUID()])
    expect((await desk.get(`${APPOINTMENTS}/${id}`)).status).toBe(404)
})

test('a patient has one appointment with a doctor a day, unless another is asked for', async () => {
  const desk = await openFrontDesk()
  await desk.book({ date: DAY })
  expect(await desk.book({ date: DAY })).toMatchObject({
    status: 409,
    body: { type: '/problems/already_booked' },
  })
  expect((await desk.book({ date: DAY, allow_another: true })).body.slot).toBe(2)
})

test('a day lists its appointments by slot; without a date it is today at the clinic', async () => {
  const desk = await openFrontDesk({ patients: 3, timeZone: 'Pacific/Kiritimati' })
  const today = new Date(Date.now() + 14 * 3_600_000).toISOString().slice(0, 10)
  for (const patient of [2, 0, 1]) await desk.book({ date: today, patient })
  const { body } = await desk.get(`${APPOINTMENTS}/doctors/${desk.doctorId}/appointments`)
  expect(body.map((appointment: { slot: number }) => appointment.slot)).toEqual([1, 2, 3])
  expect((await listOf(desk, '1999-01-01')).body).toEqual([])
})

test('the header Idempotency-Key and the field idempotency_key mean the same', async () => {
  const desk = await openFrontDesk()
  const first = await desk.book({ date: DAY, idempotency_key: 'k' })
  const again = await desk.book({ date: DAY }, { 'Idempotency-Key': 'k' })
  expect(again.status).toBe(201)
  expect(again.text).toBe(first.text)
  expect((await listOf(desk)).body).toHaveLength(1)
})

test('a header and a field that differ are 400', async () => {
  const desk = await openFrontDesk()
  const reply = await desk.book({ date: DAY, idempotency_key: 'k' }, { 'Idempotency-Key': 'other' })
  expect(reply.status).toBe(400)
  expect(reply.body.message).toContain('idempotency_key')
})

test('a refusal with a key stays a refusal: the retry of a full day is 409 again after room was made', async () => {
  const desk = await openFrontDesk({ patients: 2, capacity: 1 })
  await desk.book({ date: DAY })
  const refused = await desk.book({ date: DAY, patient: 1, idempotency_key: 'k' })
  await desk.post(`/api/v1/doctors/${desk.doctorId}/availability`, {
    date: DAY,
    is_present: true,
    capacity: 2,
  })
  const again = await desk.book({ date: DAY, patient: 1, idempotency_key: 'k' })
  expect([again.status, again.text]).toEqual([409, refused.text])
  expect((await desk.book({ date: DAY, patient: 1, idempotency_key: 'k2' })).status).toBe(201)
})

test('what failed before the decision is not remembered: the key works once the fault is mended', async () => {
  const desk = await openFrontDesk()
  expect((await desk.book({ date: 'nonsense', idempotency_key: 'k' })).status).toBe(400)
  expect((await desk.book({ date: DAY, idempotency_key: 'k' })).status).toBe(201)
})

test('an id leads to its day, for any clinic, doctor and date', () => {
  for (const n of times(200, (n) => n)) {
    const place = [`clinic ${n}`, crypto.randomUUID(), `2026-03-${n}`] as const
    const id = idOn(dayKey(...place))
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(dayKeyOf(id)).toBe(dayKey(...place))
  }
})

test('asking for a day or an id that nobody has touched leaves no storage behind', async () => {
  const desk = await openFrontDesk()
  const id = idOn(dayKey(desk.clinicId, desk.doctorId, DAY))
  await Promise.all([
    desk.get(`${APPOINTMENTS}/${id}`),
    listOf(desk),
    desk.get(`/api/v1/doctors/${desk.doctorId}/availability?date=${DAY}`),
    desk.get(`/api/v1/checkins/doctors/${desk.doctorId}/queue?date=${DAY}`),
    desk.post('/api/v1/checkins', { appointment_id: id, patient_id: 'p' }, { 'Idempotency-Key': 'k' }),
  ])
  const stub = env.DOCTOR_DAY.get(env.DOCTOR_DAY.idFromName(dayKey(desk.clinicId, desk.doctorId, DAY)))
  const tables = await runInDurableObject(stub, (_, state) =>
    state.storage.sql
      .exec(`SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'`)
      .toArray(),
  )
  expect(tables).toEqual([])
})
