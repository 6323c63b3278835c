import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { type FrontDesk, keyFor, openFrontDesk, type Reply, times } from './clinic'
import { betweenDays } from './faults'
import { soon } from './soon'

const CLOSINGS = '/api/v1/closings'
const APPOINTMENTS = '/api/v1/appointments'
const DOCTORS = '/api/v1/doctors'
const [FIRST, LAST] = ['2040-12-24', '2040-12-26']
const HOLIDAYS = { from: FIRST, to: LAST, reason: 'Holidays' }
const MANAGED = { scopes: ['*', 'clinic:admin'] }

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const close = (desk: FrontDesk, wanted: object = {}, key = '') =>
  desk.post(CLOSINGS, { ...HOLIDAYS, ...wanted }, key ? { 'Idempotency-Key': key } : {})
const open = (desk: FrontDesk, id: string, key = '') =>
  desk.send('DELETE', `${CLOSINGS}/${id}`, null, key ? { 'Idempotency-Key': key } : {})
const codes = (replies: Reply[]) => replies.map(({ status, body }) => `${status} ${body.type}`)
const ledger = async (desk: FrontDesk, date: string) =>
  (await desk.get(`${DOCTORS}/${desk.doctorId}/days/${date}`)).body
const jobEnded = (closingId: string) =>
  soon(async () => {
    const sql = `SELECT count(*) AS n FROM leave_days WHERE leave_id = ? AND state IN ('pending', 'ending')`
    expect(await env.DB.prepare(sql).bind(closingId).first()).toEqual({ n: 0 })
  })

test('no doctor takes patients on a closed date: 422 clinic_closed; lists of free slots leave it out', async () => {
  const desk = await openFrontDesk({ ...MANAGED, patients: 2 })
  const { body: elsewhere } = await desk.book({ date: '2040-12-20' })
  const closed = await close(desk)
  expect(closed).toMatchObject({ status: 201, body: { ...HOLIDAYS, appointments: [], has_more: false } })
  const place = { doctor_id: desk.doctorId, date: LAST }
  const replies = [
    await desk.book({ date: FIRST, patient: 1 }),
    await desk.post(`${APPOINTMENTS}/holds`, { ...place, ttl_seconds: 60 }),
    await desk.post(`${APPOINTMENTS}/${elsewhere.id}/reschedule`, { date: LAST }),
    await desk.post(`${APPOINTMENTS}/waitlist`, { ...place, patient_id: desk.patientIds[1] }),
  ]
  expect(codes(replies)).toEqual(times(4, () => '422 /problems/clinic_closed'))
  expect(await ledger(desk, LAST)).toMatchObject({ is_present: false, version: 0 })
  const { body: free } = await desk.get(`/api/v1/slots?from=${FIRST}&to=2040-12-27&limit=1`)
  expect(free[0].date).toBe('2040-12-27')
  expect((await desk.get(`${DOCTORS}?date=${FIRST}`)).body[0].is_available).toBe(false)
  expect((await desk.get(`/api/v1/days?date=${FIRST}`)).body[0].figures.is_present).toBe(false)
  expect((await desk.book({ date: '2040-12-27', patient: 1 })).status).toBe(201)
})

test('what was booked stands and is listed; an offer and a hold of a day in use cannot be booked any more', async () => {
  const desk = await openFrontDesk({ ...MANAGED, patients: 3, capacity: 3 })
  const { body: booked } = await desk.book({ date: FIRST })
  const place = { doctor_id: desk.doctorId, date: FIRST }
  const hold = await desk.post(`${APPOINTMENTS}/holds`, { ...place, ttl_seconds: 600 })
  const waiting = await desk.post(`${APPOINTMENTS}/waitlist`, { ...place, patient_id: desk.patientIds[1] })
  expect(waiting.body.offer).not.toBeNull()
  await soon(async () => expect((await desk.get(`${APPOINTMENTS}?from=${FIRST}`)).body).toHaveLength(1))
  const { body } = await close(desk)
  expect(body.appointments).toMatchObject([{ appointment_id: booked.id, doctor_id: desk.doctorId, slot: 1 }])
  await jobEnded(body.closing_id)
  const replies = [
    await desk.post(APPOINTMENTS, { hold_id: hold.body.hold_id, patient_id: desk.patientIds[2] }),
    await desk.post(`${APPOINTMENTS}/waitlist/${waiting.body.id}/accept`),
  ]
  // A hold names no doctor, so only its day is asked, which knows no cause.
  expect(codes(replies)).toEqual(['422 /problems/doctor_absent', '422 /problems/clinic_closed'])
  expect((await desk.get(`${CLOSINGS}/${body.closing_id}`)).body.appointments).toHaveLength(1)
  expect(await ledger(desk, FIRST)).toMatchObject({ booked: 1, held: 1, offered: 1, is_present: false })
  expect((await desk.post(`${APPOINTMENTS}/${booked.id}/reschedule`, { date: '2041-01-07' })).status).toBe(
    200,
  )
})

