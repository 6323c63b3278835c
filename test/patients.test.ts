import { expect, test } from 'vitest'
import { openClinic, statuses, times } from './clinic'

const ADA = {
  name: 'Ada Lovelace',
  phone: '(202) 555-0101',
  age: 36,
  gender: 'female',
  email: 'ada@example.com',
}
const PATIENTS = '/api/v1/patients'

test('a patient is registered, with the phone in E.164, and read back', async () => {
  const clinic = await openClinic()
  const { status, body } = await clinic.post(PATIENTS, ADA)
  expect(status).toBe(201)
  expect(body).toEqual({
    ...ADA,
    phone: '+12025550101',
    birth_date: null,
    identifiers: [],
    language: null,
    notes: null,
    contact_ok: null,
    id: expect.any(String),
    created_at: expect.any(String),
  })
  expect(await clinic.get(`${PATIENTS}/${body.id}`)).toMatchObject({ status: 200, body })
})

test('an unknown patient is 404', async () => {
  const clinic = await openClinic()
  expect(await clinic.get(`${PATIENTS}/nobody`)).toMatchObject({ status: 404 })
})

test('fifty identical patients at once are one patient', async () => {
  const clinic = await openClinic()
  const replies = await Promise.all(times(50, () => clinic.post(PATIENTS, ADA)))
  expect(statuses(replies)).toEqual({ 201: 1, 200: 49 })
  expect(new Set(replies.map((reply) => reply.body.id)).size).toBe(1)
})

test('case, spaces and accents do not make another patient of the same name', async () => {
  const clinic = await openClinic()
  const first = await clinic.post(PATIENTS, { ...ADA, name: 'José  Núñez' })
  const again = await clinic.post(PATIENTS, { ...ADA, name: ' jose nunez ', phone: '+1 202 555 0101' })
  expect(again).toMatchObject({ status: 200, body: { id: first.body.id, name: 'José  Núñez' } })
})

test('vowel signs of other scripts do make another name', async () => {
  const clinic = await openClinic()
  await clinic.post(PATIENTS, { ...ADA, name: 'राम' })
  expect((await clinic.post(PATIENTS, { ...ADA, name: 'रमा' })).status).toBe(409)
})

test('another name on a known phone is refused, unless it says that the phone is shared', async () => {
  const clinic = await openClinic()
  await clinic.post(PATIENTS, { ...ADA, shared_phone: true })
  const refused = await clinic.post(PATIENTS, { ...ADA, name: 'Byron Lovelace' })
  expect(refused).toMatchObject({ status: 409, body: { type: '/problems/phone_in_use' } })
  const shared = await clinic.post(PATIENTS, { ...ADA, name: 'Byron Lovelace', shared_phone: true })
  expect(shared.status).toBe(201)
  expect((await clinic.post(PATIENTS, { ...ADA, name: 'Annabella' })).status).toBe(409)
})

test('twenty names race for one phone and exactly one gets it', async () => {
  const clinic = await openClinic()
  const replies = await Promise.all(times(20, (n) => clinic.post(PATIENTS, { ...ADA, name: `Name ${n}` })))
  expect(statuses(replies)).toEqual({ 201: 1, 409: 19 })
})

test('a number without country code is read as one of the clinic’s country', async () => {
  const clinic = await openClinic({ country: 'IN' })
  const { body } = await clinic.post(PATIENTS, { name: 'Asha', phone: '098765 43210' })
  expect(body.phone).toBe('+919876543210')
})

test('every fault of a patient is named at once', async () => {
  const clinic = await openClinic()
  const { status, body } = await clinic.post(PATIENTS, { name: ' ', phone: '12', age: 151, email: 'x' })
  expect(status).toBe(400)
  expect(body.errors.map((fault: { field: string }) => fault.field)).toEqual([
    'name',
    'phone',
    'age',
    'email',
  ])
})

test('a retry with the same Idempotency-Key gets the same patient and 201 again', async () => {
  const clinic = await openClinic()
  const key = { 'Idempotency-Key': 'retry-1' }
  const replies = await Promise.all(times(10, () => clinic.post(PATIENTS, ADA, key)))
  expect(statuses(replies)).toEqual({ 201: 10 })
  expect(new Set(replies.map((reply) => reply.text)).size).toBe(1)
})

test('an Idempotency-Key that belongs to another request is refused and nothing is written', async () => {
  const clinic = await openClinic()
  const key = { 'Idempotency-Key': 'mine' }
  await clinic.post(PATIENTS, ADA, key)
  const other = { ...ADA, name: 'Grace', phone: '202 555 0102' }
  expect(await clinic.post(PATIENTS, other, key)).toMatchObject({
    status: 422,
    body: { type: '/problems/idempotency_key_reused' },
  })
  expect((await clinic.post(PATIENTS, other)).status).toBe(201)
})

test.each([
  [{ name: 'x' }, 201],
  [{ name: 'x'.repeat(200) }, 201],
  [{ name: 'x'.repeat(201) }, 400],
  [{ name: '' }, 400],
  [{ phone: '2025550101' }, 201],
  [{ phone: '202555010' }, 400],
  [{ phone: '+1 (202) 555 - 0101 ' }, 201],
  [{ phone: '+1 (202)  555 -  01011' }, 400],
  [{ phone: 'call me maybe' }, 400],
  [{ phone: 2025550101 }, 400],
  [{ age: 0 }, 201],
  [{ age: 150 }, 201],
  [{ age: -1 }, 400],
  [{ age: 36.5 }, 400],
  [{ age: '36' }, 400],
  [{ age: null, gender: null, email: null }, 201],
  [{ gender: '' }, 400],
  [{ email: 'ada@' }, 400],
])('a patient with %j is %i', async (change, expected) => {
  const clinic = await openClinic()
  expect((await clinic.post(PATIENTS, { ...ADA, ...change })).status).toBe(expected)
})

test('age, gender and e-mail may be left out', async () => {
  const clinic = await openClinic()
  const { body } = await clinic.post(PATIENTS, { name: 'Ada', phone: '2025550101' })
  expect(body).toMatchObject({ age: null, gender: null, email: null })
})

test('what a key may see is kept by no cache', async () => {
  const clinic = await openClinic()
  const replies = [await clinic.post(PATIENTS, ADA), await clinic.get(`${PATIENTS}/nobody`)]
  expect(replies.map(({ headers }) => headers.get('Cache-Control'))).toEqual(['no-store', 'no-store'])
})
