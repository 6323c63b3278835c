import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { allPages, keyFor, openClinic, statuses, times } from './clinic'
import { change, listed, merge, PATIENTS, register, unmerge } from './merging'
import { forgetReplies, typeOf } from './moves'

afterEach(() => {
  vi.useRealTimers()
})

const DAYS = 24 * 60 * 60_000
const ADA = ['Ada Lovelace', '+12025550101'] as const
const KING = ['Augusta King', '+12025550202'] as const

/** Ada was registered twice: `old` is to go, `kept` is to stay. */
async function openTwice(more = {}) {
  const clinic = await openClinic()
  const kept = await register(clinic, ...KING)
  return { clinic, kept, old: await register(clinic, ...ADA, more) }
}

test('after a merge both ids answer with the record that stays, and the audit says who merged them', async () => {
  const { clinic, old, kept } = await openTwice()
  const reply = await merge(clinic, old, kept)
  expect(reply).toMatchObject({ status: 200, body: { patient_id: old, merged_into: kept } })
  const days = (Date.parse(reply.body.undo_until) - Date.parse(reply.body.merged_at)) / DAYS
  expect(days).toBe(30)
  const [byOld, byKept] = [await clinic.get(`${PATIENTS}/${old}`), await clinic.get(`${PATIENTS}/${kept}`)]
  expect(byKept.body).toMatchObject({ id: kept, name: KING[0] })
  expect(byOld.body).toEqual({ ...byKept.body, merged_into: kept })
  expect(byOld.headers.get('ETag')).toBe(byKept.headers.get('ETag'))
  const { body: audit } = await clinic.get('/api/v1/audit')
  expect(audit[0]).toMatchObject({ action: 'patient.merged', subject: old, key_id: clinic.keyId })
})

test('the old name, phone and identifier find the patient, once, by the record that stays', async () => {
  const { clinic, old, kept } = await openTwice({
    birth_date: '1990-05-05',
    identifiers: [{ system: 'mrn', value: 'A-77' }],
  })
  await merge(clinic, old, kept)
  const searches = ['', 'q=lovelace', 'q=ad', 'q=augusta', 'phone=0101', 'q=2025550101', 'q=A-77']
  for (const search of [...searches, 'identifier=mrn|A-77', 'birth_date=1990-05-05'])
    expect([search, await listed(clinic, search)]).toEqual([search, [kept]])
  const { body: found } = await clinic.post(`${PATIENTS}/search`, { q: 'ada' })
  expect(found).toMatchObject([{ id: kept, name: KING[0] }])
  expect((await clinic.get(`${PATIENTS}/search?phone=2025550101`)).body).toMatchObject({ id: kept })
})

test('pages show each patient once, wherever the records of a patient stand', async () => {
  const clinic = await openClinic()
  const ids: string[] = []
  for (const n of times(12, (index) => index))
    ids.push(await register(clinic, `Ann Number${n}`, `+1202555${1000 + n}`))
  // The one that stays is the last, the first, in the middle; one has another name.
  const pairs = [
    [0, 11],
    [10, 1],
    [5, 6],
    [7, 6],
  ] as const
  for (const [old, into] of pairs) await merge(clinic, ids[old], ids[into])
  await change(clinic, ids[11] ?? '', { name: 'Zoe' })
  const expected = [11, 1, 2, 3, 4, 6, 8, 9].map((n) => ids[n])
  for (const search of ['q=ann', '']) {
    const pages = await allPages(clinic, `${PATIENTS}?limit=2&${search}`)
    const shown = pages.flatMap(({ body }) => body.map(({ id }: { id: string }) => id))
    expect(shown.toSorted()).toEqual(expected.toSorted())
  }
})

test('a registration that is retried after the merge makes nobody, and answers with the record in use', async () => {
  const clinic = await openClinic()
  const kept = await register(clinic, ...KING)
  const sent = { name: ADA[0], phone: ADA[1] }
  const first = await clinic.post(PATIENTS, sent, { 'Idempotency-Key': 'r' })
  await merge(clinic, first.body.id, kept)
  const again = await clinic.post(PATIENTS, sent, { 'Idempotency-Key': 'r' })
  expect(again).toMatchObject({ status: 201, body: { id: kept, name: KING[0] } })
  expect(await listed(clinic)).toEqual([kept])
})

