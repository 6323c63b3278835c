import { env } from 'cloudflare:workers'
import { expect, test, vi } from 'vitest'
import { DAY, type FrontDesk, openFrontDesk, statuses, times } from './clinic'
import { operations } from './conformity'

interface Try {
  path: string
  first: (desk: FrontDesk) => unknown
  other: (desk: FrontDesk) => unknown
  /** What the second of two identical requests gets, both without a key. */
  unkeyed: number
  /** What a retry gets, where it is not the first reply: a secret cannot be shown again. */
  retried?: number
}

const medicalTest = (desk: FrontDesk, test_id: string) => ({
  test_id,
  patient_id: 'p',
  clinic_id: desk.clinicId,
  test_type: 'b',
  result: 'r',
})
const event = (appointment_id: string) => ({
  event_type: 'updated',
  appointment_id,
  patient_id: 'P',
  timestamp: '2025-01-10T12:30:00Z',
})
const clinic = (desk: FrontDesk, name: string) => ({ id: `${name}-${desk.clinicId}`, name, time_zone: 'UTC' })
const key = (desk: FrontDesk, name: string) => ({ clinic_id: desk.clinicId, name, scopes: ['*'] })
const booking = (desk: FrontDesk, date: string) => ({
  patient_id: desk.patientIds[0],
  doctor_id: desk.doctorId,
  date,
})

const TRIES: Try[] = [
  { path: '/tests', first: (d) => medicalTest(d, 'a'), other: (d) => medicalTest(d, 'b'), unkeyed: 409 },
  { path: '/webhook/appointments', first: () => event('A'), other: () => event('B'), unkeyed: 409 },
  { path: '/api/v1/clinics', first: (d) => clinic(d, 'A'), other: (d) => clinic(d, 'B'), unkeyed: 409 },
  { path: '/api/v1/keys', first: (d) => key(d, 'A'), other: (d) => key(d, 'B'), unkeyed: 201, retried: 409 },
  {
    path: '/api/v1/staff',
    first: () => ({ name: 'A', role: 'nurse' }),
    other: () => ({ name: 'A', role: 'lab' }),
    unkeyed: 201,
  },
  {
    path: '/api/v1/patients',
    first: () => ({ name: 'A', phone: '2025559999' }),
    other: () => ({ name: 'B', phone: '2025559998' }),
    unkeyed: 200,
  },
  {
    path: '/api/v1/services',
    first: () => ({ name: 'A', slots: 1 }),
    other: () => ({ name: 'A', slots: 2 }),
    unkeyed: 201,
  },
  {
    path: '/api/v1/doctors',
    first: () => ({ name: 'A', code: 'A' }),
    other: () => ({ name: 'A', code: 'B' }),
    unkeyed: 409,
  },
  {
    path: '/api/v1/closings',
    first: () => ({ from: '2040-05-01', to: '2040-05-02', reason: 'a' }),
    other: () => ({ from: '2040-05-11', to: '2040-05-13', reason: 'a' }),
    unkeyed: 409,
  },
  {
    path: '/api/v1/doctors/{id}/leave',
    first: () => ({ from: '2040-06-01', to: '2040-06-02', reason: 'a' }),
    other: () => ({ from: '2040-06-11', to: '2040-06-13', reason: 'a' }),
    unkeyed: 409,
  },
  {
    path: '/api/v1/doctors/{id}/availability',
    first: () => ({ date: DAY, is_present: true, notes: 'a' }),
    other: () => ({ date: DAY, is_present: true, notes: 'b' }),
    unkeyed: 200,
  },
  {
    path: '/api/v1/appointments',
    first: (d) => booking(d, DAY),
    other: (d) => booking(d, '2040-03-15'),
    unkeyed: 409,
  },
  {
    path: '/api/v1/appointments/holds',
    first: (d) => ({ doctor_id: d.doctorId, date: DAY, ttl_seconds: 60 }),
    other: (d) => ({ doctor_id: d.doctorId, date: DAY, ttl_seconds: 61 }),
    unkeyed: 201,
  },
  {
    path: '/api/v1/appointments/waitlist',
    first: (d) => booking(d, DAY),
    other: (d) => booking(d, '2040-03-15'),
    unkeyed: 200,
  },
  {
    path: '/api/v1/checkins/doctors/{doctor_id}/queue/tickets',
    first: () => ({ date: DAY, view: 'desk' }),
    other: () => ({ date: DAY, view: 'board' }),
    unkeyed: 201,
    retried: 409,
  },
]

