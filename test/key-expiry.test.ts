import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { type Client, keyFor, openClinic } from './clinic'
import { KEYS, managed, personOf, withKey } from './people'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const NOW = Date.parse('2041-05-05T12:00:00Z')
const at = (ms: number): void => {
  vi.useFakeTimers({ now: NOW + ms, toFake: ['Date'] })
}
const inMs = (ms: number): string => new Date(NOW + ms).toISOString()

const make = (admin: Client, more: object = {}, headers?: HeadersInit) =>
  admin.post(KEYS, { clinic_id: admin.clinicId, name: 'k', scopes: ['events:read'], ...more }, headers)
const change = (admin: Client, id: string, expires_at: string | null, headers?: HeadersInit) =>
  admin.send('PATCH', `${KEYS}/${id}`, JSON.stringify({ expires_at }), headers)
const statusOf = async (key: string) => (await withKey(key).get('/events')).status

test('a key with an expiry opens until that instant, and nothing from it on, also while it is in memory', async () => {
  at(0)
  const manager = await managed()
  const { status, body } = await make(manager, { expires_at: '2041-05-05T14:00:03+02:00' })
  expect([status, body.expires_at]).toEqual([201, inMs(3_000)])
  expect(await statusOf(body.key)).toBe(200)
  at(2_999)
  expect(await statusOf(body.key)).toBe(200)
  at(3_000)
  expect(await statusOf(body.key)).toBe(401)
  const { body: keys } = await manager.get(KEYS)
  const shown = keys.find(({ id }: { id: string }) => id === body.id)
  expect(shown).toMatchObject({ expires_at: inMs(3_000), revoked_at: null, staff_id: null })
})

test('an expired key is looked up once in ten seconds, however often it is sent', async () => {
  at(0)
  const { body } = await make(await managed(), { expires_at: inMs(1_000) })
  at(5_000)
  const prepared = vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'prepare')
  for (const _ of [1, 2, 3]) expect(await statusOf(body.key)).toBe(401)
  expect(prepared).toHaveBeenCalledTimes(1)
})

test('an expiry is set, moved and removed, and counts at once here', async () => {
  at(0)
  const manager = await managed()
  const { body } = await make(manager)
  expect(await statusOf(body.key)).toBe(200)
  expect((await change(manager, body.id, inMs(60_000))).body.expires_at).toBe(inMs(60_000))
  expect((await change(manager, body.id, inMs(1_000))).body.expires_at).toBe(inMs(1_000))
  at(900)
  expect(await statusOf(body.key)).toBe(200)
  at(1_000)
  expect(await statusOf(body.key)).toBe(401)
  const { body: other } = await make(manager, { expires_at: inMs(5_000) })
  expect((await change(manager, other.id, null)).body.expires_at).toBeNull()
  at(5_000)
  expect(await statusOf(other.key)).toBe(200)
})

test('a late retry undoes no newer change, and the audit has each change once', async () => {
  at(0)
  const manager = await managed()
  const { body } = await make(manager)
  const header = { 'Idempotency-Key': 'k' }
  for (const _ of [1, 2]) await change(manager, body.id, inMs(60_000), header)
  await change(manager, body.id, inMs(5_000))
  const retry = await change(manager, body.id, inMs(60_000), header)
  expect([retry.status, retry.body.expires_at]).toEqual([200, inMs(5_000)])
  const { body: audit } = await manager.get('/api/v1/audit')
  const changes = audit.filter(({ action }: { action: string }) => action === 'key.changed')
  expect(changes).toMatchObject([{ subject: body.id }, { subject: body.id }])
})

test('a key that was revoked or has expired stays so', async () => {
  at(0)
  const manager = await managed()
  const [revoked, expired] = [await make(manager), await make(manager, { expires_at: inMs(1_000) })]
  await manager.send('DELETE', `${KEYS}/${revoked.body.id}`)
  at(1_000)
  for (const { body } of [revoked, expired])
    for (const expiry of [null, inMs(60_000)])
      expect(await change(manager, body.id, expiry)).toMatchObject({
        status: 409,
        body: { type: '/problems/key_over' },
      })
  expect(await statusOf(expired.body.key)).toBe(401)
  expect((await manager.send('DELETE', `${KEYS}/${expired.body.id}`)).status).toBe(200)
})

