import { runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { dayKey } from '../src/doctor-day/storage/address'
import { type FrontDesk, openFrontDesk, type Reply, statuses, times } from './clinic'
import { abort, betweenDays, loseD1 } from './faults'
import { merge } from './merging'
import { soon } from './soon'

const DOCTORS = '/api/v1/doctors'
const APPOINTMENTS = '/api/v1/appointments'
/** A week of March, and the same weekday two weeks later. */
const DATES = ['2040-03-12', '2040-03-13', '2040-03-14', '2040-03-15', '2040-03-16'] as const
const [MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY] = DATES
const WEEK = { from: MONDAY, to: FRIDAY, reason: 'A week off' }

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const at = (desk: FrontDesk, rest = '') => `${DOCTORS}/${desk.doctorId}/leave${rest}`
const declare = (desk: FrontDesk, wanted: object = {}, key = '') =>
  desk.post(at(desk), { ...WEEK, ...wanted }, key ? { 'Idempotency-Key': key } : {})
const read = async (desk: FrontDesk, leaveId: string) => (await desk.get(at(desk, `/${leaveId}`))).body
const datesOf = async (desk: FrontDesk, leaveId: string) =>
  (await desk.get(at(desk, `/${leaveId}/dates`))).body
const ended = (desk: FrontDesk, leaveId: string, status = 'completed') =>
  soon(async () => {
    const body = await read(desk, leaveId)
    expect(body.status).toBe(status)
    return body
  })
const ledger = async (desk: FrontDesk, date: string) =>
  (await desk.get(`${DOCTORS}/${desk.doctorId}/days/${date}`)).body
const codes = (replies: Reply[]) => replies.map(({ status, body }) => `${status} ${body.type}`)
const job = (leaveId: string) => env.LEAVE_JOB.getByName(leaveId)
const standOf = async (desk: FrontDesk, date: string) => {
  const { capacity, booked, held, offered, over, closed, remaining } = await ledger(desk, date)
  return [booked + held + offered + over + closed + remaining, capacity]
}

test('a leave of a week moves each day’s patients, tells what became of them, and closes its dates', async () => {
  const desk = await openFrontDesk({ patients: 3 })
  const [first, second] = [
    await desk.book({ date: MONDAY }),
    await desk.book({ date: WEDNESDAY, patient: 1 }),
  ]
  const declared = await declare(desk, { move_to: { days_later: 14 } })
  expect([declared.status, declared.body.status, declared.body.days]).toEqual([202, 'running', 5])
  const leaveId = declared.body.leave_id
  const done = await ended(desk, leaveId)
  expect(done).toMatchObject({ moved: 2, to_call: 0, dates: { told: 5, pending: 0, failed: 0 } })
  const dates = await datesOf(desk, leaveId)
  expect(dates.map(({ date, moved }: { date: string; moved: object[] }) => [date, moved.length])).toEqual([
    [MONDAY, 1],
    [TUESDAY, 0],
    [WEDNESDAY, 1],
    [THURSDAY, 0],
    [FRIDAY, 0],
  ])
  expect((await desk.get(`${APPOINTMENTS}/${first.body.id}`)).body.date).toBe('2040-03-26')
  expect((await desk.get(`${APPOINTMENTS}/${second.body.id}`)).body.date).toBe('2040-03-28')
  for (const date of DATES) expect(await ledger(desk, date)).toMatchObject({ is_present: false, booked: 0 })
  const free = await desk.get(`${DOCTORS}/${desk.doctorId}/slots?from=${MONDAY}&to=2040-03-17&limit=1`)
  expect(free.body[0].date).toBe('2040-03-17')
  expect((await desk.get(`/api/v1/slots?from=${MONDAY}&to=${FRIDAY}`)).body).toEqual([])
})

test('a leave moves no patient to a day on which the patient has an appointment by another id', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  const { body } = await desk.book({ date: MONDAY })
  await desk.book({ date: '2040-03-26', patient: 1 })
  await merge(desk, desk.patientIds[0], desk.patientIds[1])
  const listed = async () => (await desk.get(`${APPOINTMENTS}?patient_id=${desk.patientIds[1]}`)).body
  await soon(async () => expect(await listed()).toHaveLength(2))
  const { leave_id } = (await declare(desk, { move_to: { days_later: 14 } })).body
  expect(await ended(desk, leave_id)).toMatchObject({ moved: 0, to_call: 1 })
  const [monday] = await datesOf(desk, leave_id)
  expect(monday.to_call).toMatchObject([{ appointment_id: body.id, why: 'already_booked' }])
})

