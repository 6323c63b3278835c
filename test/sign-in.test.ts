import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { LINK_MS } from '../src/staff/keys'
import { newLinkToken } from '../src/staff/link-text'
import { SESSION_MS } from '../src/staff/sign-in'
import { type Client, caller, keyFor, statuses, times } from './clinic'
import { managed, personOf, STAFF, withKey } from './people'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const SIGN_IN = '/api/v1/sign-in'
const stranger = caller()
const signIn = (token: string, headers?: HeadersInit) => stranger.post(SIGN_IN, { token }, headers)
const issue = (manager: Client, id: string, headers?: HeadersInit) =>
  manager.post(`${STAFF}/${id}/sign-in-links`, {}, headers)
const tokenOf = async (manager: Client, id: string): Promise<string> =>
  (await issue(manager, id)).body.url.split('#')[1]

/** A manager, and a nurse with the token of a link. */
async function invited() {
  const manager = await managed()
  const nurse = await personOf(manager, 'nurse')
  return { manager, nurse, token: await tokenOf(manager, nurse.id) }
}

test('a link opens a session of its person, with the scopes of the role, which ends after twelve hours', async () => {
  const { nurse, token, manager } = await invited()
  const session = await signIn(token)
  expect(session).toMatchObject({
    status: 201,
    body: { staff_id: nurse.id, clinic_id: manager.clinicId, role: 'nurse' },
  })
  expect(session.headers.get('Cache-Control')).toBe('no-store')
  const { get, post } = withKey(session.body.key)
  expect((await get('/api/v1/doctors')).status).toBe(200)
  expect((await post('/tests', {})).status).toBe(403)
  const ends = Date.parse(session.body.expires_at)
  expect(Math.abs(ends - Date.now() - SESSION_MS)).toBeLessThan(60_000)
  vi.useFakeTimers({ now: ends - 1, toFake: ['Date'] })
  expect((await get('/api/v1/doctors')).status).toBe(200)
  vi.setSystemTime(ends)
  expect((await get('/api/v1/doctors')).status).toBe(401)
})

test('of twenty exchanges of one link at once exactly one gets a key', async () => {
  const { token, nurse } = await invited()
  const replies = await Promise.all(times(20, () => signIn(token)))
  expect(statuses(replies)).toEqual({ 201: 1, 401: 19 })
  const keys = await env.DB.prepare('SELECT count(*) AS n FROM api_keys WHERE staff_id = ?')
    .bind(nurse.id)
    .first('n')
  expect(keys).toBe(2)
})

test('a retry with the same Idempotency-Key learns that the key was shown, and makes no second one', async () => {
  const { token, nurse } = await invited()
  const retries = await Promise.all(times(5, () => signIn(token, { 'Idempotency-Key': 'k' })))
  expect(statuses(retries)).toEqual({ 201: 1, 409: 4 })
  expect(retries.find(({ status }) => status === 409)?.body.type).toBe('/problems/key_shown_once')
  expect((await signIn(token, { 'Idempotency-Key': 'other' })).status).toBe(401)
  const { results } = await env.DB.prepare('SELECT id FROM api_keys WHERE staff_id = ?').bind(nurse.id).all()
  expect(results).toHaveLength(2)
})

test('a link is shown once: its retry is told so, and no store holds the token', async () => {
  const { manager, nurse } = await invited()
  const header = { 'Idempotency-Key': 'k' }
  const first = await issue(manager, nurse.id, header)
  expect(await issue(manager, nurse.id, header)).toMatchObject({
    status: 409,
    body: { type: '/problems/key_shown_once' },
  })
  const token = first.body.url.split('#')[1]
  const { results } = await env.DB.prepare('SELECT * FROM sign_in_links').all()
  expect(JSON.stringify(results)).not.toContain(token.split('.')[1])
  expect((await signIn(token)).status).toBe(201)
})

test('a link opens nothing after 15 minutes, and neither does one of a person who has left', async () => {
  const { manager, nurse, token } = await invited()
  const other = await personOf(manager, 'lab')
  const ofOther = await tokenOf(manager, other.id)
  await manager.send('DELETE', `${STAFF}/${other.id}`)
  expect((await signIn(ofOther)).status).toBe(401)
  const late = await tokenOf(manager, nurse.id)
  vi.useFakeTimers({ now: Date.now() + LINK_MS - 5_000, toFake: ['Date'] })
  expect((await signIn(late)).status).toBe(201)
  vi.setSystemTime(Date.now() + 5_000)
  expect((await signIn(token)).status).toBe(401)
})

test('a token that is made up, altered, expired or of another clinic reaches no store', async () => {
  const { manager, token } = await invited()
  const [clinic = '', rest = ''] = token.split(/\.(?=[^.]*$)/)
  const other = await managed()
  const flip = (at: number) => rest.slice(0, at) + (rest[at] === 'a' ? 'b' : 'a') + rest.slice(at + 1)
  const prepared = vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'prepare')
  for (const wrong of [
    ...[0, 7, 8, 30, 40, 79].map((at) => `${clinic}.${flip(at)}`),
    `${other.clinicId}.${rest}`,
    `${rest}`,
    `${token}a`,
    'x'.repeat(200),
    newLinkToken('another-secret-of-at-least-32-characters', manager.clinicId, Date.now() + 1_000),
    newLinkToken(env.DOCTORDAY_SECRET, manager.clinicId, Date.now()),
  ])
    expect([wrong, (await signIn(wrong, { 'Idempotency-Key': 'k' })).status]).toEqual([wrong, 401])
  expect(prepared).not.toHaveBeenCalled()
  prepared.mockRestore()
  const signed = newLinkToken(env.DOCTORDAY_SECRET, manager.clinicId, Date.now() + 60_000)
  expect((await signIn(signed)).status).toBe(401)
  expect((await signIn(token)).status).toBe(201)
})

test.each([[{}], [{ token: '' }], [{ token: 5 }], [{ token: 'x'.repeat(201) }], [{ token: 'x', more: 1 }]])(
  'a sign-in with %j is 400',
  async (body) => {
    expect((await stranger.post(SIGN_IN, body)).status).toBe(400)
  },
)

test('the audit tells of the link and of the sign-in, and the session’s changes are the person’s', async () => {
  const { manager, nurse, token } = await invited()
  const { body: session } = await signIn(token)
  const { body } = await manager.get('/api/v1/audit')
  const [keyId] = session.key.split('.')
  expect(body.slice(0, 2)).toMatchObject([
    { action: 'staff.signed_in', key_id: keyId, staff_id: nurse.id, subject: nurse.id },
    { action: 'staff.link_issued', key_id: manager.keyId, staff_id: null, subject: nurse.id },
  ])
  expect((await manager.send('DELETE', `/api/v1/keys/${keyId}`)).status).toBe(200)
  expect((await withKey(session.key).get('/api/v1/doctors')).status).toBe(401)
})

test('who may not manage issues no link, and links that are long over are swept', async () => {
  const { manager, nurse } = await invited()
  const plain = await keyFor(manager.clinicId, ['*'])
  expect((await issue(plain, nurse.id)).status).toBe(403)
  vi.useFakeTimers({ now: Date.now() + 2 * 86_400_000, toFake: ['Date'] })
  await issue(manager, nurse.id)
  const left = await env.DB.prepare('SELECT count(*) AS n FROM sign_in_links WHERE clinic_id = ?')
    .bind(manager.clinicId)
    .first('n')
  expect(left).toBe(1)
})