test.each([['2041-05-05T11:59:59Z'], ['2041-05-05T12:00:00Z'], ['tomorrow'], [5], ['2041-05-05']])(
  'an expiry of %j is 400',
  async (expires_at) => {
    at(0)
    const manager = await managed()
    const reply = await make(manager, { expires_at })
    expect([reply.status, reply.body.errors[0].field]).toEqual([400, 'expires_at'])
    const { body } = await make(manager)
    expect((await change(manager, body.id, expires_at as string)).status).toBe(400)
  },
)

test('the last admin key gets no expiry, and a key that expires follows no other', async () => {
  at(0)
  const { clinicId } = await openClinic()
  const admin = await keyFor(clinicId, ['admin'])
  const last = { status: 409, body: { type: '/problems/last_admin_key' } }
  expect(await change(admin, admin.keyId, inMs(60_000))).toMatchObject(last)
  const { body: brief } = await make(admin, { scopes: ['admin'], expires_at: inMs(60_000) })
  expect(await change(admin, admin.keyId, inMs(60_000))).toMatchObject(last)
  expect(await admin.send('DELETE', `${KEYS}/${admin.keyId}`)).toMatchObject(last)
  expect((await change(admin, brief.id, null)).status).toBe(200)
  const both = await Promise.all([
    change(admin, admin.keyId, inMs(60_000)),
    change(admin, brief.id, inMs(60_000)),
  ])
  expect(both.map(({ status }) => status).sort()).toEqual([200, 409])
})

test('a clinic’s manager lists, makes, ends and revokes the keys of its clinic, and no others', async () => {
  const [manager, other] = [await managed(), await managed()]
  const { body } = await make(manager)
  const foreign = { ...manager, clinicId: other.clinicId }
  expect((await make(foreign)).status).toBe(404)
  const unknown = await make({ ...manager, clinicId: 'nobody' })
  expect(unknown.body.detail).toBe((await make(foreign)).body.detail)
  const listed: { clinic_id: string }[] = (await manager.get(`${KEYS}?limit=1000`)).body
  expect([...new Set(listed.map(({ clinic_id }) => clinic_id))]).toEqual([manager.clinicId])
  for (const request of [
    () => change(other, body.id, null),
    () => other.send('DELETE', `${KEYS}/${body.id}`),
    () => other.get(`${KEYS}?clinic_id=${manager.clinicId}`),
  ])
    expect((await request()).status).toBe(404)
  expect(await statusOf(body.key)).toBe(200)
  expect((await manager.send('DELETE', `${KEYS}/${body.id}`)).status).toBe(200)
  expect(await statusOf(body.key)).toBe(401)
})

test('clinics:* beside clinic:admin reaches no key of another clinic, and is given by no one but an admin', async () => {
  const other = await managed()
  const manager = await managed(['*', 'clinic:admin', 'clinics:*'])
  expect((await make({ ...manager, clinicId: other.clinicId })).status).toBe(404)
  expect((await manager.get(`${KEYS}?clinic_id=${other.clinicId}`)).status).toBe(404)
  expect((await manager.send('DELETE', `${KEYS}/${other.keyId}`)).status).toBe(404)
  expect((await manager.get('/api/v1/clinics')).body).toMatchObject([{ id: manager.clinicId }])
  for (const scopes of [['clinics:*'], ['admin'], ['admin', 'clinics:*']]) {
    expect((await make(manager, { scopes })).status).toBe(403)
    const stronger = await keyFor(manager.clinicId, scopes)
    expect((await change(manager, stronger.keyId, inMs(60_000))).status).toBe(403)
    expect((await manager.send('DELETE', `${KEYS}/${stronger.keyId}`)).status).toBe(403)
  }
  expect((await make(manager, { scopes: ['*', 'clinic:admin'] })).status).toBe(201)
})

test('a person’s key is ended like any other, by who holds the scopes of the role', async () => {
  at(0)
  const manager = await managed()
  const nurse = await personOf(manager, 'nurse')
  const narrow = await keyFor(manager.clinicId, ['clinic:admin', 'tests:read'])
  expect((await change(narrow, nurse.keyId, inMs(1_000))).status).toBe(403)
  expect((await change(manager, nurse.keyId, inMs(1_000))).status).toBe(200)
  at(1_000)
  expect((await nurse.get('/api/v1/doctors')).status).toBe(401)
})
