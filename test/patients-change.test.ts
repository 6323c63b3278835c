import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { seeded } from '../bench/torture/worker/seeded'
import { type Client, keyFor, openClinic, statuses, times } from './clinic'

const PATIENTS = '/api/v1/patients'
const ADA = {
  name: 'Ada Lovelace',
  phone: '+12025550101',
  age: 36,
  gender: 'female',
  email: 'ada@example.com',
}

const patch = (clinic: Client, id: string, body: object, headers: Record<string, string>) =>
  clinic.send('PATCH', `${PATIENTS}/${id}`, JSON.stringify(body), headers)

async function registered(clinic: Client, fields: object = ADA) {
  const { body, headers } = await clinic.post(PATIENTS, { ...ADA, ...fields })
  return { id: body.id as string, body, match: { 'If-Match': headers.get('ETag') ?? '' } }
}

test('a patient is changed as it was read; what is not named stays, and null removes', async () => {
  const clinic = await openClinic()
  const { id, body, match } = await registered(clinic)
  const wanted = { name: 'Ada King', phone: '(202) 555-0102', age: null }
  const reply = await patch(clinic, id, wanted, match)
  expect(reply).toMatchObject({ status: 200, body: { ...body, ...wanted, phone: '+12025550102' } })
  const read = await clinic.get(`${PATIENTS}/${id}`)
  expect(read).toMatchObject({ status: 200, body: reply.body })
  expect(read.headers.get('ETag')).toBe(reply.headers.get('ETag'))
  expect(reply.headers.get('ETag')).not.toBe(match['If-Match'])
  expect((await clinic.get(`${PATIENTS}/search?phone=2025550102`)).body).toMatchObject({ id })
  expect((await clinic.get(`${PATIENTS}/search?phone=2025550101`)).body).toBeNull()
  const { body: audit } = await clinic.get('/api/v1/audit')
  expect(audit[0]).toMatchObject({ action: 'patient.changed', subject: id })
  expect(JSON.stringify(audit)).not.toMatch(/Ada|2025550/)
})

test('without If-Match nothing changes, nor with the ETag of an older state', async () => {
  const clinic = await openClinic()
  const { id, match } = await registered(clinic)
  expect(await patch(clinic, id, { age: 40 }, {})).toMatchObject({
    status: 428,
    body: { type: '/problems/if_match_required' },
  })
  expect((await patch(clinic, id, { age: 37 }, match)).status).toBe(200)
  for (const old of [match, { 'If-Match': 'W/"1"' }, { 'If-Match': '"7", "1"' }])
    expect(await patch(clinic, id, { age: 40 }, old)).toMatchObject({
      status: 412,
      body: { type: '/problems/record_changed' },
    })
  expect((await clinic.get(`${PATIENTS}/${id}`)).body.age).toBe(37)
})

test('If-Match takes what HTTP allows: *, a list, and an ETag that a proxy has weakened', async () => {
  const clinic = await openClinic()
  const { id } = await registered(clinic)
  const change = async (age: number, etag: string) => patch(clinic, id, { age }, { 'If-Match': etag })
  for (const [age, etag] of [
    [1, '"1"'],
    [2, 'W/"2"'],
    [3, '"7", "3"'],
    [4, '"7",W/"4"'],
    [5, '*'],
  ] as const)
    expect(await change(age, etag)).toMatchObject({ status: 200, body: { age } })
  for (const etag of ['6', '"6', '*, "6"', 'w/"6"'])
    expect(await change(7, etag)).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'If-Match', message: expect.stringContaining('like "1"') }] },
    })
  expect((await patch(clinic, 'unknown', { age: 1 }, { 'If-Match': '*' })).status).toBe(404)
})

test('of twenty changes of one state exactly one is made', async () => {
  const clinic = await openClinic()
  const { id, match } = await registered(clinic)
  const replies = await Promise.all(times(20, (n) => patch(clinic, id, { age: n }, match)))
  expect(statuses(replies)).toEqual({ 200: 1, 412: 19 })
  const won = replies.findIndex(({ status }) => status === 200)
  expect((await clinic.get(`${PATIENTS}/${id}`)).body.age).toBe(won)
})

test('a retry with its key changes nothing again, and a refused one stays refused', async () => {
  const clinic = await openClinic()
  const { id, match } = await registered(clinic)
  const first = await patch(clinic, id, { age: 40 }, { ...match, 'Idempotency-Key': 'change' })
  const etag = { 'If-Match': first.headers.get('ETag') ?? '' }
  const refused = await patch(clinic, id, { age: 41 }, { ...match, 'Idempotency-Key': 'late' })
  expect([first.status, refused.status]).toEqual([200, 412])
  expect((await patch(clinic, id, { gender: null }, etag)).status).toBe(200)
  const again = await patch(clinic, id, { age: 40 }, { ...match, 'Idempotency-Key': 'change' })
  expect(again).toMatchObject({ status: 200, body: { age: 40, gender: null } })
  expect((await patch(clinic, id, { age: 41 }, { ...match, 'Idempotency-Key': 'late' })).status).toBe(412)
  expect((await patch(clinic, id, { age: 99 }, { ...match, 'Idempotency-Key': 'change' })).status).toBe(422)
  expect((await clinic.get(`${PATIENTS}/${id}`)).body).toMatchObject({ age: 40, gender: null })
})