test('a booking, a hold, a move and a place on the waitlist are refused on its dates: 422 on_leave', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  const { body: elsewhere } = await desk.book({ date: '2040-03-20' })
  const { body } = await declare(desk)
  const place = { doctor_id: desk.doctorId, date: TUESDAY }
  const attempts = async () =>
    codes([
      await desk.book({ date: TUESDAY, patient: 1 }),
      await desk.post(`${APPOINTMENTS}/holds`, { ...place, ttl_seconds: 60 }),
      await desk.post(`${APPOINTMENTS}/${elsewhere.id}/reschedule`, { date: TUESDAY }),
      await desk.post(`${APPOINTMENTS}/waitlist`, { ...place, patient_id: desk.patientIds[1] }),
    ])
  const refused = times(4, () => '422 /problems/on_leave')
  expect(await attempts()).toEqual(refused)
  await ended(desk, body.leave_id)
  expect(await attempts()).toEqual(refused)
  expect((await desk.get(`${APPOINTMENTS}/${elsewhere.id}`)).body.date).toBe('2040-03-20')
})

test('today’s walk-in is refused as well', async () => {
  vi.useFakeTimers({ now: Date.parse(`${MONDAY}T10:00:00Z`), toFake: ['Date'] })
  const desk = await openFrontDesk()
  await declare(desk)
  const walkIn = { doctor_id: desk.doctorId, patient_id: desk.patientIds[0] }
  expect(codes([await desk.post('/api/v1/checkins/walk-in', walkIn)])).toEqual(['422 /problems/on_leave'])
})

test('bookings that arrive while a leave is declared are refused or struck: none stands unseen', async () => {
  const desk = await openFrontDesk({ patients: 12 })
  const replies = await Promise.all(
    times(13, (n) => (n === 6 ? declare(desk) : desk.book({ date: WEDNESDAY, patient: n > 6 ? n - 1 : n }))),
  )
  const { leave_id } = replies[6]?.body ?? {}
  const bookings = replies.filter((_, n) => n !== 6)
  const { to_call } = await ended(desk, leave_id)
  expect(to_call).toBe(statuses(bookings)[201] ?? 0)
  expect(await ledger(desk, WEDNESDAY)).toMatchObject({ is_present: false, booked: to_call })
  expect((await desk.book({ date: WEDNESDAY })).status).toBe(422)
})

test('a request that read D1 before the leave was stored is struck by it, or refused by the day', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  const { promise: held, resolve: release } = Promise.withResolvers<void>()
  const { promise: reached, resolve: reach } = Promise.withResolvers<void>()
  betweenDays(
    async (_, call) => {
      reach()
      await held
      return call()
    },
    ['book'],
  )
  const late = desk.book({ date: WEDNESDAY })
  await reached
  const { body } = await declare(desk)
  await ended(desk, body.leave_id)
  release()
  expect((await late).body.type).toBe('/problems/doctor_absent')
  expect(await ledger(desk, WEDNESDAY)).toMatchObject({ booked: 0, is_present: false })
})

test('a paused leave tells no more days, keeps its dates closed, and goes on when resumed', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  await desk.book({ date: FRIDAY })
  betweenDays(
    async (command, call) => {
      if (command.type === 'declare_absence') throw new Error('Network connection lost.')
      return call()
    },
    ['declare_absence'],
  )
  const { body } = await declare(desk)
  const paused = await desk.post(at(desk, `/${body.leave_id}/pause`))
  expect(paused).toMatchObject({ status: 200, body: { status: 'paused' } })
  vi.restoreAllMocks()
  await runDurableObjectAlarm(job(body.leave_id))
  const before = await read(desk, body.leave_id)
  expect(before.status).toBe('paused')
  expect((await desk.book({ date: FRIDAY, patient: 1 })).body.type).toBe('/problems/on_leave')
  await runDurableObjectAlarm(job(body.leave_id))
  expect((await read(desk, body.leave_id)).dates).toEqual(before.dates)
  await desk.post(at(desk, `/${body.leave_id}/resume`))
  expect(await ended(desk, body.leave_id)).toMatchObject({ to_call: 1, dates: { told: 5 } })
})

