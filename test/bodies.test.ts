import { expect, test } from 'vitest'
import { type Client, openClinic } from './clinic'
import { operations } from './conformity'

const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' }

test('a broken JSON body is told its line and column, and nothing of its content', async () => {
  const clinic = await openClinic()
  const broken = '{\n  "name": "Ada Lovelace",\n  "phone": 0202 555 0101\n}'
  const reply = await clinic.send('POST', '/api/v1/patients', broken)
  expect(reply).toMatchObject({
    status: 400,
    body: { error: 'Invalid JSON', type: '/problems/invalid_json' },
  })
  expect(reply.body.message).toContain('line 3, column 12')
  expect(reply.text).not.toMatch(/Ada|Lovelace|0202 |555 0101/)
})

test.each([
  ['name=Ada&phone=2025550101', FORM, /form-encoded/],
  ['name=Ada&phone=2025550101', {}, /form-encoded/],
  ['name', FORM, /form-encoded/],
  ['patient%5Bname%5D=Ada', { 'Content-Type': 'text/plain' }, /form-encoded/],
  [
    '--B\r\nContent-Disposition: form-data; name="name"\r\n\r\nAda\r\n--B--\r\n',
    { 'Content-Type': 'multipart/form-data; boundary=B' },
    /multipart form/,
  ],
  ['', { 'Content-Type': 'multipart/mixed; boundary=B' }, /multipart form/],
])('the body %j is told that it is a form', async (body, headers, sentence) => {
  const clinic = await openClinic()
  const reply = await clinic.send('POST', '/api/v1/patients', body, headers as HeadersInit)
  expect(reply.status).toBe(400)
  expect(reply.body.message).toMatch(sentence)
  expect(reply.text).not.toContain('Ada')
})

test('JSON is JSON, whatever its Content-Type says, as curl -d sends it', async () => {
  const clinic = await openClinic()
  const body = '{"name": "Ada", "phone": "2025550101"}'
  expect((await clinic.send('POST', '/api/v1/patients', body, FORM)).status).toBe(201)
})

/** A body that arrives in pieces of this many bytes. */
const inPieces = (text: string, size: number) => {
  const bytes = new TextEncoder().encode(text)
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const writer = writable.getWriter()
  const sent = (async () => {
    for (let at = 0; at < bytes.length; at += size) await writer.write(bytes.slice(at, at + size))
    await writer.close()
  })()
  return { readable, sent }
}

test.each([
  ['one byte a piece', 'é', 1],
  ['more than is awaited at once, in a letter’s midst', 'é😀'.repeat(15_000), 65_537],
  ['in many pieces', 'ä'.repeat(90_000), 1_000],
])('a body is read to its end, whatever Content-Length says: %s', async (_, result, size) => {
  const clinic = await openClinic()
  const record = { patient_id: 'p', clinic_id: clinic.clinicId, test_type: 't', result }
  const announced = [undefined, '', '0', '2', '-1', '1e9', '70000', 'x']
  for (const [n, length] of announced.entries()) {
    const { readable, sent } = inPieces(JSON.stringify({ ...record, test_id: `${n}` }), size)
    const headers: Record<string, string> = length === undefined ? {} : { 'Content-Length': length }
    const reply = await clinic.send('POST', '/tests', readable, headers)
    expect([length, reply.status]).toEqual([length, 201])
    await sent
  }
  const { body } = await clinic.get(`/tests?clinic_id=${clinic.clinicId}`)
  expect(body.map((one: { result: string }) => one.result)).toEqual(announced.map(() => result))
})

test('bytes that are no UTF-8 are 400, also where they are the last', async () => {
  const clinic = await openClinic()
  for (const bytes of [[0x7b, 0xff, 0x7d], [0x7b, 0x7d, 0xc3], [0xef]]) {
    const reply = await clinic.send('POST', '/tests', new Uint8Array(bytes))
    expect(reply).toMatchObject({ status: 400, body: { type: '/problems/invalid_json' } })
  }
})

