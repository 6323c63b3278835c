import { env } from 'cloudflare:workers'
import { sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { expect, test } from 'vitest'
import { textPage } from '../src/lib/db'
import { allPages, openClinic, statuses, times } from './clinic'

const TEST = { test_id: 't1', patient_id: 'p1', test_type: 'blood', result: 'negative' }
const lab = () => openClinic({ scopes: ['*', 'clinics:*'] })

test('POST /tests stores a record: 201, status success and the test_id', async () => {
  const clinic = await lab()
  const { status, body } = await clinic.post('/tests', { ...TEST, clinic_id: 'c1' })
  expect(status).toBe(201)
  expect(body).toMatchObject({ status: 'success', test_id: 't1', patient_id: 'p1', clinic_id: 'c1' })
})

test('values are stored trimmed', async () => {
  const clinic = await openClinic()
  await clinic.post('/tests', {
    ...TEST,
    test_id: '  t1 ',
    result: ' negative\n',
    clinic_id: clinic.clinicId,
  })
  const { body } = await clinic.get(`/tests?clinic_id=${clinic.clinicId}`)
  expect(body).toEqual([{ ...TEST, clinic_id: clinic.clinicId, created_at: expect.any(String) }])
})

test('the same test_id again is 409 and the stored record is unchanged, even where the body differs', async () => {
  const clinic = await openClinic()
  const wanted = { ...TEST, clinic_id: clinic.clinicId }
  await clinic.post('/tests', wanted)
  expect((await clinic.post('/tests', wanted)).status).toBe(409)
  expect((await clinic.post('/tests', { ...wanted, result: 'positive' })).status).toBe(409)
  expect((await clinic.get(`/tests?clinic_id=${clinic.clinicId}`)).body).toMatchObject([
    { result: 'negative' },
  ])
})

test.each([
  ['{', 'JSON'],
  ['null', 'object'],
  ['[]', 'object'],
  ['"text"', 'object'],
  ['\u{feff}{', 'JSON'],
])('a body that is not a JSON object is 400: %s', async (body, said) => {
  const clinic = await openClinic()
  const reply = await clinic.send('POST', '/tests', body)
  expect(reply.status).toBe(400)
  expect(reply.body.message).toContain(said)
})

const FIELDS = ['test_id', 'patient_id', 'clinic_id', 'test_type', 'result'] as const
const BAD = [undefined, null, 7, true, '', '   ', {}, ['x']]

test.each(FIELDS)(
  'a %s that is missing, null, no string or blank is 400 and the message names it',
  async (field) => {
    const clinic = await openClinic()
    for (const value of BAD) {
      const reply = await clinic.post('/tests', { ...TEST, clinic_id: clinic.clinicId, [field]: value })
      expect(reply.status).toBe(400)
      expect(reply.body.message).toContain(field)
      expect(reply.body.errors).toHaveLength(1)
    }
  },
)

test('all faults of a body are named at once', async () => {
  const clinic = await openClinic()
  const { body } = await clinic.post('/tests', {})
  expect(body.errors.map((fault: { field: string }) => fault.field)).toEqual(FIELDS)
})

test('GET /tests answers a bare array of records, newest last', async () => {
  const clinic = await openClinic()
  for (const id of ['a', 'b', 'c'])
    await clinic.post('/tests', { ...TEST, test_id: id, clinic_id: clinic.clinicId })
  const { status, body } = await clinic.get(`/tests?clinic_id=${clinic.clinicId}`)
  expect(status).toBe(200)
  expect(body.map((record: { test_id: string }) => record.test_id)).toEqual(['a', 'b', 'c'])
})

test('GET /tests answers [] where there are none', async () => {
  const clinic = await openClinic()
  expect(await clinic.get(`/tests?clinic_id=${clinic.clinicId}`)).toMatchObject({ status: 200, text: '[]\n' })
})

test.each(['', '?clinic_id=', '?clinic_id=%20%20'])(
  'GET /tests%s is 400 and names clinic_id',
  async (query) => {
    const clinic = await openClinic()
    const reply = await clinic.get(`/tests${query}`)
    expect(reply.status).toBe(400)
    expect(reply.body.message).toContain('clinic_id')
  },
)

test('a long list comes in pages; Link leads on and no record is missed or repeated', async () => {
  const clinic = await openClinic()
  const path = `/tests?clinic_id=${clinic.clinicId}&limit=3`
  for (const n of times(7, (n) => n))
    await clinic.post('/tests', { ...TEST, test_id: `t${n}`, clinic_id: clinic.clinicId })
  const pages = await allPages(clinic, path)
  const seen = pages.flatMap(({ body }) => body.map(({ test_id }: { test_id: string }) => test_id))
  expect(seen).toEqual(times(7, (n) => `t${n}`))
})

test('what a record holds comes back as it was sent, whatever it looks like', async () => {
  const clinic = await openClinic()
  const result = '"created_at":5} \\"created_at\\":5} {"created_at":5} \t\n \u2028 é 𝕏 ]'
  const made = await clinic.post('/tests', { ...TEST, clinic_id: clinic.clinicId, result })
  const { body } = await clinic.get(`/tests?clinic_id=${clinic.clinicId}`)
  expect(body).toEqual([{ ...TEST, clinic_id: clinic.clinicId, result, created_at: made.body.created_at }])
})

test('a page of long results is shorter; Link leads on, and none is missed or repeated', async () => {
  const clinic = await openClinic()
  // Each is 400 kB of JSON: eight are more than SQLite puts together, four more than a page may have.
  const result = '\u{1f600}'.repeat(100_000)
  const ids = times(9, (n) => `t${n}`)
  for (const test_id of ids)
    await clinic.post('/tests', { ...TEST, test_id, clinic_id: clinic.clinicId, result })
  const pages = await allPages(clinic, `/tests?clinic_id=${clinic.clinicId}`)
  expect(pages.flatMap(({ body }) => body.map(({ test_id }: { test_id: string }) => test_id))).toEqual(ids)
  for (const { text } of pages) expect(text.length).toBeLessThan(1_500_000)
})

test('a list shows each character as it was stored: quotes, backslashes, line breaks, and what older versions took', async () => {
  const clinic = await openClinic()
  const { clinicId } = clinic
  const result = '"quoted" \\"\\\\ \n\t\\u007f é 😀 {"a":["b"]}'
  await clinic.post('/tests', { ...TEST, clinic_id: clinicId, result })
  const older = {
    ...TEST,
    test_id: 't2',
    clinic_id: clinicId,
    result: 'a\x7f"b"\x7f',
    created_at: '2026-01-01T00:00:00.000Z',
  }
  await env.DB.prepare(
    'INSERT INTO medical_tests (owner_id, test_id, clinic_id, op_id, record) VALUES (?, ?, ?, ?, ?)',
  )
    .bind(clinicId, 't2', clinicId, 'op', JSON.stringify(older))
    .run()
  const { body } = await clinic.get(`/tests?clinic_id=${clinicId}`)
  expect(body.map((one: { result: string }) => one.result)).toEqual([result, older.result])
})

test('a record that no page can hold is an error, and no endless search for a shorter page', async () => {
  const select = () => sql`SELECT 1 AS seq, hex(zeroblob(800000)) AS json`
  await expect(textPage(drizzle(env.DB), select, 4)).rejects.toThrow('longer than a page')
})

test.each(['0', '-1', 'ten', '1.5', '', '1e3', '+5', '9'.repeat(16)])('limit=%s is 400', async (limit) => {
  const clinic = await openClinic()
  expect((await clinic.get(`/tests?clinic_id=${clinic.clinicId}&limit=${limit}`)).status).toBe(400)
})

test('a cursor that is not one of ours is 400', async () => {
  const clinic = await openClinic()
  expect((await clinic.get(`/tests?clinic_id=${clinic.clinicId}&cursor=xyz`)).status).toBe(400)
})

test('a test_id is unique across all clinics a lab posts for, and free for another poster', async () => {
  const [one, other] = [await lab(), await lab()]
  const clinicIds = [one.clinicId, other.clinicId]
  const replies = await Promise.all(clinicIds.map((clinic_id) => one.post('/tests', { ...TEST, clinic_id })))
  expect(statuses(replies)).toEqual({ 201: 1, 409: 1 })
  expect((await other.post('/tests', { ...TEST, clinic_id: other.clinicId })).status).toBe(201)
})

test('a clinic reads what a lab posted for it', async () => {
  const [clinic, poster] = [await openClinic(), await lab()]
  await poster.post('/tests', { ...TEST, clinic_id: clinic.clinicId })
  expect((await clinic.get(`/tests?clinic_id=${clinic.clinicId}`)).body).toHaveLength(1)
})

test('a key without clinics:* gets 404 for another clinic’s id, known or not', async () => {
  const [clinic, other] = [await openClinic(), await openClinic()]
  for (const clinic_id of [other.clinicId, 'nobody']) {
    expect((await clinic.post('/tests', { ...TEST, clinic_id })).status).toBe(404)
    expect((await clinic.get(`/tests?clinic_id=${clinic_id}`)).status).toBe(404)
  }
})

test('a retry with the same Idempotency-Key gets the first reply, byte for byte', async () => {
  const clinic = await openClinic()
  const wanted = { ...TEST, clinic_id: clinic.clinicId }
  const first = await clinic.post('/tests', wanted, { 'Idempotency-Key': 'k' })
  const again = await clinic.post('/tests', wanted, { 'Idempotency-Key': 'k' })
  expect(again.status).toBe(201)
  expect(again.text).toBe(first.text)
  expect(again.headers.get('Idempotency-Replayed')).toBe('true')
})