test('the job is killed after each day, and D1 fails now and then: each patient moves once', async () => {
  const desk = await openFrontDesk({ patients: 5 })
  const ids: string[] = []
  for (const [n, date] of DATES.entries()) ids.push((await desk.book({ date, patient: n })).body.id)
  const days = DATES.map((date) =>
    env.DOCTOR_DAY.get(env.DOCTOR_DAY.idFromName(dayKey(desk.clinicId, desk.doctorId, date))),
  )
  let calls = 0
  const d1 = loseD1(() => ++calls % 5 === 0)
  const declared = await soon(async () => {
    const reply = await declare(desk, { move_to: { days_later: 14 } }, 'k')
    expect(reply.status).toBe(202)
    return reply
  })
  const leaveId = declared.body.leave_id
  for (const day of days) {
    await abort(job(leaveId) as unknown as DurableObjectStub<undefined>)
    await abort(day as unknown as DurableObjectStub<undefined>)
    await runDurableObjectAlarm(job(leaveId)).catch(() => undefined)
  }
  expect(d1.lost()).toBeGreaterThan(0)
  vi.restoreAllMocks()
  await soon(async () => {
    await runDurableObjectAlarm(job(leaveId)).catch(() => undefined)
    expect((await read(desk, leaveId)).status).toBe('completed')
  })
  expect(await read(desk, leaveId)).toMatchObject({ moved: 5, to_call: 0, dates: { told: 5, failed: 0 } })
  for (const [n, id] of ids.entries()) {
    const { body } = await desk.get(`${APPOINTMENTS}/${id}`)
    expect([body.status, body.date]).toEqual(['booked', `2040-03-${26 + n}`])
    expect(await ledger(desk, `2040-03-${26 + n}`)).toMatchObject({ booked: 1, held: 0 })
  }
})

test('the job run again after its end changes nothing', async () => {
  const desk = await openFrontDesk()
  await desk.book({ date: MONDAY })
  const { body } = await declare(desk)
  const done = await ended(desk, body.leave_id)
  const versions = await Promise.all(DATES.map(async (date) => (await ledger(desk, date)).version))
  await env.DB.prepare(`UPDATE leave_days SET state = 'pending' WHERE leave_id = ?`).bind(body.leave_id).run()
  await env.DB.prepare(`UPDATE leaves SET status = 'running' WHERE id = ?`).bind(body.leave_id).run()
  await job(body.leave_id).watch(desk.clinicId, true)
  expect(await ended(desk, body.leave_id)).toEqual(done)
  expect(await Promise.all(DATES.map(async (date) => (await ledger(desk, date)).version))).toEqual(versions)
})

test('a doctor who is back early: the leave ends on that date, those before stay closed', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  const { body } = await declare(desk)
  await ended(desk, body.leave_id)
  const early = await desk.post(at(desk, `/${body.leave_id}/cancel`), { from: THURSDAY })
  expect(early).toMatchObject({ status: 200, body: { to: WEDNESDAY, dates: { told: 3, ending: 2 } } })
  await soon(async () =>
    expect((await read(desk, body.leave_id)).dates).toMatchObject({ told: 3, ending: 0, ended: 2 }),
  )
  expect((await desk.book({ date: WEDNESDAY })).body.type).toBe('/problems/on_leave')
  expect((await desk.book({ date: THURSDAY })).status).toBe(201)
  expect((await desk.book({ date: FRIDAY, patient: 1 })).status).toBe(201)
  expect((await declare(desk, { from: THURSDAY })).status).toBe(202)
})

test('a cancelled leave opens its days again, but none that was closed or opened for itself', async () => {
  const desk = await openFrontDesk({ patients: 3 })
  const present = (date: string, is_present: boolean) =>
    desk.post(`${DOCTORS}/${desk.doctorId}/availability`, { date, is_present })
  await present(MONDAY, false)
  const { body: waiting } = await desk.post(`${APPOINTMENTS}/waitlist`, {
    doctor_id: desk.doctorId,
    date: TUESDAY,
    patient_id: desk.patientIds[0],
  })
  expect(waiting.offer).not.toBeNull()
  const { body } = await declare(desk)
  await ended(desk, body.leave_id)
  await present(WEDNESDAY, true)
  expect((await desk.book({ date: WEDNESDAY, patient: 1 })).status).toBe(201)
  await present(THURSDAY, false)
  await desk.post(at(desk, `/${body.leave_id}/cancel`))
  await ended(desk, body.leave_id, 'cancelled')
  const present5 = await Promise.all(DATES.map(async (date) => (await ledger(desk, date)).is_present))
  expect(present5).toEqual([false, true, true, false, true])
  for (const date of DATES) {
    const [sum, capacity] = await standOf(desk, date)
    expect(sum).toBe(capacity)
  }
  expect((await desk.post(at(desk, `/${body.leave_id}/pause`))).body.type).toBe('/problems/leave_over')
})

