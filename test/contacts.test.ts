import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { type Client, keyFor, openClinic, times } from './clinic'
import { deliver, holdTheQueue, newKey } from './directory'

const PATIENTS = '/api/v1/patients'
const PHONE = '+12025550101'

const sent = holdTheQueue()

const register = (clinic: Client, patient: object) => clinic.post(PATIENTS, patient)

async function importRows(clinic: Client, rows: string[], query = ''): Promise<string[]> {
  const file = ['name,phone,age,gender,shared_phone', ...rows, ''].join('\n')
  const headers = { 'Idempotency-Key': newKey(), 'Content-Type': 'text/csv' }
  const { body } = await clinic.send('POST', `${PATIENTS}/bulk${query}`, file, headers)
  await deliver(sent.splice(0))
  const { result } = (await clinic.get(`${PATIENTS}/bulk/${body.job_id}`)).body
  return result.patients.map((row: Record<string, string>) => row.reason ?? row.status)
}

test('an extension is part of who is who, in requests and in files', async () => {
  const clinic = await openClinic()
  const first = await register(clinic, { name: 'Ada', phone: '+12025550101 x5' })
  expect(first).toMatchObject({ status: 201, body: { phone: '+12025550101;ext=5' } })
  expect((await register(clinic, { name: 'Ada', phone: '2025550101;ext=5' })).status).toBe(200)
  expect((await register(clinic, { name: 'Ada', phone: '2025550101 x6' })).status).toBe(201)
  expect((await register(clinic, { name: 'Bob', phone: '2025550101' })).status).toBe(201)
  expect(await importRows(clinic, ['ADA,202 555 0101 x5,,,', 'Ada,202 555 0101 x7,,,'])).toEqual([
    'duplicate_in_directory',
    'created',
  ])
})

test.each([
  ['(202) 555-0189 ext 12', '+12025550189;ext=12'],
  ['+1-202-555-0111 ext. 5', '+12025550111;ext=5'],
  ['tel:+1-202-555-0111;ext=5', '+12025550111;ext=5'],
  ['+44 20 7946 0999 ext. 123', '+442079460999;ext=123'],
  ['+44 20 7946 0999', '+442079460999'],
])('%s is taken from requests, files and searches alike', async (phone, stored) => {
  const clinic = await openClinic()
  expect(await importRows(clinic, [`Ada,${phone},,,`])).toEqual(['created'])
  expect(await register(clinic, { name: 'Ada', phone })).toMatchObject({
    status: 200,
    body: { phone: stored },
  })
  const found = await clinic.get(`${PATIENTS}/search?phone=${encodeURIComponent(phone)}`)
  expect(found.body).toMatchObject({ name: 'Ada', phone: stored })
})

test.each([
  ['020 7946 0958', 'must be a phone number, with country code or of the clinic’s country'],
  ['1-800-FLOWERS', /without letters .*, with country code or of the clinic’s country$/],
  ['2025550101 x12345678', 'must have an extension of at most 7 digits'],
  ['+1 202 555 0113 / +1 202 555 0114', /more than one/],
  ['555 0101', 'must have at least 10 characters'],
  ['9'.repeat(300), 'must have at most 20 characters'],
])('the phone %s is refused with one sentence by requests and files', async (phone, sentence) => {
  const clinic = await openClinic()
  const { body } = await register(clinic, { name: 'Ada', phone })
  const headers = { 'Idempotency-Key': newKey(), 'Content-Type': 'text/csv' }
  const file = await clinic.send('POST', `${PATIENTS}/bulk`, `name,phone\nAda,${phone}\n`, headers)
  const said = body.errors[0].message.replace('phone ', '')
  expect(said).toEqual(typeof sentence === 'string' ? sentence : expect.stringMatching(sentence))
  expect(file.body.errors[0].message).toBe(`Row 2: 'phone' ${said}`)
})

test('letters in a phone are refused by requests and files alike', async () => {
  const clinic = await openClinic()
  for (const phone of [
    '1-800-FLOWERS',
    '2025550101 home',
    'tel 2025550101',
    '2025550101;2025550102'.slice(0, 20),
  ]) {
    const { status, body } = await register(clinic, { name: 'Ada', phone })
    expect([phone, status, body.errors[0].field]).toEqual([phone, 400, 'phone'])
    const headers = { 'Idempotency-Key': newKey(), 'Content-Type': 'text/csv' }
    const file = await clinic.send('POST', `${PATIENTS}/bulk`, `name,phone\nAda,${phone}\n`, headers)
    expect([phone, file.status, file.body.errors[0].field]).toEqual([phone, 400, 'phone'])
  }
})