test('a deleted closing opens its days again; with its key the same answer, and later 404', async () => {
  const desk = await openFrontDesk({ ...MANAGED, patients: 2 })
  await desk.book({ date: FIRST })
  await soon(async () => expect((await desk.get(`${APPOINTMENTS}?from=${FIRST}`)).body).toHaveLength(1))
  const { body } = await close(desk)
  await jobEnded(body.closing_id)
  const opened = await open(desk, body.closing_id, 'k')
  expect(opened).toMatchObject({ status: 200, body: HOLIDAYS })
  expect((await open(desk, body.closing_id, 'k')).body).toEqual(opened.body)
  expect((await open(desk, body.closing_id)).status).toBe(404)
  await jobEnded(body.closing_id)
  expect(await ledger(desk, FIRST)).toMatchObject({ is_present: true, booked: 1 })
  expect((await desk.book({ date: FIRST, patient: 1 })).status).toBe(201)
  expect((await desk.get(CLOSINGS)).body).toEqual([])
})

test('one doctor can be opened on a closed date; a leave that ends on it leaves the day closed', async () => {
  const desk = await openFrontDesk(MANAGED)
  await close(desk)
  const at = `${DOCTORS}/${desk.doctorId}`
  await desk.post(`${at}/availability`, { date: FIRST, is_present: true })
  expect((await desk.book({ date: FIRST })).status).toBe(201)
  const { body: leave } = await desk.post(`${at}/leave`, { from: LAST, to: LAST, reason: 'away' })
  await jobEnded(leave.leave_id)
  await desk.post(`${at}/leave/${leave.leave_id}/cancel`)
  await jobEnded(leave.leave_id)
  expect(codes([await desk.book({ date: LAST })])).toEqual(['422 /problems/clinic_closed'])
})

test('a leave that ends on a closed date hands the day over: the clinic opens it again', async () => {
  const desk = await openFrontDesk(MANAGED)
  const { body: closing } = await close(desk)
  const at = `${DOCTORS}/${desk.doctorId}/leave`
  const { body: leave } = await desk.post(at, { from: LAST, to: LAST, reason: 'away' })
  await jobEnded(leave.leave_id)
  await desk.post(`${at}/${leave.leave_id}/cancel`)
  await jobEnded(leave.leave_id)
  expect(await ledger(desk, LAST)).toMatchObject({ is_present: false, version: 3 })
  await open(desk, closing.closing_id)
  await soon(async () => expect((await ledger(desk, LAST)).is_present).toBe(true))
  expect((await desk.book({ date: LAST })).status).toBe(201)
})

test('a date that was opened during a leave is closed by a closing that is declared afterwards, at once', async () => {
  const desk = await openFrontDesk(MANAGED)
  const at = `${DOCTORS}/${desk.doctorId}`
  const { body: leave } = await desk.post(`${at}/leave`, { from: FIRST, to: FIRST, reason: 'away' })
  await jobEnded(leave.leave_id)
  await desk.post(`${at}/availability`, { date: FIRST, is_present: true })
  // No day is told.
  betweenDays(() => Promise.reject(new Error('Network connection lost.')), ['declare_absence'])
  await close(desk)
  expect(codes([await desk.book({ date: FIRST })])).toEqual(['422 /problems/clinic_closed'])
})

test('closings that overlap, dates that are over and too many dates are refused; a retry closes once', async () => {
  const desk = await openFrontDesk(MANAGED)
  const [one, again] = [await close(desk, {}, 'k'), await close(desk, {}, 'k')]
  expect(again.body.closing_id).toBe(one.body.closing_id)
  const replies = [
    await close(desk, { from: LAST, to: '2040-12-31' }),
    await close(desk, { from: '2020-01-01' }),
    await close(desk, { from: '2041-01-01', to: '2041-03-04' }),
    await close(desk, { from: '2041-01-02', to: '2041-01-01' }),
    await open(desk, 'nothing'),
  ]
  expect(codes(replies)).toEqual([
    '409 /problems/closings_overlap',
    '422 /problems/date_over',
    '400 /problems/invalid_request',
    '400 /problems/invalid_request',
    '404 /problems/not_found',
  ])
  expect((await close(desk, { from: '2041-01-01', to: '2041-01-01' })).status).toBe(201)
  expect((await desk.get(CLOSINGS)).body.map(({ from }: { from: string }) => from)).toEqual([
    FIRST,
    '2041-01-01',
  ])
})

test('only a manager closes the clinic, and no clinic closes or opens another', async () => {
  const [desk, other] = [await openFrontDesk(MANAGED), await openFrontDesk(MANAGED)]
  const { body } = await close(desk)
  const clerk = await keyFor(desk.clinicId, ['*'])
  expect((await clerk.post(CLOSINGS, HOLIDAYS)).status).toBe(403)
  expect((await clerk.get(CLOSINGS)).body).toHaveLength(1)
  expect((await other.get(CLOSINGS)).body).toEqual([])
  expect((await other.get(`${CLOSINGS}/${body.closing_id}`)).status).toBe(404)
  expect((await open(other, body.closing_id)).status).toBe(404)
  expect((await other.book({ date: FIRST })).status).toBe(201)
  expect((await desk.book({ date: FIRST })).status).toBe(422)
})