test('an overlapping leave, dates that are over, too many dates and a move within the leave are refused', async () => {
  const desk = await openFrontDesk()
  await declare(desk)
  const replies = [
    await declare(desk, { from: FRIDAY, to: '2040-03-20' }),
    await declare(desk, { from: '2020-01-01' }),
    await declare(desk, { from: '2040-04-01', to: '2041-04-02' }),
    await declare(desk, { from: '2040-05-01', to: '2040-05-10', move_to: { days_later: 9 } }),
    await declare(desk, { from: '2040-05-02', to: '2040-05-01' }),
    await declare(desk, { from: '2040-05-01', to: '2040-05-02', move_to: {} }),
    await desk.post(`${DOCTORS}/nobody/leave`, WEEK),
    await declare(desk, { from: '2040-05-01', to: '2040-05-02', move_to: { doctor_id: 'nobody' } }),
  ]
  expect(codes(replies)).toEqual([
    '409 /problems/leave_overlaps',
    '422 /problems/date_over',
    ...times(4, () => '400 /problems/invalid_request'),
    '404 /problems/not_found',
    '404 /problems/not_found',
  ])
  expect((await desk.get(at(desk))).body).toHaveLength(1)
})

test('patients whose other doctor is on leave too are to be called, with the reason', async () => {
  const desk = await openFrontDesk()
  const { body: other } = await desk.post(DOCTORS, { name: 'Ada', code: 'AL' })
  await desk.post(`${DOCTORS}/${other.id}/leave`, WEEK)
  await desk.book({ date: MONDAY })
  const { body } = await declare(desk, { move_to: { doctor_id: other.id } })
  expect(await ended(desk, body.leave_id)).toMatchObject({ moved: 0, to_call: 1 })
  expect((await datesOf(desk, body.leave_id))[0].to_call).toMatchObject([{ why: 'on_leave' }])
})

test('with its key a leave is declared once, and the audit names it once', async () => {
  const desk = await openFrontDesk({ scopes: ['*', 'admin'] })
  const replies = await Promise.all(times(5, () => declare(desk, {}, 'k')))
  expect(new Set(replies.map(({ status, body }) => `${status} ${body.leave_id}`)).size).toBe(1)
  expect((await desk.get(at(desk))).body).toHaveLength(1)
  const { body: audit } = await desk.get('/api/v1/audit')
  expect(audit.filter(({ action }: { action: string }) => action === 'leave.declared')).toHaveLength(1)
})

test('a retry of a declaration gets the first answer, also when the leave was cut short since', async () => {
  const desk = await openFrontDesk()
  const first = await declare(desk, {}, 'k')
  const { leave_id } = first.body
  expect((await desk.post(at(desk, `/${leave_id}/cancel`), { from: WEDNESDAY })).body.to).toBe(TUESDAY)
  const { keys } = await env.REPLIES.list()
  await Promise.all(keys.map(({ name }) => env.REPLIES.delete(name)))
  expect(await declare(desk, {}, 'k')).toMatchObject({ status: 202, body: first.body })
  expect((await read(desk, leave_id)).to).toBe(TUESDAY)
})

test('a pause that came too late is refused again when it is retried, and one that counted is not', async () => {
  const desk = await openFrontDesk()
  const { leave_id } = (await declare(desk)).body
  await ended(desk, leave_id)
  const pause = (key: string) =>
    desk.post(at(desk, `/${leave_id}/pause`), undefined, { 'Idempotency-Key': key })
  const late = [await pause('late'), await pause('late')]
  expect(codes(late)).toEqual(times(2, () => '409 /problems/leave_over'))
  const path = at(desk, `/${leave_id}/cancel`)
  const cancel = () => desk.post(path, {}, { 'Idempotency-Key': 'cancel' })
  expect(statuses([await cancel(), await cancel()])).toEqual({ 200: 2 })
  expect(await ended(desk, leave_id, 'cancelled')).toMatchObject({ dates: { told: 0 } })
})

test('another clinic neither sees nor stops a leave', async () => {
  const [desk, other] = [await openFrontDesk(), await openFrontDesk()]
  const { body } = await declare(desk)
  const theirs = `${DOCTORS}/${other.doctorId}/leave/${body.leave_id}`
  const replies = [
    await other.get(at(desk)),
    await other.get(theirs),
    await other.get(`${theirs}/dates`),
    await other.post(`${theirs}/pause`),
    await other.post(`${theirs}/cancel`),
  ]
  expect(codes(replies)).toEqual(times(5, () => '404 /problems/not_found'))
  expect((await ended(desk, body.leave_id)).dates.told).toBe(5)
})