test.each(['gzip', 'br', 'deflate', 'zstd', 'GZIP', 'x-gzip', 'identity, gzip', 'compress'])(
  'a body with Content-Encoding: %s is 415, a record and an upload alike, and takes no effect',
  async (encoding) => {
    const clinic = await openClinic()
    const headers = { 'Content-Encoding': encoding, 'Idempotency-Key': 'k' }
    const patient = { name: 'Ada', phone: '2025550101' }
    const refused = await clinic.post('/api/v1/patients', patient, headers)
    expect(refused).toMatchObject({ status: 415, body: { type: '/problems/body_encoded' } })
    expect(refused.headers.get('Accept-Encoding')).toBe('identity')
    const csv = { ...headers, 'Content-Type': 'text/csv' }
    expect((await clinic.send('POST', '/api/v1/hospitals/bulk', 'name,address\nA,B\n', csv)).status).toBe(415)
    const plain = { 'Content-Encoding': 'identity', 'Idempotency-Key': 'k' }
    expect((await clinic.post('/api/v1/patients', patient, plain)).status).toBe(201)
  },
)

const ALL_SCOPES = ['*', 'admin', 'clinics:*']

test('every JSON answer ends in a line break: records, lists, problems, documents, replays', async () => {
  const clinic = await openClinic({ scopes: ALL_SCOPES })
  const patient = { name: 'Ada', phone: '2025550101' }
  const key = { 'Idempotency-Key': 'k' }
  const csv = { 'Content-Type': 'text/csv', ...key }
  const upload = () => clinic.send('POST', '/api/v1/hospitals/bulk', 'name,address\nA,B\n', csv)
  const [accepted, replayed] = [await upload(), await upload()]
  const gets = (await operations()).filter(({ method }) => method === 'GET').map(({ path }) => path)
  const replies = [
    accepted,
    replayed,
    await clinic.get(`/api/v1/hospitals/status/${accepted.body.job_id}`),
    await clinic.get(`/api/v1/hospitals/status/${accepted.body.job_id}?rows=all`),
    await clinic.post('/api/v1/patients', patient, { 'Idempotency-Key': 'p' }),
    await clinic.post('/api/v1/patients', patient, { 'Idempotency-Key': 'p' }),
    await clinic.post('/api/v1/patients', {}),
    await clinic.post('/tests', {
      test_id: 't',
      patient_id: 'p',
      clinic_id: clinic.clinicId,
      test_type: 'b',
      result: 'r',
    }),
    await clinic.get(`/tests?clinic_id=${clinic.clinicId}`),
    ...(await Promise.all(gets.map((path) => clinic.get(path.replace(/\{[^}]+\}/g, 'x'))))),
  ].filter(({ headers }) => /json/.test(headers.get('Content-Type') ?? ''))
  expect(replies.length).toBeGreaterThan(25)
  for (const { text } of replies) expect(text).toMatch(/[}\]]\n$/)
  expect(replayed.text).toBe(accepted.text)
})

const faultsOf = async (clinic: Client, path: string, body: unknown) =>
  (await clinic.post(path, body)).body.errors as { field: string; rule: string; message: string }[]

test('each field is told once, with a rule in our own words', async () => {
  const clinic = await openClinic({ scopes: ALL_SCOPES })
  const faults = [
    ...(await faultsOf(clinic, '/api/v1/patients', {
      name: 7,
      phone: '1',
      age: -0.5,
      email: 'x'.repeat(300),
    })),
    ...(await faultsOf(clinic, '/api/v1/doctors', { code: '', name: '', capacity: 0.5, working_hours: {} })),
    ...(await faultsOf(clinic, '/api/v1/appointments', { patient_id: 'p', date: '2027' })),
    ...(await faultsOf(clinic, '/api/v1/checkins', { priority: 'soon', patient_id: null })),
    ...(await faultsOf(clinic, '/api/v1/keys', { clinic_id: '', name: ' ', scopes: [] })),
    ...(await faultsOf(clinic, '/webhook/appointments', { event_type: 1, timestamp: 'now', notes: {} })),
  ]
  expect(faults.length).toBeGreaterThan(18)
  for (const { rule } of faults) expect(rule).toMatch(/^(required|type|choice|length|range|format|value)$/)
  const about = await faultsOf(clinic, '/api/v1/patients', { name: 'A', phone: '2025550101', age: 150.5 })
  expect(about).toHaveLength(1)
  const hours = { from: '17:00', to: '09:00', minutes_per_slot: 15 }
  const [late] = await faultsOf(clinic, '/api/v1/doctors', { name: 'G', code: 'G', working_hours: hours })
  expect(late).toEqual({
    field: 'working_hours.to',
    rule: 'value',
    message: 'working_hours.to must be later than from',
  })
})