const ready = () => openFrontDesk({ scopes: ['*', 'admin', 'clinics:*'] })
const urlOf = (path: string, desk: FrontDesk) => path.replace(/\{(doctor_)?id\}/, desk.doctorId)
const forgetReplies = async () => {
  const { keys } = await env.REPLIES.list()
  await Promise.all(keys.map(({ name }) => env.REPLIES.delete(name)))
}

test('every POST is tried here; check-ins, imports, resync, and what only reads or is shown once have their own tests', async () => {
  const posts = (await operations()).filter(({ method }) => method === 'POST').map(({ path }) => path)
  const elsewhere = [
    '/api/v1/appointments/waitlist/{id}/accept',
    '/api/v1/doctors/{doctor_id}/days/{date}/absence',
    '/api/v1/appointments/waitlist/{id}/decline',
    '/api/v1/appointments/{id}/cancel',
    '/api/v1/appointments/{id}/reschedule',
    '/api/v1/checkins',
    '/api/v1/checkins/doctors/{doctor_id}/queue/next',
    '/api/v1/checkins/walk-in',
    '/api/v1/checkins/{appointment_id}/{step}',
    '/api/v1/checkins/{appointment_id}/uncheck-in',
    '/api/v1/checkins/{appointment_id}/unserve',
    '/api/v1/doctors/{doctor_id}/days/{date}/resync',
    '/api/v1/doctors/{id}/feed',
    '/api/v1/doctors/{id}/reinstate',
    '/api/v1/doctors/{id}/leave/{leave_id}/pause',
    '/api/v1/doctors/{id}/leave/{leave_id}/resume',
    '/api/v1/doctors/{id}/leave/{leave_id}/cancel',
    '/api/v1/staff/{id}/keys',
    '/api/v1/staff/{id}/sign-in-links',
    '/api/v1/sign-in',
    '/api/v1/days/tickets',
    '/api/v1/ws/tickets',
    '/api/v1/clinics/{id}/resync',
    '/api/v1/clinics/{id}/days/repair',
    '/api/v1/erasures/replay',
    '/api/v1/hospitals/bulk',
    '/tests/bulk',
    '/tests/bulk/{job_id}/rows',
    '/tests/bulk/{job_id}/cancel',
    '/tests/bulk/{job_id}/resume',
    '/api/v1/tests/bulk',
    '/api/v1/tests/bulk/{job_id}/rows',
    '/api/v1/tests/bulk/{job_id}/cancel',
    '/api/v1/tests/bulk/{job_id}/resume',
    '/api/v1/patients/bulk',
    '/api/v1/patients/{id}/merge',
    '/api/v1/patients/{id}/unmerge',
    '/api/v1/patients/search',
    '/api/v1/patients/bulk/{job_id}/rows',
    '/api/v1/patients/bulk/{job_id}/cancel',
    '/api/v1/patients/bulk/{job_id}/resume',
    '/api/v1/hospitals/jobs/{job_id}/rows',
    '/api/v1/hospitals/jobs/{job_id}/cancel',
    '/api/v1/hospitals/jobs/{job_id}/resume',
  ]
  expect(posts.sort()).toEqual([...TRIES.map(({ path }) => path), ...elsewhere].sort())
})

test.each(TRIES)('POST $path: a retry gets the first reply, from KV and without it', async (attempt) => {
  const desk = await ready()
  const [url, body, header] = [urlOf(attempt.path, desk), attempt.first(desk), { 'Idempotency-Key': 'k' }]
  const first = await desk.post(url, body, header)
  expect(first.status).toBeLessThan(300)
  for (const forget of [false, true]) {
    if (forget) await forgetReplies()
    const again = await desk.post(url, body, header)
    expect(again.status).toBe(attempt.retried ?? first.status)
    expect(attempt.retried ? first.text : again.text).toBe(first.text)
    expect(again.headers.get('Idempotency-Replayed')).toBe('true')
  }
})

test.each(TRIES)('POST $path: the key with another body is 422 and takes no effect', async (attempt) => {
  const desk = await ready()
  const url = urlOf(attempt.path, desk)
  const first = await desk.post(url, attempt.first(desk), { 'Idempotency-Key': 'k' })
  for (const forget of [false, true]) {
    if (forget) await forgetReplies()
    const other = await desk.post(url, attempt.other(desk), { 'Idempotency-Key': 'k' })
    expect(other).toMatchObject({
      status: 422,
      body: { type: '/problems/idempotency_key_reused' },
    })
  }
  const again = await desk.post(url, attempt.first(desk), { 'Idempotency-Key': 'k' })
  expect(again.status).toBe(attempt.retried ?? first.status)
  const untouched = await desk.post(url, attempt.other(desk))
  expect(untouched.status).toBe(first.status)
})