test('a registration that found a merged record gets its first answer again, and after the undo the record itself', async () => {
  const { clinic, old, kept } = await openTwice()
  await merge(clinic, old, kept)
  const again = () => clinic.post(PATIENTS, { name: ADA[0], phone: ADA[1] }, { 'Idempotency-Key': 'r' })
  const first = await again()
  expect(first).toMatchObject({ status: 200, body: { id: kept, differs: ['name', 'phone'] } })
  await forgetReplies()
  expect((await again()).body).toEqual(first.body)
  await unmerge(clinic, old)
  await forgetReplies()
  expect(await again()).toMatchObject({ status: 200, body: { id: old, differs: [] } })
})

test('registering the old record again answers 200 with the one that stays, and says what differs', async () => {
  const { clinic, old, kept } = await openTwice()
  await merge(clinic, old, kept)
  const again = await clinic.post(PATIENTS, { name: 'ada  LOVELACE', phone: '(202) 555-0101' })
  expect(again).toMatchObject({ status: 200, body: { id: kept, differs: ['name', 'phone'] } })
  const other = await clinic.post(PATIENTS, { name: 'Somebody Else', phone: ADA[1] })
  expect(typeOf(other)).toEqual([409, 'phone_in_use'])
})

test('the record that stays can get the phone and the name of the old one; its identifiers are found already', async () => {
  const { clinic, old, kept } = await openTwice({ identifiers: [{ system: 'mrn', value: 'A-77' }] })
  await merge(clinic, old, kept)
  const changed = await change(clinic, kept, { name: ADA[0], phone: ADA[1] })
  expect(changed).toMatchObject({ status: 200, body: { id: kept, name: ADA[0], phone: ADA[1] } })
  const identified = await change(clinic, kept, { identifiers: [{ system: 'mrn', value: 'A-77' }] })
  expect(typeOf(identified)).toEqual([409, 'identifier_in_use'])
  expect(identified.body.detail).toContain('merged into this one')
  expect((await unmerge(clinic, old)).status).toBe(200)
  expect(await listed(clinic, 'phone=0101')).toEqual([kept, old])
})

test('an old record can be neither changed nor merged again nor merged into; each refusal names the record in use', async () => {
  const { clinic, old, kept } = await openTwice()
  const third = await register(clinic, 'Third', '+12025550303')
  await merge(clinic, old, kept)
  for (const reply of [
    await change(clinic, old, { email: 'ada@example.com' }),
    await merge(clinic, old, third),
    await merge(clinic, third, old),
    await merge(clinic, kept, old),
  ]) {
    expect(typeOf(reply)).toEqual([409, 'patient_merged'])
    expect(reply.body.detail).toContain(kept)
  }
  expect((await clinic.get(`${PATIENTS}/${third}`)).body).toMatchObject({ id: third, name: 'Third' })
  await unmerge(clinic, old)
  expect((await clinic.get(`${PATIENTS}/${old}`)).body.email).toBeNull()
})

test('a patient cannot be merged into itself, into nobody, or with fields that do not exist', async () => {
  const { clinic, old, kept } = await openTwice()
  expect(typeOf(await merge(clinic, old, old))).toEqual([422, 'same_patient'])
  expect(typeOf(await merge(clinic, old, 'nobody'))).toEqual([404, 'not_found'])
  expect(typeOf(await merge(clinic, 'nobody', kept))).toEqual([404, 'not_found'])
  expect((await clinic.post(`${PATIENTS}/${old}/merge`, { into: kept, force: true })).status).toBe(400)
  expect((await clinic.post(`${PATIENTS}/${old}/merge`, {})).status).toBe(400)
  expect(typeOf(await unmerge(clinic, old))).toEqual([409, 'not_merged'])
  expect(await listed(clinic)).toEqual([kept, old])
})

