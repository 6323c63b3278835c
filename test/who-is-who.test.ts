import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { type Client, openClinic, statuses, times } from './clinic'
import { deliver, holdTheQueue, newKey } from './directory'

const PATIENTS = '/api/v1/patients'
const PHONE = '+12025550101'
const JOHN = { name: 'John Smith', phone: PHONE, age: 60, gender: 'male', shared_phone: true }

afterEach(() => {
  vi.useRealTimers()
})

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

const count = (clinic: Client) =>
  env.DB.prepare('SELECT count(*) AS n FROM patients WHERE clinic_id = ?').bind(clinic.clinicId).first('n')

/** A patient as it was stored before names were folded as they are today. */
const storedBefore = (
  clinic: Client,
  name: string,
  folded: string,
  more: { phone?: string; owner?: boolean } = {},
) =>
  env.DB.prepare(
    `INSERT INTO patients (id, clinic_id, name, name_folded, phone, phone_owner, gender, created_at, op_id)
     VALUES (?1, ?2, ?3, ?4, ?5, iif(?6, ?5, NULL), 'Male', ?7, ?1)`,
  )
    .bind(
      `old-${name}-${clinic.clinicId}`,
      clinic.clinicId,
      name,
      folded,
      more.phone ?? PHONE,
      more.owner ?? true,
      1,
    )
    .run()

test.each([
  ['another age', { age: 30 }],
  ['an age two years less', { age: 58 }],
  ['another gender', { gender: 'female' }],
  ['another gender, as one letter', { gender: 'F' }],
])('father and son share name and phone: %s is another person', async (_, change) => {
  const clinic = await openClinic()
  const father = await register(clinic, JOHN)
  const son = await register(clinic, { ...JOHN, ...change })
  expect([father.status, son.status]).toEqual([201, 201])
  expect(son.body.id).not.toBe(father.body.id)
  for (const [known, said] of [
    [father, JOHN],
    [son, { ...JOHN, ...change }],
  ] as const)
    expect(await register(clinic, said)).toMatchObject({ status: 200, body: { id: known.body.id } })
  expect(await count(clinic)).toBe(2)
})

test.each([
  ['the same', {}],
  ['a year more', { age: 61 }],
  ['a year less', { age: 59 }],
  ['no age', { age: null }],
  ['no gender', { gender: null }],
  ['the gender in capitals', { gender: 'MALE' }],
  ['the gender as a letter', { gender: 'm' }],
  ['an e-mail', { email: 'john@example.com' }],
])('%s contradicts nothing: the same patient', async (_, change) => {
  const clinic = await openClinic()
  const first = await register(clinic, JOHN)
  expect(await register(clinic, { ...JOHN, ...change })).toMatchObject({ status: 200, body: first.body })
})

test('genders of any script are compared without case', async () => {
  const clinic = await openClinic()
  await register(clinic, { ...JOHN, gender: 'Женский' })
  expect((await register(clinic, { ...JOHN, gender: 'ЖЕНСКИЙ' })).status).toBe(200)
  expect((await register(clinic, { ...JOHN, gender: 'мужской' })).status).toBe(201)
})

test('patients grow older: the years since they were registered, and one more, contradict nothing', async () => {
  vi.useFakeTimers({ now: new Date('2020-06-01T12:00:00Z'), toFake: ['Date'] })
  const clinic = await openClinic()
  await register(clinic, JOHN)
  vi.setSystemTime(new Date('2024-06-03T12:00:00Z'))
  expect((await register(clinic, { ...JOHN, age: 65 })).status).toBe(200)
  expect((await register(clinic, { ...JOHN, age: 55 })).status).toBe(200)
  expect((await register(clinic, { ...JOHN, age: 66 })).status).toBe(201)
})

test('without shared_phone a known name on a known phone is the known patient, the one who fits best', async () => {
  const clinic = await openClinic()
  await register(clinic, JOHN)
  const son = await register(clinic, { ...JOHN, age: 30 })
  const { shared_phone: _, ...plain } = JOHN
  expect(await register(clinic, { ...plain, age: 31 })).toMatchObject({ status: 200, body: son.body })
  expect((await register(clinic, { ...plain, age: 5 })).status).toBe(200)
  expect(await count(clinic)).toBe(2)
})

test('a retry gets its own patient, and twenty equal requests make one', async () => {
  const clinic = await openClinic()
  await register(clinic, JOHN)
  const key = { 'Idempotency-Key': 'son' }
  const son = { ...JOHN, age: 30 }
  const first = await clinic.post(PATIENTS, son, key)
  expect(await clinic.post(PATIENTS, son, key)).toMatchObject({ status: 201, body: first.body })
  const daughters = await Promise.all(times(20, () => register(clinic, { ...JOHN, gender: 'female' })))
  expect(statuses(daughters)).toEqual({ 201: 1, 200: 19 })
  expect(await count(clinic)).toBe(3)
})

