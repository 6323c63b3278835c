import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { isOf, newKey, partsOf } from '../scripts/keys.mjs'
import { newKeyText } from '../src/access/key-text'
import { UNSIGNED_LOOKUPS_PER_SECOND } from '../src/access/known-keys'
import { newSecret } from '../src/lib/crypto'
import { type Client, caller, keyFor, openClinic, statuses, times } from './clinic'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const SECRET = env.DOCTORDAY_SECRET
const OTHER_SECRET = 'another-secret-of-at-least-32-characters'
const name = () => crypto.randomUUID().replaceAll('-', '')
const oldForm = () => ({ id: `key_${name()}`, secret: newSecret() })
const withKey = (key: string) => caller({ Authorization: `Bearer ${key}` }).get('/events')
const signedBy = async (client: Client, secret: string) => {
  const text = newKeyText(secret, name())
  return keyFor(client.clinicId, ['*'], text)
}

/** Each second has a budget of its own: a test that uses it up begins in a second that no other test uses. */
let seconds = Date.parse('2041-01-01T00:00:00Z')
const inASecondOfItsOwn = () => {
  seconds += 60_000
  vi.useFakeTimers({ now: seconds, toFake: ['Date'] })
}

/** How often D1 was asked for anything. */
const reads = () => {
  const spy = vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'prepare')
  return () => spy.mock.calls.length
}

const setting = (changes: Partial<Record<keyof Env, string>>) => Object.assign(env, changes)
const restored = async (changes: Partial<Record<keyof Env, string>>, work: () => Promise<void>) => {
  const before = { ...env }
  setting(changes)
  await work().finally(() => setting(before as never))
}

test('a made-up key, or a real one with any part changed, is 401 and reaches no store', async () => {
  const clinic = await openClinic()
  const [id = '', secret = ''] = clinic.key.split('.')
  const other = newKeyText(SECRET, name())
  const changed = (text: string, at: number) =>
    text.slice(0, at) + (text[at] === 'a' ? 'b' : 'a') + text.slice(at + 1)
  const asked = reads()
  for (const key of [
    `key_v2_${name()}.${newSecret(48)}`,
    `${id}.${newSecret(48)}`,
    `${other.id}.${secret}`,
    `${id}.${other.secret}`,
    `${changed(id, 7)}.${secret}`,
    `${changed(id, id.length - 1)}.${secret}`,
    ...[0, 20, 42, 43, 50, 63].map((at) => `${id}.${changed(secret, at)}`),
    `${id}.${secret.slice(0, 43)}x`,
    `${id}.${secret}A`,
    `${id.toUpperCase()}.${secret}`,
    newKey(OTHER_SECRET),
    'nobody.nothing',
    `key_${'x'.repeat(65)}.${newSecret()}`,
    'x'.repeat(20_000),
  ])
    expect([key.slice(0, 90), (await withKey(key)).status]).toEqual([key.slice(0, 90), 401])
  expect(asked()).toBe(0)
  expect((await withKey(clinic.key)).status).toBe(200)
})

test('a key that is in use is 401 with any part of its secret changed, of either form', async () => {
  const { clinicId } = await openClinic()
  for (const text of [newKeyText(SECRET, name()), oldForm()]) {
    const { key, get } = await keyFor(clinicId, ['*'], text)
    for (const at of [text.id.length + 1, key.length - 20, key.length - 1]) {
      expect((await get('/events')).status).toBe(200)
      const wrong = key.slice(0, at) + (key[at] === 'a' ? 'b' : 'a') + key.slice(at + 1)
      for (const changed of [wrong, key.slice(0, -1), `${key}a`])
        expect([at, (await withKey(changed)).status]).toEqual([at, 401])
    }
    expect((await get('/events')).status).toBe(200)
  }
})

test('a thousand made-up keys of the new form ask D1 nothing', async () => {
  const asked = reads()
  const replies = await Promise.all(times(1_000, () => withKey(`key_v2_${name()}.${newSecret(48)}`)))
  expect(statuses(replies)).toEqual({ 401: 1_000 })
  expect(asked()).toBe(0)
})