test('only a key that may write patients merges, and only one that may read them sees duplicates', async () => {
  const { clinic, old, kept } = await openTwice()
  const [reader, writer] = [
    await keyFor(clinic.clinicId, ['patients:read']),
    await keyFor(clinic.clinicId, ['patients:write']),
  ]
  for (const reply of [
    await merge(reader, old, kept),
    await unmerge(reader, old),
    await writer.get(`${PATIENTS}/${old}/duplicates`),
    await writer.get(`${PATIENTS}/${old}/merges`),
  ])
    expect(typeOf(reply)).toEqual([403, 'scope_missing'])
  expect((await merge(writer, old, kept)).text).not.toMatch(/Ada|King|2025550/)
})

test('chains become flat: what was merged into a record goes with it, and comes back with it', async () => {
  const clinic = await openClinic()
  const [a = '', b = '', c = '', d = ''] = await Promise.all(
    times(4, (n) => register(clinic, `P${n}`, `+1202555020${n}`)),
  )
  await merge(clinic, a, b)
  await merge(clinic, b, c)
  await merge(clinic, d, c)
  const where = async (id: string) => (await clinic.get(`${PATIENTS}/${id}`)).body.id
  const places = async () => Promise.all([a, b, c, d].map(where))
  expect(await places()).toEqual([c, c, c, c])
  const { body: merged } = await clinic.get(`${PATIENTS}/${a}/merges`)
  expect(merged.map(({ patient_id }: { patient_id: string }) => patient_id).toSorted()).toEqual(
    [a, b, d].toSorted(),
  )
  expect(merged).toContainEqual(expect.objectContaining({ patient_id: a, merged_into: b, name: 'P0' }))
  expect((await unmerge(clinic, b)).body).toEqual({ patient_id: b, was_merged_into: c })
  expect(await places()).toEqual([b, b, c, c])
  await unmerge(clinic, a)
  expect(await places()).toEqual([a, b, c, c])
})

test('an undo restores the record exactly, with its ETag, and is possible for 30 days', async () => {
  const { clinic, old, kept } = await openTwice({ age: 36, notes: 'likes mornings' })
  const before = await clinic.get(`${PATIENTS}/${old}`)
  const { body } = await merge(clinic, old, kept)
  const end = Date.parse(body.undo_until)
  vi.useFakeTimers({ now: end, toFake: ['Date'] })
  expect(typeOf(await unmerge(clinic, old))).toEqual([409, 'merge_final'])
  vi.setSystemTime(end - 1)
  expect((await unmerge(clinic, old)).status).toBe(200)
  const after = await clinic.get(`${PATIENTS}/${old}`)
  expect([after.text, after.headers.get('ETag')]).toEqual([before.text, before.headers.get('ETag')])
  expect(await listed(clinic, 'q=ada')).toEqual([old])
  expect(typeOf(await unmerge(clinic, old))).toEqual([409, 'not_merged'])
})

test('of ten merges this way and ten that way at once, one is made and the others are told of it', async () => {
  for (const round of times(5, (n) => n)) {
    const { clinic, old, kept } = await openTwice()
    const replies = await Promise.all(
      times(20, (n) => (n % 2 === 0 ? merge(clinic, old, kept) : merge(clinic, kept, old))),
    )
    expect([round, statuses(replies)]).toEqual([round, { 200: 1, 409: 19 }])
    const seen = await Promise.all([old, kept].map((id) => clinic.get(`${PATIENTS}/${id}`)))
    const winner = replies.find(({ status }) => status === 200)?.body.merged_into
    expect(seen.map(({ body }) => body.id)).toEqual([winner, winner])
  }
})

test('a circle of merges at once never leaves a patient without a record in use', async () => {
  const clinic = await openClinic()
  const ids = await Promise.all(times(6, (n) => register(clinic, `P${n}`, `+1202555030${n}`)))
  await Promise.all(times(6, (n) => merge(clinic, ids[n], ids[(n + 1) % 6])))
  const inUse = new Set(await listed(clinic))
  expect(inUse.size).toBeGreaterThan(0)
  for (const id of ids) expect(inUse).toContain((await clinic.get(`${PATIENTS}/${id}`)).body.id)
})