test.each([
  ['O’Brien', ["O'Brien", 'o´brien', 'OʼBRIEN']],
  ['Anne-Marie Weiß', ['ANNE–MARIE WEISS', 'Anne‑Marie Weiß\u200b']],
  ['Łukasz Ørsted', ['lukasz orsted', 'ŁUKASZ ØRSTED']],
  ['أحمد فؤاد', ['احمد فواد', 'أَحمد فُؤاد']],
  ['Фёдор', ['ФЕДОР']],
  ['Νίκος', ['ΝΙΚΟΣ']],
])('%s is the same patient in every spelling, in requests and in files', async (name, spellings) => {
  const clinic = await openClinic()
  const { body } = await register(clinic, { name, phone: PHONE })
  for (const spelling of spellings)
    expect(await register(clinic, { name: spelling, phone: PHONE })).toMatchObject({
      status: 200,
      body: { id: body.id, name },
    })
  const rows = [name, ...spellings].map((spelling) => `${spelling},${PHONE},,,`)
  const outcomes = await importRows(clinic, rows)
  expect(new Set(outcomes)).toEqual(
    new Set(['duplicate_in_directory', ...(rows.length > 1 ? ['duplicate_in_file'] : [])]),
  )
  expect(await count(clinic)).toBe(1)
})

test('a patient stored before under an older folding is found: by requests, by files, by dry runs', async () => {
  const clinic = await openClinic()
  await storedBefore(clinic, 'Sean O’Brien', 'sean o’brien')
  await storedBefore(clinic, 'Weiß', 'weiß', { phone: '+12025550102' })
  await storedBefore(clinic, 'Ørsted', 'ørsted', { phone: '+12025550103' })
  expect(await register(clinic, { name: "Sean O'Brien", phone: PHONE })).toMatchObject({
    status: 200,
    body: { name: 'Sean O’Brien' },
  })
  expect((await register(clinic, { name: 'Sean O’Brien', phone: PHONE })).status).toBe(200)
  expect((await register(clinic, { name: 'Maeve O’Brien', phone: PHONE })).status).toBe(409)
  expect((await register(clinic, { name: 'Maeve O’Brien', phone: PHONE, shared_phone: true })).status).toBe(
    201,
  )
  const dryRun = await clinic.send(
    'POST',
    `${PATIENTS}/bulk?dry_run=true`,
    'name,phone\nWeiss,+12025550102\n',
    {
      'Idempotency-Key': newKey(),
      'Content-Type': 'text/csv',
    },
  )
  expect(dryRun.body).toMatchObject({ create: 0, duplicate: 1 })
  expect(await importRows(clinic, ['WEISS,+12025550102,,,', 'orsted,+12025550103,,,true'])).toEqual([
    'duplicate_in_directory',
    'duplicate_in_directory',
  ])
  expect(await count(clinic)).toBe(4)
})

test('two who were two under the older folding stay two, and the earlier one is found', async () => {
  const clinic = await openClinic()
  await storedBefore(clinic, 'O’Brien', 'o’brien')
  await storedBefore(clinic, "O'Brien", "o'brien", { owner: false })
  await storedBefore(clinic, 'O´Brien', 'o ́brien', { owner: false })
  const replies = await Promise.all(times(5, () => register(clinic, { name: 'o`brien', phone: PHONE })))
  expect(statuses(replies)).toEqual({ 200: 5 })
  expect(new Set(replies.map(({ body }) => body.id)).size).toBe(1)
  expect(await count(clinic)).toBe(3)
})

test('rows of a file that was staged under the older folding make no second patient', async () => {
  const clinic = await openClinic()
  const first = await register(clinic, { name: "O'Brien", phone: PHONE })
  const file = `name,phone\nO’Brien,${PHONE}\nWeiß,+12025550102\n`
  const headers = { 'Idempotency-Key': newKey(), 'Content-Type': 'text/csv' }
  const { body } = await clinic.send('POST', `${PATIENTS}/bulk`, file, headers)
  await env.DB.prepare(
    `UPDATE staged_rows SET cells = json_set(json_remove(cells, '$.folding', '$.gender_folded'),
       '$.folded', lower(cells->>'name')), identity = cells->>'phone' || char(10) || lower(cells->>'name')
     WHERE job_id = ?`,
  )
    .bind(body.job_id)
    .run()
  await deliver(sent.splice(0))
  const { result } = (await clinic.get(`${PATIENTS}/bulk/${body.job_id}`)).body
  expect(result.patients).toMatchObject([{ reason: 'duplicate_in_directory' }, { status: 'created' }])
  expect((await register(clinic, { name: 'WEISS', phone: '+12025550102' })).status).toBe(200)
  expect(first.status).toBe(201)
})

test.each([[[0, 1]], [[1, 0]], [[1, 0, 1]]])(
  'father and son in one file are two in any order of chunks: %j',
  async (order) => {
    const clinic = await openClinic()
    const filler = times(1_100, (n) => `Filler ${n},+1303555${String(n).padStart(4, '0')},,,`)
    const family = ['John Smith,+12025550101,60,male,', 'JOHN SMITH,2025550101,61,m,true']
    const sons = [
      'John Smith,2025550101,30,male,true',
      'John Smith,2025550101,30,,',
      'John Smith,2025550101,,f,true',
    ]
    const file = ['name,phone,age,gender,shared_phone', ...family, ...filler, ...sons, ''].join('\n')
    const headers = { 'Idempotency-Key': newKey(), 'Content-Type': 'text/csv' }
    const { body } = await clinic.send('POST', `${PATIENTS}/bulk`, file, headers)
    sent.length = 0
    for (const chunk of order) await deliver([{ job_id: body.job_id, chunk }])
    const { result } = (await clinic.get(`${PATIENTS}/bulk/${body.job_id}`)).body
    const outcomes = result.patients.map((row: Record<string, string>) => row.reason ?? row.status)
    expect([...outcomes.slice(0, 2), ...outcomes.slice(-3)]).toEqual([
      'created',
      'duplicate_in_file',
      'created',
      'duplicate_in_file',
      'created',
    ])
    expect(await count(clinic)).toBe(1_103)
  },
)
