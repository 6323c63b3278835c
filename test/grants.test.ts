import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { SCOPES as SCRIPT_SCOPES } from '../scripts/scopes.mjs'
import { GRANTED_BY_NAME, heldScopes, SCOPES, wantedScopes } from '../src/access/permissions'
import { type Client, keyFor, openClinic, openFrontDesk } from './clinic'

const KEYS = '/api/v1/keys'
const grant = (admin: Client, scopes: string[], clinicId = admin.clinicId) =>
  admin.post(KEYS, { clinic_id: clinicId, name: 'k', scopes })
const revoke = (admin: Client, { keyId }: { keyId: string }) => admin.send('DELETE', `${KEYS}/${keyId}`)
const adminOf = (clinicId: string, ...more: string[]) => keyFor(clinicId, ['admin', ...more])

/** What `*` is on a key that stores it. A scope that is added later must not appear here. */
const STAR = [
  ...['patients:read', 'patients:write', 'doctors:read', 'doctors:write'],
  ...['appointments:read', 'appointments:write', 'checkins:read', 'checkins:write'],
  ...['tests:read', 'tests:write', 'webhooks:write', 'events:read'],
  ...['hospitals:read', 'hospitals:write', 'audit:read', 'service:read'],
]

test('an admin grants only the scopes that its own key holds', async () => {
  const { clinicId } = await openClinic()
  const admin = await adminOf(clinicId, 'events:read', 'patients:write')
  expect(await grant(admin, ['events:read'])).toMatchObject({
    status: 201,
    body: { scopes: ['events:read'] },
  })
  expect((await grant(admin, ['admin', 'patients:write'])).status).toBe(201)
  for (const scopes of [
    ['*'],
    ['clinics:*'],
    ['patients:read'],
    ['events:read', 'tests:read'],
    ['admin', '*'],
  ])
    expect(await grant(admin, scopes)).toMatchObject({
      status: 403,
      body: { type: '/problems/scope_missing' },
    })
  expect((await grant(await adminOf(clinicId, '*'), ['*', 'clinics:*'])).status).toBe(403)
  expect((await grant(await adminOf(clinicId, '*', 'clinics:*'), ['*', 'admin', 'clinics:*'])).status).toBe(
    201,
  )
})

test('“*” is stored as the names of the scopes that exist, each once', async () => {
  const { clinicId } = await openClinic()
  const { body } = await grant(await adminOf(clinicId, '*'), ['*', 'events:read', '*'])
  expect(body.scopes).toEqual(Object.keys(SCOPES))
  const row = await env.DB.prepare('SELECT scopes FROM api_keys WHERE id = ?').bind(body.id).first('scopes')
  expect(JSON.parse(String(row))).toEqual(Object.keys(SCOPES))
})

test('“*” of an older key means the scopes of November 2026, whatever is added later', () => {
  expect(heldScopes(['*'])).toEqual(STAR)
  expect(heldScopes(['*', 'admin'])).toEqual([...STAR, 'admin'])
  expect(heldScopes(['events:read', 'events:read'])).toEqual(['events:read'])
  expect(heldScopes([])).toEqual([])
  expect(wantedScopes(['*'])).not.toContain('admin')
  expect(SCRIPT_SCOPES).toEqual([...Object.keys(SCOPES), ...Object.keys(GRANTED_BY_NAME)])
})

test('without clinics:* an admin makes, lists and revokes keys of its own clinic only', async () => {
  const [own, other] = [await openClinic(), await openClinic()]
  const admin = await adminOf(own.clinicId, '*')
  expect((await grant(admin, ['events:read'], other.clinicId)).status).toBe(404)
  expect((await grant(admin, ['events:read'], 'no-such-clinic')).status).toBe(404)
  expect((await revoke(admin, other)).status).toBe(404)
  expect((await other.get('/events')).status).toBe(200)
  expect((await admin.get(`${KEYS}?clinic_id=${other.clinicId}`)).status).toBe(404)
  const keys: { clinic_id: string }[] = (await admin.get(`${KEYS}?limit=1000`)).body
  expect([...new Set(keys.map(({ clinic_id }) => clinic_id))]).toEqual([own.clinicId])
  expect((await admin.get('/api/v1/clinics')).body).toMatchObject([{ id: own.clinicId }])
  const everywhere = await adminOf(own.clinicId, '*', 'clinics:*')
  expect((await grant(everywhere, ['events:read'], other.clinicId)).status).toBe(201)
  expect((await everywhere.get(`${KEYS}?clinic_id=${other.clinicId}`)).body.length).toBe(2)
  expect((await revoke(everywhere, other)).status).toBe(200)
  expect((await other.get('/events')).status).toBe(401)
})