test('a retry gets the first answer, also after an undo, and merges nothing again', async () => {
  const { clinic, old, kept } = await openTwice()
  const first = await merge(clinic, old, kept, 'm')
  const refused = await merge(clinic, kept, old, 'other way')
  for (const key of ['kv', 'd1']) {
    if (key === 'd1') await forgetReplies()
    expect((await merge(clinic, old, kept, 'm')).text).toBe(first.text)
  }
  const undone = await unmerge(clinic, old, 'u')
  await forgetReplies()
  expect((await merge(clinic, old, kept, 'm')).text).toBe(first.text)
  expect((await clinic.get(`${PATIENTS}/${old}`)).body.id).toBe(old)
  await merge(clinic, old, kept)
  expect((await unmerge(clinic, old, 'u')).text).toBe(undone.text)
  expect((await clinic.get(`${PATIENTS}/${old}`)).body.id).toBe(kept)
  await unmerge(clinic, old)
  expect(typeOf(await merge(clinic, kept, old, 'other way'))).toEqual(typeOf(refused))
  expect((await merge(clinic, old, kept, 'u')).body.type).toBe('/problems/idempotency_key_reused')
  const { body: audit } = await clinic.get('/api/v1/audit')
  const actions = audit.map(({ action }: { action: string }) => action)
  expect(actions.filter((action: string) => /merged/.test(action))).toEqual([
    ...['patient.unmerged', 'patient.merged', 'patient.unmerged', 'patient.merged'],
  ])
})

test('ten retries at once make one merge, and a 404 leaves the key free', async () => {
  const { clinic, old, kept } = await openTwice()
  expect((await merge(clinic, old, 'nobody', 'k')).status).toBe(404)
  const replies = await Promise.all(times(10, () => merge(clinic, old, kept, 'k')))
  expect(statuses(replies)).toEqual({ 200: 10 })
  expect(new Set(replies.map(({ text }) => text)).size).toBe(1)
  const { results } = await env.DB.prepare('SELECT * FROM audit WHERE clinic_id = ? AND action = ?')
    .bind(clinic.clinicId, 'patient.merged')
    .all()
  expect(results).toHaveLength(1)
})

test('a change and a merge at once: the record in use never loses either', async () => {
  for (const round of times(5, (n) => n)) {
    const { clinic, old, kept } = await openTwice()
    const [changed, merged] = await Promise.all([change(clinic, old, { age: 40 }), merge(clinic, old, kept)])
    expect(merged.status).toBe(200)
    expect([200, 409]).toContain(changed.status)
    await unmerge(clinic, old)
    const { body } = await clinic.get(`${PATIENTS}/${old}`)
    expect([round, body.age]).toEqual([round, changed.status === 200 && changed.body.id === old ? 40 : null])
  }
})

test('a person has at most twenty records', async () => {
  const clinic = await openClinic()
  const ids = await Promise.all(
    times(21, (n) => register(clinic, `P${n}`, `+1202555${String(n).padStart(4, '0')}`)),
  )
  const [kept, ...others] = ids
  const replies = await Promise.all(others.map((old) => merge(clinic, old, kept)))
  expect(statuses(replies)).toEqual({ 200: 19, 409: 1 })
  expect(replies.map(typeOf)).toContainEqual([409, 'too_many_merged'])
})

test('an import of the old record finds it a duplicate, and writes nothing', async () => {
  const { clinic, old, kept } = await openTwice()
  await merge(clinic, old, kept)
  const dry = await clinic.send(
    'POST',
    `${PATIENTS}/bulk?dry_run=true`,
    `name,phone\n${ADA[0]},${ADA[1]}\n`,
    { 'Idempotency-Key': 'i', 'Content-Type': 'text/csv' },
  )
  expect(dry).toMatchObject({ status: 200 })
  expect(dry.text).toContain('duplicate')
})
