import { env } from 'cloudflare:workers'
import { expect, test, vi } from 'vitest'
import { caller, keyFor, openClinic } from './clinic'
import { operations } from './conformity'

const OPEN = ['/', '/health', '/openapi.json', '/docs', '/redoc', '/problems', '/problems/{code}']
const MOVED = ['/api/v1/docs', '/api/v1/redoc', '/api/v1/openapi.json']
/** Its token stands for a key: its own tests show what it refuses. */
const SIGN_IN = '/api/v1/sign-in'
const guarded = async () =>
  (await operations()).filter(({ path }) => ![...OPEN, ...MOVED, SIGN_IN].includes(path))
const anyPath = (path: string) => path.replace('{step}', 'serve').replace(/\{[^}]+\}/g, 'nobody')
/** The token of a feed is its key, and has no scopes. */
const BY_TOKEN = '/api/v1/doctors/{id}/feed.ics'
const admin = () => openClinic({ scopes: ['*', 'admin', 'clinics:*'] })

test('only /, /health, the documentation, the explanations of problems and the sign-in are open', async () => {
  const stranger = caller()
  for (const { method, path } of await guarded()) {
    const reply = await stranger.send(method, anyPath(path))
    expect([method, path, reply.status]).toEqual([method, path, 401])
    expect(reply.headers.get('WWW-Authenticate')).toBe('Bearer')
  }
  for (const path of OPEN)
    expect([path, (await stranger.get(path.replace('{code}', 'day_full'))).status]).toEqual([path, 200])
  for (const path of MOVED) expect([path, (await stranger.get(path)).status]).toEqual([path, 302])
  expect((await stranger.get('/no/such/route')).status).toBe(404)
})

test('every route that is not open asks for a scope, and a key without it is 403', async () => {
  const { clinicId } = await openClinic()
  const keyring = await keyFor(clinicId, ['none'])
  const routes = (await guarded()).filter(({ path }) => path !== BY_TOKEN)
  expect(routes.length).toBeGreaterThan(20)
  for (const { method, path } of routes) {
    const { status, body } = await keyring.send(method, anyPath(path), method === 'GET' ? null : '{}')
    expect([method, path, status]).toEqual([method, path, 403])
    expect(body.message).toMatch(/scope [a-z]+(:[a-z*]+)?$/)
  }
})

test('a key is taken as Bearer token and as X-API-Key', async () => {
  const { key } = await openClinic()
  expect((await caller({ Authorization: `Bearer ${key}` }).get('/events')).status).toBe(200)
  expect((await caller({ Authorization: `bearer ${key}` }).get('/events')).status).toBe(200)
  expect((await caller({ 'X-API-Key': key }).get('/events')).status).toBe(200)
})

test('a wrong secret, a wrong id, half a key and no key are all the same 401', async () => {
  const { key } = await openClinic()
  const [id, secret] = key.split('.')
  for (const wrong of [
    `${id}.${secret}x`,
    `${id}.`,
    `${id}`,
    `.${secret}`,
    `nobody.${secret}`,
    'Bearer',
    '.',
    `${id}.${secret}.`,
    `${id}.${secret}.more`,
    `.${id}.${secret}`,
    `${id}..${secret}`,
    `${id}.${secret}.${secret}`,
  ])
    expect((await caller({ Authorization: `Bearer ${wrong}` }).get('/events')).status).toBe(401)
  expect((await caller({ Authorization: `Basic ${key}` }).get('/events')).status).toBe(401)
})

test('every answer says that its type is not to be guessed: pages, JSON, CSV, streams and refusals', async () => {
  const clinic = await openClinic()
  const upload = { 'Content-Type': 'text/csv', 'Idempotency-Key': 'k' }
  const { body } = await clinic.send('POST', '/api/v1/hospitals/bulk', 'name,address\nA,B\n', upload)
  const { job_id } = body
  const open = caller()
  for (const reply of [
    await open.get('/'),
    await open.get('/docs'),
    await open.get('/openapi.json'),
    await open.get('/events'),
    await clinic.get('/events'),
    await clinic.get('/no/such/route'),
    await clinic.get(`/api/v1/hospitals/jobs/${job_id}/failed.csv`),
    await clinic.get(`/api/v1/hospitals/status/${job_id}/live`),
    await clinic.post('/api/v1/patients', {}),
  ])
    expect(reply.headers.get('X-Content-Type-Options')).toBe('nosniff')
})

test('an admin opens a clinic and makes a key for it, which works at once', async () => {
  const operator = await admin()
  const id = `c-${crypto.randomUUID()}`
  const clinic = await operator.post('/api/v1/clinics', { id, name: 'North', time_zone: 'Europe/Berlin' })
  expect(clinic).toMatchObject({
    status: 201,
    body: { id, name: 'North', time_zone: 'Europe/Berlin', country: 'US', created_at: expect.any(String) },
  })
  const made = await operator.post('/api/v1/keys', { clinic_id: id, name: 'front desk', scopes: ['*'] })
  expect(made).toMatchObject({ status: 201, body: { id: expect.any(String), key: expect.any(String) } })
  expect((await caller({ 'X-API-Key': made.body.key }).get('/api/v1/doctors')).status).toBe(200)
})