test.each(TRIES)('POST $path: without a key, the same again is $unkeyed', async (attempt) => {
  const desk = await ready()
  const url = urlOf(attempt.path, desk)
  await desk.post(url, attempt.first(desk))
  expect((await desk.post(url, attempt.first(desk))).status).toBe(attempt.unkeyed)
})

test.each(TRIES)('POST $path: twenty at once with one key are one', async (attempt) => {
  const desk = await ready()
  const [url, body] = [urlOf(attempt.path, desk), attempt.first(desk)]
  const replies = await Promise.all(times(20, () => desk.post(url, body, { 'Idempotency-Key': 'k' })))
  const texts = new Set(replies.filter(({ status }) => status < 300).map(({ text }) => text))
  expect(texts.size).toBe(1)
  const counts = statuses(replies)
  expect(Object.keys(counts)).toHaveLength(attempt.retried ? 2 : 1)
})

test('one key means one request across routes: the second route is 422', async () => {
  const desk = await ready()
  await desk.post('/api/v1/doctors', { name: 'A', code: 'A' }, { 'Idempotency-Key': 'k' })
  expect((await desk.book({ date: DAY, idempotency_key: 'k' })).status).toBe(422)
})

test('a key lives for 24 hours; after that it is free again', async () => {
  const desk = await ready()
  const body = { name: 'A', code: 'A' }
  await desk.post('/api/v1/doctors', body, { 'Idempotency-Key': 'k' })
  const now = Date.now()
  vi.useFakeTimers({ now: now + 86_400_000 - 60_000, toFake: ['Date'] })
  const within = await desk.post('/api/v1/doctors', { ...body, code: 'B' }, { 'Idempotency-Key': 'k' })
  vi.setSystemTime(now + 86_400_000 + 60_000)
  const after = await desk.post('/api/v1/doctors', { ...body, code: 'C' }, { 'Idempotency-Key': 'k' })
  vi.useRealTimers()
  expect([within.status, after.status]).toEqual([422, 201])
})

test('expired keys are swept away by the claims that follow', async () => {
  const desk = await ready()
  const claim = (n: number) =>
    desk.post('/api/v1/doctors', { name: 'A', code: `${n}` }, { 'Idempotency-Key': `${n}` })
  for (const n of times(4, (n) => n)) await claim(n)
  vi.useFakeTimers({ now: Date.now() + 2 * 86_400_000, toFake: ['Date'] })
  for (const n of [10, 11]) await claim(n)
  vi.useRealTimers()
  const left = await env.DB.prepare('SELECT key FROM idempotency_keys WHERE clinic_id = ? ORDER BY key')
    .bind(desk.clinicId)
    .all()
  expect(left.results).toEqual([{ key: '10' }, { key: '11' }])
})

test.each([' ', 'x'.repeat(256), 'a\nb', 'a\u0000', '\u200b', '\u202ek', '\ud800', '\u200d', 7, ['k']])(
  'idempotency_key: %j is no key: 400',
  async (bad) => {
    const desk = await ready()
    expect((await desk.book({ date: DAY, idempotency_key: bad })).status).toBe(400)
  },
)

test.each(['ключ', 'two words', '🗝️', '👩‍⚕️ 09:00', 'é'.repeat(255), '鍵', '"quoted\\"'])(
  'idempotency_key: %j is a key: the same appointment again, and another body is 422',
  async (good) => {
    const desk = await openFrontDesk({ patients: 2 })
    const first = await desk.book({ date: DAY, idempotency_key: good })
    await forgetReplies()
    const again = await desk.book({ date: DAY, idempotency_key: good })
    expect([first.status, again.text]).toEqual([201, first.text])
    expect((await desk.book({ date: DAY, patient: 1, idempotency_key: good })).status).toBe(422)
  },
)

test('idempotency_key: null and "" are none, and leave the header as the key', async () => {
  const desk = await openFrontDesk({ patients: 3 })
  for (const [patient, idempotency_key] of [null, ''].entries()) {
    expect((await desk.book({ date: DAY, patient, idempotency_key })).status).toBe(201)
    expect((await desk.book({ date: DAY, patient, idempotency_key })).status).toBe(409)
  }
  const key = { 'Idempotency-Key': 'k' }
  const first = await desk.book({ date: DAY, patient: 2, idempotency_key: null }, key)
  expect((await desk.book({ date: DAY, patient: 2, idempotency_key: '' }, key)).text).toBe(first.text)
})

test('a blank header is no key at all', async () => {
  const desk = await ready()
  expect((await desk.book({ date: DAY }, { 'Idempotency-Key': ' ' })).status).toBe(201)
})
