import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { sha256 } from '../src/lib/crypto'
import { type Client, openClinic } from './clinic'

/** What the version before this one stored: SHA-256 of method, path and the parsed input with its defaults. */
const oldPrint = (path: string, input: unknown) => sha256(JSON.stringify(['POST', path, input]))

async function claimedBefore(clinic: Client, fingerprint: string) {
  await env.DB.prepare('UPDATE idempotency_keys SET fingerprint = ? WHERE clinic_id = ?')
    .bind(fingerprint, clinic.clinicId)
    .run()
  const { keys } = await env.REPLIES.list()
  await Promise.all(
    keys.map(async ({ name }) => {
      const reply = await env.REPLIES.get<object>(name, 'json')
      await env.REPLIES.put(name, JSON.stringify({ ...reply, fingerprint }))
    }),
  )
}

const forgetReplies = async () => {
  const { keys } = await env.REPLIES.list()
  await Promise.all(keys.map(({ name }) => env.REPLIES.delete(name)))
}

const ada = { name: 'Ada', phone: '+1 202 555 0101' }
const event = {
  event_type: 'updated',
  appointment_id: 'A',
  patient_id: 'P',
  timestamp: '2025-01-10T12:30:00Z',
}
const key = { 'Idempotency-Key': 'k' }

const ROUTES: [path: string, body: object, parsed: object][] = [
  ['/api/v1/patients', ada, { ...ada, age: null, gender: null, email: null, shared_phone: false }],
  ['/webhook/appointments', event, { ...event, notes: null }],
  ['/webhook/appointments', { ...event, notes: 'n' }, { ...event, notes: 'n' }],
  ['/api/v1/doctors', { code: 'GH', name: 'G' }, { name: 'G', code: 'GH', specialty: null }],
]

test.each(ROUTES)(
  'POST %s: a key that the earlier version claimed still recognises its retry',
  async (...row) => {
    const [path, body, parsed] = row
    const clinic = await openClinic()
    const first = await clinic.post(path, body, key)
    await claimedBefore(clinic, oldPrint(path, parsed))
    const fromKv = await clinic.post(path, body, key)
    await forgetReplies()
    const fromD1 = await clinic.post(path, body, key)
    expect([fromKv.text, fromD1.text]).toEqual([first.text, first.text])
    expect(fromD1.headers.get('Idempotency-Replayed')).toBe('true')
  },
)

test.each(ROUTES)('POST %s: another body with such a key is still 422', async (path, body, parsed) => {
  const clinic = await openClinic()
  await clinic.post(path, body, key)
  await claimedBefore(clinic, oldPrint(path, { ...parsed, name: 'B', patient_id: 'B' }))
  expect((await clinic.post(path, body, key)).status).toBe(422)
  await forgetReplies()
  expect((await clinic.post(path, body, key)).status).toBe(422)
})

test('an upload that the earlier version accepted is recognised, and in another mode it is 422', async () => {
  const clinic = await openClinic()
  const path = '/api/v1/hospitals/bulk'
  const csv = 'name,address\nA,B\n'
  const upload = (query = '') =>
    clinic.send('POST', path + query, csv, { 'Content-Type': 'text/csv', ...key })
  const first = await upload()
  await claimedBefore(clinic, oldPrint(path, [sha256(csv), 'strict', 'false']))
  for (const forget of [false, true]) {
    if (forget) await forgetReplies()
    expect((await upload('?mode=strict')).text).toBe(first.text)
    expect((await upload('?mode=partial')).status).toBe(422)
  }
})

test('what is stored is the pinned form: a doctor with defaults, sent in any order', async () => {
  const clinic = await openClinic()
  await clinic.post('/api/v1/doctors', { code: 'GH', specialty: null, name: 'Grace' }, key)
  const stored = await env.DB.prepare('SELECT fingerprint FROM idempotency_keys WHERE clinic_id = ?')
    .bind(clinic.clinicId)
    .first('fingerprint')
  expect(stored).toBe(sha256(JSON.stringify(['POST', '/api/v1/doctors', { code: 'GH', name: 'Grace' }])))
})