test('a phone of another patient is taken only if they share it, and two patients do not become one', async () => {
  const clinic = await openClinic()
  await registered(clinic, { name: 'Byron', phone: '+12025550102', age: 60 })
  const { id, match } = await registered(clinic)
  const taken = await patch(clinic, id, { phone: '202-555-0102' }, match)
  expect(taken).toMatchObject({ status: 409, body: { type: '/problems/phone_in_use' } })
  const shared = await patch(clinic, id, { phone: '202-555-0102', shared_phone: true }, match)
  expect(shared.status).toBe(200)
  const next = { 'If-Match': shared.headers.get('ETag') ?? '' }
  expect((await patch(clinic, id, { name: ' BYRON ' }, next)).status).toBe(409)
  const same = { name: 'byron', age: 61, gender: null, shared_phone: true }
  expect((await patch(clinic, id, same, next)).status).toBe(409)
  const son = await patch(clinic, id, { ...same, age: 12 }, next)
  expect(son.status).toBe(200)
  const last = { 'If-Match': son.headers.get('ETag') ?? '' }
  for (const age of [60, null]) expect((await patch(clinic, id, { age }, last)).status).toBe(409)
  expect((await patch(clinic, id, { age: 13 }, last)).status).toBe(200)
})

test('a phone that its owner leaves belongs to the next patient who shares it, and to no stranger', async () => {
  const clinic = await openClinic()
  const { id, match } = await registered(clinic)
  await registered(clinic, { name: 'Byron', shared_phone: true })
  expect((await patch(clinic, id, { phone: '+12025550109' }, match)).status).toBe(200)
  expect((await clinic.post(PATIENTS, { ...ADA, name: 'Annabella' })).status).toBe(409)
  await expectOwners(clinic)
})

test('bad changes are refused in words: nothing to change, an impossible phone, an unknown field', async () => {
  const clinic = await openClinic()
  const { id, match } = await registered(clinic)
  for (const [body, field] of [
    [{}, 'body'],
    [{ shared_phone: true }, 'body'],
    [{ phone: '123' }, 'phone'],
    [{ phone: '+1 202 555 010' }, 'phone'],
    [{ name: ' ' }, 'name'],
    [{ age: 151 }, 'age'],
    [{ age: 30, nickname: 'A' }, 'nickname'],
  ] as const) {
    const { status, body: problem } = await patch(clinic, id, body, match)
    expect([body, status, problem.errors[0].field]).toEqual([body, 400, field])
  }
  expect((await clinic.get(`${PATIENTS}/${id}`)).headers.get('ETag')).toBe(match['If-Match'])
})

test('a key that may not read patients is not told how often a known one has changed', async () => {
  const clinic = await openClinic()
  const { match } = await registered(clinic)
  expect(match['If-Match']).toBe('"1"')
  const key = await keyFor(clinic.clinicId, ['patients:write'])
  const again = await key.post(PATIENTS, ADA)
  expect([again.status, again.headers.has('ETag')]).toEqual([200, false])
})

test('a change needs the scopes to write and to read patients, and an id of the clinic', async () => {
  const [clinic, other] = [await openClinic(), await openClinic()]
  const { id, match } = await registered(clinic)
  for (const scopes of [['patients:write'], ['patients:read']]) {
    const key = await keyFor(clinic.clinicId, scopes)
    expect((await patch(key, id, { age: 40 }, match)).status).toBe(403)
  }
  expect((await patch(other, id, { age: 40 }, match)).status).toBe(404)
  expect((await patch(other, id, { age: 40 }, {})).status).toBe(404)
})

test('however patients come to phones and leave them, each phone has one owner, and no two patients are one', async () => {
  const clinic = await openClinic()
  const random = seeded(18)
  const below = (limit: number) => Math.floor(random() * limit)
  const known = new Set<string>()
  for (let step = 0; step < 150; step += 1) {
    const shared_phone = below(2) === 0
    const fields = {
      name: `Name ${below(3)}`,
      phone: `+1202555010${below(4)}`,
      age: 10 * below(3),
      shared_phone,
    }
    const ids = [...known]
    const id = ids[below(ids.length + 2)]
    if (id === undefined) {
      const reply = await clinic.post(PATIENTS, fields)
      if (reply.status === 201) known.add(reply.body.id)
      expect([200, 201, 409]).toContain(reply.status)
    } else {
      const etag = (await clinic.get(`${PATIENTS}/${id}`)).headers.get('ETag') ?? ''
      expect([200, 409]).toContain((await patch(clinic, id, fields, { 'If-Match': etag })).status)
    }
    await expectOwners(clinic)
  }
  expect(known.size).toBeGreaterThan(5)
})

async function expectOwners(clinic: Client) {
  const { results } = await env.DB.prepare(
    `SELECT phone, count(phone_owner) AS owners, max(phone_owner) AS owner, count(*) AS patients,
       count(DISTINCT name_folded || '/' || age) AS people
     FROM patients WHERE clinic_id = ? GROUP BY phone`,
  )
    .bind(clinic.clinicId)
    .all<{ phone: string; owners: number; owner: string; patients: number; people: number }>()
  for (const { phone, owners, owner, patients, people } of results)
    expect([phone, owners, owner, people]).toEqual([phone, 1, phone, patients])
}