test.each([
  ["o'brien@example.com", "o'brien@example.com"],
  ['ada+tag@EXAMPLE.com', 'ada+tag@example.com'],
  ['  ada@xn--bcher-kva.example ', 'ada@xn--bcher-kva.example'],
  ['!#$%&*/=?^_`{|}~-@a.b', '!#$%&*/=?^_`{|}~-@a.b'],
  ['Ada.Lovelace@localhost', 'Ada.Lovelace@localhost'],
  ['ada@', null],
  ['@example.com', null],
  ['ada@exam ple.com', null],
  ['ada@bücher.example', null],
  ['ada@-a.com', null],
  ['ada@a..com', null],
  ['"ada"@example.com', null],
  [`${'a'.repeat(243)}@example.com`, null],
])('the e-mail %s is stored as %s, from requests and from files', async (email, expected) => {
  const clinic = await openClinic()
  const posted = await register(clinic, { name: 'Ada', phone: PHONE, email })
  const file = `name,phone,email\nBob,2025550102,"${email.replaceAll('"', '""')}"\n`
  const headers = { 'Idempotency-Key': newKey(), 'Content-Type': 'text/csv' }
  const uploaded = await clinic.send('POST', `${PATIENTS}/bulk`, file, headers)
  await deliver(sent.splice(0))
  expect([posted.status, uploaded.status]).toEqual(expected === null ? [400, 400] : [201, 202])
  const stored = await env.DB.prepare('SELECT email FROM patients WHERE clinic_id = ?')
    .bind(clinic.clinicId)
    .all()
  expect(stored.results).toEqual(expected === null ? [] : times(2, () => ({ email: expected })))
})

test.each([
  ['UK', /did you mean GB/],
  ['EL', /did you mean GR/],
  ['ZZ', /ISO 3166/],
  ['EU', /ISO 3166/],
  ['gb', /two capital letters/],
])('a clinic in %s is refused with a hint', async (country, hint) => {
  const operator = await openClinic({ scopes: ['*', 'admin', 'clinics:*'] })
  const clinic = { id: `c-${newKey()}`, name: 'C', time_zone: 'UTC', country }
  const { status, body } = await operator.post('/api/v1/clinics', clinic)
  expect([status, body.errors.length, body.errors[0].field]).toEqual([400, 1, 'country'])
  expect(body.message).toMatch(hint)
  expect((await operator.post('/api/v1/clinics', { ...clinic, country: 'GB' })).status).toBe(201)
})

test('a patient is found by phone in any spelling: the one registered first, null for a stranger’s', async () => {
  const clinic = await openClinic()
  const first = await register(clinic, { name: 'Ada', phone: PHONE })
  await register(clinic, { name: 'Aaron', phone: PHONE, shared_phone: true })
  for (const phone of [
    '+12025550101',
    '(202) 555-0101',
    '2025550101',
    'tel:+1-202-555-0101',
    '001 2025550101',
  ])
    expect(await clinic.get(`${PATIENTS}/search?phone=${encodeURIComponent(phone)}`)).toMatchObject({
      status: 200,
      body: first.body,
    })
  for (const phone of ['2025550102', 'nobody', '1', '2025550101 x5', '%2B999'])
    expect(await clinic.get(`${PATIENTS}/search?phone=${encodeURIComponent(phone)}`)).toMatchObject({
      status: 200,
      text: expect.stringMatching(/^null\n?$/),
    })
  for (const query of ['', '?phone=', '?phone=%20', '?phone=%E2%80%8B'])
    expect(await clinic.get(`${PATIENTS}/search${query}`)).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'phone' }] },
    })
})

test('the search by phone needs patients:read and sees no other clinic', async () => {
  const [clinic, other] = [await openClinic(), await openClinic({ country: 'GB' })]
  await register(clinic, { name: 'Ada', phone: PHONE })
  const path = `${PATIENTS}/search?phone=${encodeURIComponent(PHONE)}`
  expect(await other.get(path)).toMatchObject({ status: 200, body: null })
  for (const scope of ['patients:write', 'doctors:read'])
    expect((await (await keyFor(clinic.clinicId, [scope])).get(path)).status).toBe(403)
  expect((await (await keyFor(clinic.clinicId, ['patients:read'])).get(path)).body).toMatchObject({
    name: 'Ada',
  })
})