test('keys of the old form still open; invented ones share a few look-ups a second, then 503 says when', async () => {
  const clinic = await openClinic()
  const [used, unused] = [
    await keyFor(clinic.clinicId, ['*'], oldForm()),
    await keyFor(clinic.clinicId, ['*'], oldForm()),
  ]
  inASecondOfItsOwn()
  expect((await used.get('/events')).status).toBe(200)
  const asked = reads()
  const replies = await Promise.all(times(300, () => withKey(`key_${name()}.${newSecret()}`)))
  expect(statuses(replies)).toEqual({
    401: UNSIGNED_LOOKUPS_PER_SECOND - 1,
    503: 301 - UNSIGNED_LOOKUPS_PER_SECOND,
  })
  expect(asked()).toBe(UNSIGNED_LOOKUPS_PER_SECOND - 1)
  const refused = await unused.get('/events')
  expect([refused.status, refused.headers.get('Retry-After')]).toEqual([503, '1'])
  expect((await used.get('/events')).status).toBe(200)
  expect((await clinic.get('/events')).status).toBe(200)
  vi.setSystemTime(seconds + 1_000)
  expect((await unused.get('/events')).status).toBe(200)
})

test('a key of the old form that was found once is read again during a flood, and needs no share of it', async () => {
  const client = await keyFor((await openClinic()).clinicId, ['*'], oldForm())
  inASecondOfItsOwn()
  expect((await client.get('/events')).status).toBe(200)
  for (const _ of times(3, (n) => n)) {
    vi.setSystemTime(Date.now() + 11_000)
    await Promise.all(times(50, () => withKey(`key_${name()}.${newSecret()}`)))
    expect((await client.get('/events')).status).toBe(200)
  }
})

test('a revoked key is looked up once in ten seconds, however often it is sent', async () => {
  const clinic = await openClinic()
  const revoked = [await signedBy(clinic, SECRET), await keyFor(clinic.clinicId, ['*'], oldForm())]
  await env.DB.prepare('UPDATE api_keys SET revoked_at = 1 WHERE clinic_id = ?').bind(clinic.clinicId).run()
  inASecondOfItsOwn()
  const asked = reads()
  for (const { get } of revoked)
    for (const _ of times(50, (n) => n)) expect((await get('/events')).status).toBe(401)
  expect(asked()).toBe(2)
})

test('a key of the previous secret opens while that is live; afterwards it is void, unless the secret was lost', async () => {
  const clinic = await openClinic()
  const old = await signedBy(clinic, OTHER_SECRET)
  expect((await old.get('/events')).status).toBe(401)
  await restored({ DOCTORDAY_SECRET: `${SECRET},${OTHER_SECRET}` }, async () => {
    expect((await old.get('/events')).status).toBe(200)
  })
  expect((await old.get('/events')).status).toBe(401)
  await restored({ KEYS_OF_LOST_SECRET: 'true' }, async () => {
    inASecondOfItsOwn()
    expect((await old.get('/events')).status).toBe(200)
    const replies = await Promise.all(times(100, () => withKey(newKey(OTHER_SECRET))))
    expect(statuses(replies)).toMatchObject({ 503: expect.any(Number) })
    expect((await old.get('/events')).status).toBe(200)
  })
  for (const text of ['false', '', 'True'])
    await restored({ KEYS_OF_LOST_SECRET: text }, async () => {
      expect((await old.get('/events')).status).toBe(401)
    })
})

test('scripts make and read keys of the same form, and know whose they are', async () => {
  const key = newKey(`${SECRET}, ${OTHER_SECRET}`)
  const [id = '', secret = ''] = key.split('.')
  const clinic = await openClinic()
  expect(
    (await keyFor(clinic.clinicId, ['*'], { id, secret }).then(({ get }) => get('/events'))).status,
  ).toBe(200)
  expect(partsOf(key)).toMatchObject({ id, isSigned: true })
  expect(isOf(SECRET, key)).toBe(true)
  expect(isOf(`${OTHER_SECRET},${SECRET}`, key)).toBe(true)
  expect(isOf(OTHER_SECRET, key)).toBe(false)
  expect(isOf(OTHER_SECRET, `key_${name()}.${newSecret()}`)).toBe(true)
  expect(partsOf('key_v2_x.y')).toBeNull()
})

test('a key made through the API is signed, and its text has exactly two parts', async () => {
  const operator = await openClinic({ scopes: ['*', 'admin'] })
  const wanted = { clinic_id: operator.clinicId, name: 'k', scopes: ['events:read'] }
  const { body } = await operator.post('/api/v1/keys', wanted)
  expect(body.key.split('.')).toHaveLength(2)
  expect(isOf(SECRET, body.key)).toBe(true)
  const asked = reads()
  expect((await withKey(body.key)).status).toBe(200)
  expect(asked()).toBeGreaterThan(0)
})