test('a revoked key is refused to the next request; revoking again is no error', async () => {
  const operator = await admin()
  const { body } = await operator.post('/api/v1/keys', {
    clinic_id: operator.clinicId,
    name: 'lost',
    scopes: ['events:read'],
  })
  const holder = caller({ 'X-API-Key': body.key })
  expect((await holder.get('/events')).status).toBe(200)
  expect(await operator.send('DELETE', `/api/v1/keys/${body.id}`)).toMatchObject({ status: 200 })
  expect((await holder.get('/events')).status).toBe(401)
  expect((await operator.send('DELETE', `/api/v1/keys/${body.id}`)).status).toBe(200)
  expect((await operator.send('DELETE', '/api/v1/keys/nobody')).status).toBe(404)
})

test('a key revoked by another isolate is refused here within ten seconds', async () => {
  vi.useFakeTimers({ now: Date.now(), toFake: ['Date'] })
  const holder = await openClinic()
  expect((await holder.get('/events')).status).toBe(200)
  await env.DB.prepare('UPDATE api_keys SET revoked_at = 1 WHERE id = ?').bind(holder.keyId).run()
  vi.setSystemTime(Date.now() + 10_000)
  expect((await holder.get('/events')).status).toBe(401)
})

test('a key that is revoked while a request reads it is refused to the next request', async () => {
  const [operator, holder] = [await admin(), await openClinic()]
  const statement = Object.getPrototypeOf(env.DB.prepare('SELECT 1')) as D1PreparedStatement
  const { raw } = statement
  await operator.get('/events')
  vi.spyOn(statement, 'raw').mockImplementationOnce(async function (this: D1PreparedStatement) {
    const read = await raw.call(this)
    await operator.send('DELETE', `/api/v1/keys/${holder.keyId}`)
    return read as never
  })
  expect((await holder.get('/events')).status).toBe(200)
  expect((await holder.get('/events')).status).toBe(401)
})

test('“*” is all of a clinic’s own work: neither admin nor other clinics', async () => {
  const clinic = await openClinic({ scopes: ['*'] })
  expect((await clinic.get('/api/v1/patients/nobody')).status).toBe(404)
  expect((await clinic.get('/api/v1/keys')).status).toBe(403)
  expect((await clinic.get('/tests?clinic_id=another')).status).toBe(404)
})

test('a secret is shown once and only its hash is stored: no list and no retry shows it', async () => {
  const operator = await admin()
  const wanted = { clinic_id: operator.clinicId, name: 'k', scopes: ['*'] }
  const made = await operator.post('/api/v1/keys', wanted, { 'Idempotency-Key': 'k' })
  const retry = await operator.post('/api/v1/keys', wanted, { 'Idempotency-Key': 'k' })
  const list = await operator.get(`/api/v1/keys?clinic_id=${operator.clinicId}`)
  const secret = made.body.key.split('.')[1]
  expect(secret).toHaveLength(64)
  expect(retry.status).toBe(409)
  expect(list.body.filter(({ name }: { name: string }) => name === 'k')).toHaveLength(1)
  expect(retry.text + list.text).not.toContain(secret)
})

test.each([
  [{ id: 'has space' }, 'id'],
  [{ name: '' }, 'name'],
  [{ time_zone: 'Mars/Olympus' }, 'time_zone'],
  [{ time_zone: '+05:30' }, 'time_zone'],
  [{ country: 'usa' }, 'country'],
])('a clinic with %j is 400', async (change, field) => {
  const operator = await admin()
  const reply = await operator.post('/api/v1/clinics', { id: 'c', name: 'C', time_zone: 'UTC', ...change })
  expect(reply.status).toBe(400)
  expect(reply.body.errors).toMatchObject([{ field }])
})

test('a clinic id that exists is 409; a key for an unknown clinic is 404; an unknown scope is 400', async () => {
  const operator = await admin()
  const taken = { id: operator.clinicId, name: 'C', time_zone: 'UTC' }
  expect((await operator.post('/api/v1/clinics', taken)).status).toBe(409)
  const key = { clinic_id: 'nobody', name: 'k', scopes: ['*'] }
  expect((await operator.post('/api/v1/keys', key)).status).toBe(404)
  const strange = await operator.post('/api/v1/keys', { ...key, scopes: ['*', 'everything'] })
  expect(strange.body.errors).toMatchObject([{ field: 'scopes.1' }])
})

test('the audit tells who changed what, newest first, each change once, however often it was retried', async () => {
  const clinic = await openClinic()
  const patient = { name: 'Ada', phone: '202 555 0101' }
  for (const _ of [1, 2, 3]) await clinic.post('/api/v1/patients', patient, { 'Idempotency-Key': 'k' })
  await clinic.post('/api/v1/patients', patient)
  const { body: doctor } = await clinic.post('/api/v1/doctors', { name: 'Grace', code: 'GH' })
  await clinic.post('/api/v1/doctors', { name: 'Other', code: 'GH' })
  const { body } = await clinic.get('/api/v1/audit')
  expect(body).toMatchObject([
    { action: 'doctor.added', subject: doctor.id, key_id: clinic.keyId },
    { action: 'patient.registered', key_id: clinic.keyId },
  ])
})
