import { expect, test } from 'vitest'
import { DAY, type FrontDesk, openFrontDesk, type Reply } from './clinic'
import { APPOINTMENTS, CHECKINS, forgetReplies } from './moves'

/** A request that names a record which does not exist leaves its Idempotency-Key free. */

const key = { 'Idempotency-Key': 'k' }

interface Known {
  patient_id: string
  doctor_id: string
}
type Ask = (desk: FrontDesk, named: Known) => Promise<Reply>

const routes: [route: string, ask: Ask][] = [
  ['a booking', (desk, named) => desk.post(APPOINTMENTS, { ...named, date: DAY }, key)],
  ['a walk-in', (desk, named) => desk.post(`${CHECKINS}/walk-in`, named, key)],
  ['the waitlist', (desk, named) => desk.post(`${APPOINTMENTS}/waitlist`, { ...named, date: DAY }, key)],
]
const doctorRoutes: [route: string, ask: Ask][] = [
  [
    'a hold',
    (desk, { doctor_id }) =>
      desk.post(`${APPOINTMENTS}/holds`, { doctor_id, date: DAY, ttl_seconds: 60 }, key),
  ],
  [
    'availability',
    (desk, { doctor_id }) =>
      desk.post(`/api/v1/doctors/${doctor_id}/availability`, { date: DAY, is_present: true }, key),
  ],
  [
    'an absence',
    (desk, { doctor_id }) =>
      desk.post(`/api/v1/doctors/${doctor_id}/days/${DAY}/absence`, { reason: 'ill' }, key),
  ],
  [
    'a call of the next patient',
    (desk, { doctor_id }) =>
      desk.post(`${CHECKINS}/doctors/${doctor_id}/queue/next`, { date: DAY, room: '1' }, key),
  ],
  [
    'a ticket',
    (desk, { doctor_id }) => desk.post(`${CHECKINS}/doctors/${doctor_id}/queue/tickets`, { date: DAY }, key),
  ],
]

test.each(routes)(
  '%s of an unknown patient is 404; registered since, the patient gets it with the same key',
  async (_, ask) => {
    const desk = await openFrontDesk({ patients: 0 })
    const named = { doctor_id: desk.doctorId, patient_id: '0199a3c1-7d2e-7000-8000-000000000001' }
    expect((await ask(desk, named)).status).toBe(404)
    expect((await ask(desk, named)).status).toBe(404)
    const { body: patient } = await desk.post('/api/v1/patients', { name: 'New', phone: '+1 202 555 7777' })
    const registered = { ...named, patient_id: patient.id }
    const made = await ask(desk, registered)
    expect(made.status).toBe(201)
    await forgetReplies()
    expect((await ask(desk, registered)).text).toBe(made.text)
    expect((await ask(desk, named)).status).toBe(422)
  },
)

test.each([...routes, ...doctorRoutes])(
  '%s of an unknown doctor is 404, and the same key is free for a known one',
  async (_, ask) => {
    const desk = await openFrontDesk()
    const known = { doctor_id: desk.doctorId, patient_id: desk.patientIds[0] ?? '' }
    expect((await ask(desk, { ...known, doctor_id: 'nobody' })).status).toBe(404)
    expect((await ask(desk, known)).status).toBeLessThan(300)
  },
)

test('a held slot is booked with the key of a booking whose patient was unknown', async () => {
  const desk = await openFrontDesk()
  const wanted = { doctor_id: desk.doctorId, date: DAY, ttl_seconds: 600 }
  const { hold_id } = (await desk.post(`${APPOINTMENTS}/holds`, wanted)).body
  expect((await desk.post(APPOINTMENTS, { hold_id, patient_id: 'nobody' }, key)).status).toBe(404)
  const booked = await desk.post(APPOINTMENTS, { hold_id, patient_id: desk.patientIds[0] }, key)
  expect([booked.status, booked.body.slot]).toEqual([201, 1])
})

test('a move to an unknown doctor is 404, and moves with the same key to a known one', async () => {
  const desk = await openFrontDesk()
  const { body } = await desk.book({ date: DAY })
  const move = (wanted: object) => desk.post(`${APPOINTMENTS}/${body.id}/reschedule`, wanted, key)
  expect((await move({ date: '2040-03-15', doctor_id: 'nobody' })).status).toBe(404)
  expect((await move({ date: '2040-03-15' })).body).toMatchObject({ id: body.id, date: '2040-03-15' })
})

test('an API key for a clinic that is opened later is made by the retry with the same key', async () => {
  const desk = await openFrontDesk({ scopes: ['*', 'admin', 'clinics:*'] })
  const clinic_id = `later-${desk.clinicId}`
  const create = () => desk.post('/api/v1/keys', { clinic_id, name: 'desk', scopes: ['patients:read'] }, key)
  expect((await create()).status).toBe(404)
  const clinic = { id: clinic_id, name: 'Later', time_zone: 'UTC', country: 'US' }
  expect((await desk.post('/api/v1/clinics', clinic)).status).toBe(201)
  const created = await create()
  expect([created.status, created.body.clinic_id]).toEqual([201, clinic_id])
  const again = await create()
  expect([again.status, again.body.key]).toEqual([409, undefined])
})

test('a key that a request has claimed stays claimed: an unknown patient does not free it', async () => {
  const desk = await openFrontDesk()
  const known = { doctor_id: desk.doctorId, patient_id: desk.patientIds[0] ?? '' }
  const [[, book] = []] = routes
  const first = await book?.(desk, known)
  await forgetReplies()
  expect((await book?.(desk, { ...known, patient_id: 'nobody' }))?.status).toBe(422)
  expect((await book?.(desk, known))?.text).toBe(first?.text)
})