test('only an admin of all clinics opens one, and no other learns which ids are taken', async () => {
  const [own, other] = [await openClinic(), await openClinic()]
  const admins = [await adminOf(own.clinicId, '*'), await adminOf(own.clinicId, '*', 'clinics:*')]
  const opened = (id: string) =>
    Promise.all(
      admins.map(
        async (admin) => (await admin.post('/api/v1/clinics', { id, name: 'N', time_zone: 'UTC' })).status,
      ),
    )
  expect(await opened(`new-${own.clinicId}`)).toEqual([403, 201])
  for (const taken of [other.clinicId, own.clinicId]) expect(await opened(taken)).toEqual([403, 409])
  const reader = await openClinic({ scopes: ['*', 'clinics:*'] })
  const reply = await reader.post('/api/v1/clinics', { id: 'x', name: 'N', time_zone: 'UTC' })
  expect([reply.status, reply.body.detail]).toEqual([403, expect.stringContaining('admin')])
})

test('an admin cannot revoke a key that holds a scope which its own lacks', async () => {
  const { clinicId } = await openClinic()
  const admin = await adminOf(clinicId, 'events:read')
  for (const scopes of [['*'], ['patients:read'], ['admin', 'clinics:*'], ['events:read', 'audit:read']]) {
    const stronger = await keyFor(clinicId, scopes)
    expect([scopes, (await revoke(admin, stronger)).status]).toEqual([scopes, 403])
  }
  for (const scopes of [['events:read'], ['admin'], ['admin', 'events:read']])
    expect((await revoke(admin, await keyFor(clinicId, scopes))).status).toBe(200)
})

test('the last admin key of a clinic stays, also where two admins revoke each other at once', async () => {
  const { clinicId } = await openClinic()
  const first = await adminOf(clinicId)
  expect(await revoke(first, first)).toMatchObject({
    status: 409,
    body: { type: '/problems/last_admin_key' },
  })
  const second = await adminOf(clinicId)
  const both = await Promise.all([revoke(first, second), revoke(second, first)])
  expect(both.map(({ status }) => status).sort()).not.toEqual([200, 200])
  const left = both[0]?.status === 200 ? first : second
  expect((await revoke(left, left)).status).toBe(409)
  expect((await revoke(left, await adminOf(clinicId))).status).toBe(200)
})

test('the last admin of all clinics is not followed by an admin of one', async () => {
  const { clinicId } = await openClinic()
  const [everywhere] = [await adminOf(clinicId, 'clinics:*'), await adminOf(clinicId)]
  expect((await revoke(everywhere, everywhere)).status).toBe(409)
  await adminOf(clinicId, 'clinics:*')
  expect((await revoke(everywhere, everywhere)).status).toBe(200)
})

test('a key that may only register patients learns the id of a known one, and nothing else', async () => {
  const desk = await openFrontDesk({ patients: 0 })
  const known = {
    name: 'Ada Lovelace',
    phone: '+1 202 555 0142',
    age: 36,
    gender: 'f',
    email: 'ada@example.com',
  }
  const full = await desk.post('/api/v1/patients', known)
  expect(full).toMatchObject({ status: 201, body: { age: 36, email: 'ada@example.com' } })
  const writer = await keyFor(desk.clinicId, ['patients:write'])
  for (const wanted of [
    { name: 'ADA LOVELACE', phone: '(202) 555-0142' },
    { ...known, shared_phone: true },
    known,
  ]) {
    const reply = await writer.post('/api/v1/patients', wanted)
    expect([reply.status, reply.body]).toEqual([200, { id: full.body.id, created: false }])
  }
  const header = { 'Idempotency-Key': 'new' }
  const other = { name: 'Grace Hopper', phone: '+1 202 555 0143', age: 85 }
  for (const _ of [1, 2]) {
    const reply = await writer.post('/api/v1/patients', other, header)
    expect([reply.status, reply.body]).toEqual([201, { id: expect.any(String), created: true }])
  }
  const reader = await keyFor(desk.clinicId, ['patients:write', 'patients:read'])
  expect((await reader.post('/api/v1/patients', other, header)).body).toMatchObject({ age: 85 })
})

test('who may call patients and not read the queue is told no name', async () => {
  const desk = await openFrontDesk({ patients: 1 })
  const today = new Date().toISOString().slice(0, 10)
  const { body } = await desk.book({ date: today })
  await desk.post('/api/v1/checkins', { appointment_id: body.id, patient_id: body.patient_id })
  const next = `/api/v1/checkins/doctors/${desk.doctorId}/queue/next`
  const caller = await keyFor(desk.clinicId, ['checkins:write'])
  const header = { 'Idempotency-Key': 'call' }
  expect((await caller.post(next, { room: '1' }, header)).body).toMatchObject({
    appointment_id: body.id,
    patient_name: '',
  })
  expect((await desk.post(next, { room: '1' }, header)).body.patient_name).toBe('Patient 0')
})
