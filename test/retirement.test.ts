import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { type FrontDesk, keyFor, openFrontDesk, type Reply, times } from './clinic'
import { soon } from './soon'

const DOCTORS = '/api/v1/doctors'
const APPOINTMENTS = '/api/v1/appointments'
const DAY = '2040-03-14'

afterEach(() => vi.restoreAllMocks())

const retire = (desk: FrontDesk, key = '') =>
  desk.send('DELETE', `${DOCTORS}/${desk.doctorId}`, null, key ? { 'Idempotency-Key': key } : {})
const codes = (replies: Reply[]) => replies.map(({ status, body }) => `${status} ${body.type}`)
const isPresent = async (desk: FrontDesk) =>
  (await desk.get(`${DOCTORS}/${desk.doctorId}/days/${DAY}`)).body.is_present
const told = (desk: FrontDesk, state: string) =>
  soon(async () => {
    const sql = 'SELECT DISTINCT state FROM leave_days WHERE clinic_id = ?'
    expect((await env.DB.prepare(sql).bind(desk.clinicId).all()).results).toEqual([{ state }])
  })

test('a retired doctor takes no new patients; what was booked stands, is listed, and can be moved', async () => {
  const desk = await openFrontDesk({ patients: 3 })
  const { body: other } = await desk.post(DOCTORS, { name: 'Ada', code: 'AL' })
  const { body: booked } = await desk.book({ date: DAY })
  const place = { doctor_id: desk.doctorId, date: DAY }
  const hold = await desk.post(`${APPOINTMENTS}/holds`, { ...place, ttl_seconds: 600 })
  await soon(async () => expect((await desk.get(`${APPOINTMENTS}?from=${DAY}`)).body).toHaveLength(1))
  const { status, body } = await retire(desk)
  expect([status, body.name, body.appointments[0].appointment_id]).toEqual([200, 'Grace Hopper', booked.id])
  expect(body.retired_at).not.toBeNull()
  const walkIn = { doctor_id: desk.doctorId, patient_id: desk.patientIds[1] }
  const replies = [
    await desk.book({ date: DAY, patient: 1 }),
    await desk.book({ date: '2040-03-15', patient: 1 }),
    await desk.post(`${APPOINTMENTS}/holds`, { ...place, ttl_seconds: 60 }),
    await desk.post(`${APPOINTMENTS}/waitlist`, { ...place, patient_id: desk.patientIds[1] }),
    await desk.post('/api/v1/checkins/walk-in', walkIn),
    await desk.post(`${DOCTORS}/${desk.doctorId}/availability`, { date: DAY, is_present: true }),
    await desk.post(`${DOCTORS}/${desk.doctorId}/leave`, { from: DAY, to: DAY, reason: 'away' }),
  ]
  expect(codes(replies)).toEqual(times(7, () => '422 /problems/doctor_retired'))
  await told(desk, 'told')
  const held = await desk.post(APPOINTMENTS, {
    hold_id: hold.body.hold_id,
    patient_id: desk.patientIds[2],
  })
  expect(held.status).toBe(422)
  expect((await desk.get(`${APPOINTMENTS}/${booked.id}`)).body.status).toBe('booked')
  const moved = await desk.post(`${APPOINTMENTS}/${booked.id}/reschedule`, { date: DAY, doctor_id: other.id })
  expect(moved.status).toBe(200)
})

test('the record stays: its name is read, lists show it on demand, and no free slot is its', async () => {
  const desk = await openFrontDesk()
  await retire(desk)
  expect((await desk.get(`${DOCTORS}/${desk.doctorId}`)).body.name).toBe('Grace Hopper')
  expect((await desk.get(DOCTORS)).body).toEqual([])
  expect((await desk.get(`${DOCTORS}?retired=true`)).body).toHaveLength(1)
  expect((await desk.get(`/api/v1/slots?from=${DAY}&to=${DAY}`)).body).toEqual([])
  expect((await desk.get(`${DOCTORS}/${desk.doctorId}/slots?from=${DAY}&to=${DAY}`)).body).toEqual([])
})

test('retiring twice retires once, and a late retry does not retire a doctor who is back', async () => {
  const desk = await openFrontDesk({ patients: 2, scopes: ['*', 'admin'] })
  await desk.book({ date: DAY })
  await soon(async () => expect((await desk.get(`${APPOINTMENTS}?from=${DAY}`)).body).toHaveLength(1))
  const [first, again] = [await retire(desk, 'k'), await retire(desk)]
  expect(again.body.retired_at).toBe(first.body.retired_at)
  await told(desk, 'told')
  expect(await isPresent(desk)).toBe(false)
  const back = await desk.post(`${DOCTORS}/${desk.doctorId}/reinstate`)
  expect(back).toMatchObject({ status: 200, body: { retired_at: null } })
  await told(desk, 'ended')
  await retire(desk, 'k')
  expect(await isPresent(desk)).toBe(true)
  expect((await desk.book({ date: DAY, patient: 1 })).status).toBe(201)
  const { body: audit } = await desk.get('/api/v1/audit')
  expect(audit.filter(({ action }: { action: string }) => action === 'doctor.retired')).toHaveLength(1)
})

test('a reinstatement that another one and a second retirement overtake leaves the doctor retired', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  await desk.book({ date: DAY })
  await soon(async () => expect((await desk.get(`${APPOINTMENTS}?from=${DAY}`)).body).toHaveLength(1))
  await retire(desk)
  await told(desk, 'told')
  const reinstate = () => desk.post(`${DOCTORS}/${desk.doctorId}/reinstate`)
  let isOvertaken = false
  const batch = env.DB.batch.bind(env.DB)
  vi.spyOn(env.DB, 'batch').mockImplementation(async (statements) => {
    const answer = await batch(statements)
    // The late one has read which retirement it ends.
    if (!isOvertaken) {
      isOvertaken = true
      expect((await reinstate()).body.retired_at).toBeNull()
      expect((await retire(desk)).body.retired_at).not.toBeNull()
    }
    return answer as never
  })
  const late = await reinstate()
  vi.restoreAllMocks()
  expect([isOvertaken, late.status]).toEqual([true, 200])
  const { body } = await desk.get(`${DOCTORS}/${desk.doctorId}`)
  expect([late.body.retired_at, body.retired_at]).toEqual([body.retired_at, expect.any(String)])
  expect((await desk.book({ date: DAY, patient: 1 })).body.type).toBe('/problems/doctor_retired')
  expect((await reinstate()).body.retired_at).toBeNull()
  await soon(async () => expect(await isPresent(desk)).toBe(true))
  expect((await desk.book({ date: DAY, patient: 1 })).status).toBe(201)
})

test('another clinic, and a key that may not change doctors, retire none', async () => {
  const [desk, other] = [await openFrontDesk(), await openFrontDesk()]
  const clerk = await keyFor(desk.clinicId, ['doctors:read', 'appointments:read'])
  const path = `${DOCTORS}/${desk.doctorId}`
  const replies = [await other.send('DELETE', path), await clerk.send('DELETE', path)]
  expect(replies.map(({ status }) => status)).toEqual([404, 403])
  expect((await desk.book({ date: DAY })).status).toBe(201)
})
