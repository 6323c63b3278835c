import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { type Client, keyFor, openClinic, openFrontDesk, statuses, times } from './clinic'
import { deliver, holdTheQueue, newKey } from './directory'

const PATIENTS = '/api/v1/patients'
const ADA = { name: 'Ada Lovelace', phone: '+12025550101' }
const MRN = { system: 'mrn', value: 'A-1' }
const FIELDS = {
  birth_date: '1980-06-15',
  identifiers: [MRN, { system: 'urn:oid:2.16/passport', value: 'X 99' }],
  language: 'pt-BR',
  notes: 'Calls after five.\nHard of hearing.',
  contact_ok: false,
}

const sent = holdTheQueue()

afterEach(() => {
  vi.useRealTimers()
})

const setClock = (instant: string) =>
  vi.isFakeTimers()
    ? vi.setSystemTime(new Date(instant))
    : vi.useFakeTimers({ now: new Date(instant), toFake: ['Date'] })

async function change(clinic: Client, id: string, body: object, headers: Record<string, string> = {}) {
  const etag = (await clinic.get(`${PATIENTS}/${id}`)).headers.get('ETag') ?? ''
  return clinic.send('PATCH', `${PATIENTS}/${id}`, JSON.stringify(body), { 'If-Match': etag, ...headers })
}

test('the fields of a desk are kept, read, changed and removed', async () => {
  setClock('2026-06-14T12:00:00Z')
  const clinic = await openClinic()
  const { status, body } = await clinic.post(PATIENTS, { ...ADA, ...FIELDS, language: 'PT-br' })
  expect([status, body]).toEqual([201, expect.objectContaining({ ...ADA, ...FIELDS, age: 45 })])
  expect((await clinic.get(`${PATIENTS}/${body.id}`)).body).toEqual(body)
  expect((await clinic.get(`${PATIENTS}?q=ada`)).body).toEqual([body])
  const wanted = { language: 'de', notes: 'Moved.', contact_ok: true, identifiers: [MRN] }
  expect((await change(clinic, body.id, wanted)).body).toEqual({ ...body, ...wanted })
  const nothing = { birth_date: null, language: null, notes: null, contact_ok: null }
  const bare = await change(clinic, body.id, { ...nothing, identifiers: null })
  expect(bare.body).toEqual({ ...body, ...nothing, identifiers: [], age: null })
  expect((await clinic.get(`${PATIENTS}/${body.id}`)).body).toEqual(bare.body)
  expect((await change(clinic, body.id, { identifiers: [] })).status).toBe(200)
})

test('a birth date tells the age of today at the clinic, on the day itself too', async () => {
  setClock('2026-06-14T11:59:00Z')
  const [east, utc] = [await openClinic({ timeZone: 'Pacific/Auckland' }), await openClinic()]
  const born = { ...ADA, birth_date: '1980-06-15' }
  const ids = [(await east.post(PATIENTS, born)).body.id, (await utc.post(PATIENTS, born)).body.id]
  const ages = async () => [
    (await east.get(`${PATIENTS}/${ids[0]}`)).body.age,
    (await utc.get(`${PATIENTS}/${ids[1]}`)).body.age,
  ]
  expect(await ages()).toEqual([45, 45])
  setClock('2026-06-14T12:00:00Z')
  expect(await ages()).toEqual([46, 45])
  setClock('2026-06-15T00:00:00Z')
  expect(await ages()).toEqual([46, 46])
  const today = { name: 'New', phone: '+12025550102', birth_date: '2026-06-15' }
  expect((await utc.post(PATIENTS, today)).body.age).toBe(0)
})

test('an age beside a birth date must be the one that it gives; a retry after midnight is the same request', async () => {
  setClock('2026-06-14T23:59:00Z')
  const clinic = await openClinic()
  const born = { ...ADA, birth_date: '1980-06-15' }
  for (const age of [44, 47])
    expect(await clinic.post(PATIENTS, { ...born, age })).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'age', rule: 'value' }] },
    })
  const key = { 'Idempotency-Key': 'k' }
  const first = await clinic.post(PATIENTS, { ...born, age: 45 }, key)
  setClock('2026-06-15T00:01:00Z')
  const again = await clinic.post(PATIENTS, { ...born, age: 45 }, key)
  expect([first.status, again.status, again.body]).toEqual([201, 201, { ...first.body, age: 46 }])
})

test('an age that contradicts the stored birth date changes nothing, unless that date goes', async () => {
  setClock('2026-07-01T12:00:00Z')
  const clinic = await openClinic()
  const { body } = await clinic.post(PATIENTS, { ...ADA, birth_date: '1980-06-15' })
  expect(await change(clinic, body.id, { age: 40, notes: 'x' })).toMatchObject({
    status: 400,
    body: { errors: [{ field: 'age' }] },
  })
  expect((await clinic.get(`${PATIENTS}/${body.id}`)).body).toEqual(body)
  expect((await change(clinic, body.id, { age: 46 })).body).toEqual(body)
  expect((await change(clinic, body.id, { age: null })).body).toEqual(body)
  const aged = await change(clinic, body.id, { age: 40, birth_date: null })
  expect([aged.status, aged.body.age, aged.body.birth_date]).toEqual([200, 40, null])
  const born = await change(clinic, body.id, { birth_date: '1990-01-01' })
  expect([born.body.age, (await change(clinic, body.id, { birth_date: null })).body.age]).toEqual([36, null])
})

test('a late retry of a change of the age gets its answer, also if a birth date came after it', async () => {
  const clinic = await openClinic()
  const { body } = await clinic.post(PATIENTS, { ...ADA, age: 30 })
  const key = { 'If-Match': '"1"', 'Idempotency-Key': 'age' }
  expect((await change(clinic, body.id, { age: 40 }, key)).body.age).toBe(40)
  const born = await change(clinic, body.id, { birth_date: '1950-01-01' })
  const again = await change(clinic, body.id, { age: 40 }, key)
  expect([again.status, again.body]).toEqual([200, born.body])
  const other = { ...key, 'Idempotency-Key': 'other' }
  expect((await change(clinic, body.id, { age: 40 }, other)).status).toBe(412)
})

test.each([
  [{ birth_date: '2026-02-30' }, 'birth_date'],
  [{ birth_date: '1849-12-31' }, 'birth_date'],
  [{ birth_date: '2026-06-17' }, 'birth_date'],
  [{ birth_date: '20260101' }, 'birth_date'],
  [{ language: 'deutsch sprechend' }, 'language'],
  [{ language: 'en-' }, 'language'],
  [{ language: 'de-DE-1901-1901' }, 'language'],
  [{ notes: 'x'.repeat(2_001) }, 'notes'],
  [{ notes: ' ' }, 'notes'],
  [{ contact_ok: 'yes' }, 'contact_ok'],
  [{ identifiers: MRN }, 'identifiers'],
  [{ identifiers: [MRN, MRN] }, 'identifiers'],
  [{ identifiers: times(21, (n) => ({ system: 'mrn', value: `${n}` })) }, 'identifiers'],
  [{ identifiers: [{ ...MRN, system: 'MRN' }] }, 'identifiers.0.system'],
  [{ identifiers: [{ ...MRN, system: 'a|b' }] }, 'identifiers.0.system'],
  [{ identifiers: [{ ...MRN, value: 'x'.repeat(101) }] }, 'identifiers.0.value'],
  [{ identifiers: [{ ...MRN, value: '\u200b' }] }, 'identifiers.0.value'],
  [{ identifiers: [{ system: 'mrn' }] }, 'identifiers.0.value'],
])('a patient with %j is 400, when registered and when changed', async (fields, field) => {
  setClock('2026-06-16T12:00:00Z')
  const clinic = await openClinic()
  const { body } = await clinic.post(PATIENTS, ADA)
  const replies = [
    await clinic.post(PATIENTS, { ...ADA, phone: '+12025550102', ...fields }),
    await change(clinic, body.id, fields),
  ]
  for (const reply of replies) expect([reply.status, reply.body.errors[0].field]).toEqual([400, field])
  expect((await clinic.get(`${PATIENTS}/${body.id}`)).body).toEqual(body)
})

test('an identifier belongs to one patient of a clinic and system, until it is removed', async () => {
  const [clinic, other] = [await openClinic(), await openClinic()]
  const { body: ada } = await clinic.post(PATIENTS, { ...ADA, identifiers: [MRN] })
  const bob = { name: 'Bob', phone: '+12025550102' }
  const refused = { status: 409, body: { type: '/problems/identifier_in_use' } }
  expect(await clinic.post(PATIENTS, { ...bob, identifiers: [MRN] })).toMatchObject(refused)
  const { body: known } = await clinic.post(PATIENTS, { ...bob, identifiers: [{ ...MRN, system: 'other' }] })
  expect(await change(clinic, known.id, { identifiers: [MRN] })).toMatchObject(refused)
  expect((await clinic.get(`${PATIENTS}/${known.id}`)).body).toEqual(known)
  expect((await change(clinic, known.id, { identifiers: [{ ...MRN, value: 'a-1' }] })).status).toBe(200)
  expect((await change(clinic, ada.id, { identifiers: [MRN], notes: 'same' })).status).toBe(200)
  expect((await other.post(PATIENTS, { ...bob, identifiers: [MRN] })).status).toBe(201)
  expect((await change(clinic, ada.id, { identifiers: null })).status).toBe(200)
  expect((await change(clinic, known.id, { identifiers: [MRN] })).status).toBe(200)
})

test('twenty patients race for one identifier and exactly one gets it, by registration or by change', async () => {
  const clinic = await openClinic()
  const person = (n: number) => ({ name: `Name ${n}`, phone: `+1202555${1000 + n}` })
  const raced = await Promise.all(
    times(20, (n) => clinic.post(PATIENTS, { ...person(n), identifiers: [MRN] })),
  )
  expect(statuses(raced)).toEqual({ 201: 1, 409: 19 })
  const others = await Promise.all(times(10, (n) => clinic.post(PATIENTS, person(50 + n))))
  const identifiers = [{ ...MRN, value: 'B-2' }]
  const changed = await Promise.all(others.map(({ body }) => change(clinic, body.id, { identifiers })))
  expect(statuses(changed)).toEqual({ 200: 1, 409: 9 })
})

test('notes for the desk are shown to keys that may write patients, and to no other, by any way', async () => {
  const clinic = await openClinic()
  const secret = 'Owes a bottle'
  const file = (...rows: string[]) =>
    clinic.send('POST', `${PATIENTS}/bulk`, ['name,phone,notes', ...rows, ''].join('\n'), {
      'Idempotency-Key': newKey(),
      'Content-Type': 'text/csv',
    })
  const { body: job } = await file(`Ada Byron,+12025550101,${secret}`, `Ada King,+12025550101,${secret}`)
  await deliver(sent.splice(0))
  const [ada] = (await clinic.get(PATIENTS)).body
  const twin = (await clinic.post(PATIENTS, { ...ADA, name: 'Ada Biron', shared_phone: true, notes: secret }))
    .body
  const old = (await clinic.post(PATIENTS, { name: 'Old', phone: '+12025550109', notes: secret })).body
  await clinic.post(`${PATIENTS}/${old.id}/merge`, { into: twin.id })
  const nurse = await keyFor(clinic.clinicId, ['patients:read', 'appointments:read'])
  for (const [path, count] of [
    [PATIENTS, 2],
    [`${PATIENTS}?q=ada&format=csv`, 2],
    [`${PATIENTS}/${ada.id}`, 1],
    [`${PATIENTS}/${old.id}`, 1],
    [`${PATIENTS}/search?phone=2025550101`, 1],
    [`${PATIENTS}/${ada.id}/duplicates`, 1],
    [`${PATIENTS}/bulk/${job.job_id}/failed.csv`, 1],
    [`${PATIENTS}/bulk/${job.job_id}/succeeded.csv`, 1],
  ] as const) {
    const [shown, kept] = [JSON.stringify((await clinic.get(path)).body), await nurse.get(path)]
    expect([path, shown.split(secret).length - 1, kept.status]).toEqual([path, count, 200])
    expect(JSON.stringify(kept.body)).not.toContain(secret)
  }
  const searched = await nurse.post(`${PATIENTS}/search`, { q: 'ada' })
  expect(searched.body).toMatchObject([{ notes: null }, { notes: null }])
})

test('a phone in use is told as such, beside identifiers too', async () => {
  const clinic = await openClinic()
  await clinic.post(PATIENTS, ADA)
  const reply = await clinic.post(PATIENTS, { ...ADA, name: 'Bob', identifiers: [MRN] })
  expect(reply).toMatchObject({ status: 409, body: { type: '/problems/phone_in_use' } })
})

test('who is known stays as stored, and the answer names what the request says otherwise', async () => {
  const clinic = await openClinic()
  const first = await clinic.post(PATIENTS, {
    ...ADA,
    gender: 'female',
    email: 'a@b.example',
    identifiers: [MRN],
  })
  expect([first.status, 'differs' in first.body]).toEqual([201, false])
  for (const [said, differs] of [
    [{}, []],
    [{ name: 'ADA  lovelace', phone: '(202) 555-0101' }, []],
    [{ gender: 'F', email: 'a@B.example', identifiers: [MRN] }, []],
    [{ gender: null, identifiers: [], contact_ok: null }, []],
    [{ gender: 'male', email: 'A@b.example' }, ['gender', 'email']],
    [{ age: 40 }, ['age']],
    [FIELDS, ['birth_date', 'identifiers', 'language', 'notes', 'contact_ok']],
  ] as const) {
    const { status, body } = await clinic.post(PATIENTS, { ...ADA, ...said })
    expect([said, status, body]).toEqual([said, 200, { ...first.body, differs: expect.any(Array) }])
    expect([said, body.differs.toSorted()]).toEqual([said, differs.toSorted()])
  }
  expect((await clinic.get(`${PATIENTS}/${first.body.id}`)).headers.get('ETag')).toBe('"1"')
})

test('an age is compared with that of the stored birth date', async () => {
  setClock('2026-07-01T12:00:00Z')
  const clinic = await openClinic()
  await clinic.post(PATIENTS, { ...ADA, birth_date: '1980-06-15' })
  expect((await clinic.post(PATIENTS, { ...ADA, age: 46 })).body.differs).toEqual([])
  expect((await clinic.post(PATIENTS, { ...ADA, age: 45 })).body.differs).toEqual(['age'])
})

test.each([
  ['a new name', {}, { name: 'Ada King' }],
  ['a new phone', {}, { phone: '+12025550199' }],
  ['a new phone of one who shares it', { shared_phone: true }, { phone: '+12025550199' }],
  ['a new name of one who shares the phone', { shared_phone: true }, { name: 'Ada King' }],
])(
  'after %s a late retry of the registration finds its patient, and registers nobody',
  async (_, more, changed) => {
    const clinic = await openClinic()
    if ('shared_phone' in more) await clinic.post(PATIENTS, { ...ADA, name: 'Augusta' })
    const register = (key: string) => clinic.post(PATIENTS, { ...ADA, ...more }, { 'Idempotency-Key': key })
    const [first, known] = [await register('first'), await register('known')]
    expect([first.status, known.status, known.body.id]).toEqual([201, 200, first.body.id])
    const { body } = await change(clinic, first.body.id, changed)
    const { keys } = await env.REPLIES.list()
    await Promise.all(keys.map(({ name }) => env.REPLIES.delete(name)))
    const retries = [await register('first'), await register('known')]
    expect(retries).toMatchObject([
      { status: 201, body },
      { status: 200, body: { ...body, differs: [] } },
    ])
    const all = (await clinic.get(PATIENTS)).body
    expect(all).toHaveLength('shared_phone' in more ? 2 : 1)
  },
)

test('a key that may not read patients is told nothing of what differs', async () => {
  const clinic = await openClinic()
  const { body } = await clinic.post(PATIENTS, { ...ADA, ...FIELDS })
  const key = await keyFor(clinic.clinicId, ['patients:write'])
  const again = await key.post(PATIENTS, { ...ADA, notes: 'other' })
  expect([again.status, again.body]).toEqual([200, { id: body.id, created: false }])
})

const JOHN = { name: 'John Smith', phone: '+12025550101', shared_phone: true }

test.each([
  ['the same birth date', { birth_date: '1960-01-01' }, 200],
  ['another birth date, of the same age', { birth_date: '1960-01-02' }, 201],
  ['the age that it gives', { age: 66 }, 200],
  ['an age rounded up', { age: 67 }, 200],
  ['an age of two years more', { age: 68 }, 201],
  ['nothing', {}, 200],
])('who shares name and phone and was born in 1960 is known by %s: %j is %i', async (_, said, status) => {
  setClock('2026-07-01T12:00:00Z')
  const clinic = await openClinic()
  await clinic.post(PATIENTS, { ...JOHN, birth_date: '1960-01-01' })
  expect((await clinic.post(PATIENTS, { ...JOHN, ...said })).status).toBe(status)
})

test.each([
  ['1959-07-02', 201],
  ['1961-07-02', 200],
  ['1963-01-01', 200],
  ['1963-07-03', 201],
])('who was 60 on 1 July 2022 may be born on %s: %i', async (birth_date, status) => {
  setClock('2022-07-01T12:00:00Z')
  const clinic = await openClinic()
  await clinic.post(PATIENTS, { ...JOHN, age: 60 })
  setClock('2032-07-01T12:00:00Z')
  expect((await clinic.post(PATIENTS, { ...JOHN, birth_date })).status).toBe(status)
})

test('an age that was corrected counts from its correction on, and not from the registration', async () => {
  setClock('2020-07-01T12:00:00Z')
  const clinic = await openClinic()
  const { body } = await clinic.post(PATIENTS, { ...JOHN, age: 60 })
  setClock('2030-07-01T12:00:00Z')
  expect((await change(clinic, body.id, { age: 70 })).status).toBe(200)
  setClock('2032-07-02T12:00:00Z')
  expect((await clinic.post(PATIENTS, { ...JOHN, age: 73 })).body.id).toBe(body.id)
  expect((await clinic.post(PATIENTS, { ...JOHN, age: 60 })).status).toBe(201)
})

test('a change of a birth date or an age makes no two patients of one name and phone alike', async () => {
  setClock('2026-07-01T12:00:00Z')
  const clinic = await openClinic()
  await clinic.post(PATIENTS, { ...JOHN, birth_date: '1960-01-01' })
  const { body } = await clinic.post(PATIENTS, { ...JOHN, birth_date: '1990-01-01' })
  for (const wanted of [{ birth_date: '1960-01-01' }, { birth_date: null }, { birth_date: null, age: 66 }])
    expect((await change(clinic, body.id, wanted)).status).toBe(409)
  for (const wanted of [{ birth_date: '1960-01-02' }, { birth_date: null, age: 30 }])
    expect((await change(clinic, body.id, wanted)).status).toBe(200)
})

test('notes and identifiers are in no answer but those about patients', async () => {
  const desk = await openFrontDesk({ scopes: ['*', 'admin'] })
  const { body } = await desk.post(PATIENTS, { ...ADA, ...FIELDS })
  const date = new Date().toISOString().slice(0, 10)
  const booked = await desk.post('/api/v1/appointments', {
    patient_id: body.id,
    doctor_id: desk.doctorId,
    date,
  })
  const arrived = await desk.post('/api/v1/checkins', { appointment_id: booked.body.id, patient_id: body.id })
  expect([booked.status, arrived.status]).toEqual([201, 201])
  const replies = [booked, arrived]
  for (const path of [
    `/api/v1/appointments?patient_id=${body.id}`,
    `/api/v1/appointments/${booked.body.id}`,
    `/api/v1/checkins/doctors/${desk.doctorId}/queue?date=${date}`,
    `/api/v1/doctors/${desk.doctorId}/days/${date}`,
    `/api/v1/doctors/${desk.doctorId}/days/${date}/events`,
    '/api/v1/audit',
  ])
    replies.push(await desk.get(path))
  for (const { status, text } of replies) {
    expect(status).toBeLessThan(300)
    expect(text).not.toMatch(/Calls after|A-1|X 99|1980-06-15/)
  }
  const kept = env.DB.prepare(
    'SELECT group_concat(reply) AS replies FROM idempotency_keys WHERE clinic_id = ?',
  )
  expect(await kept.bind(desk.clinicId).first('replies')).toBeNull()
})

const BULK = `${PATIENTS}/bulk`
const upload = (clinic: Client, file: string, query = '') =>
  clinic.send('POST', BULK + query, file, { 'Idempotency-Key': newKey(), 'Content-Type': 'text/csv' })

async function imported(clinic: Client, file: string, query = ''): Promise<string[]> {
  const { body } = await upload(clinic, file, query)
  await deliver(sent.splice(0))
  const { result } = (await clinic.get(`${BULK}/${body.job_id}`)).body
  return result.patients.map((row: Record<string, string>) => row.reason ?? row.status)
}

test('a file of patients may have birth dates, languages, notes and consents', async () => {
  setClock('2026-07-01T12:00:00Z')
  const clinic = await openClinic()
  const file = [
    'name,phone,age,birth_date,language,notes,contact_ok,identifiers',
    'Ada,+12025550101,46,1980-06-15,PT-br,"Calls after five.\nHard of hearing.",FALSE,mrn|A-1',
    'Bob,+12025550102,40,,,,,',
    '',
  ].join('\n')
  const { status, body } = await upload(clinic, file)
  expect([status, body.ignored_columns]).toEqual([202, ['identifiers']])
  await deliver(sent.splice(0))
  const { body: people } = await clinic.get(PATIENTS)
  expect(people).toMatchObject([
    { ...FIELDS, name: 'Ada', age: 46, identifiers: [] },
    { name: 'Bob', age: 40, birth_date: null, language: null, notes: null, contact_ok: null },
  ])
  expect((await clinic.get(`${PATIENTS}?birth_date=1980-06-15&q=ad`)).body).toHaveLength(1)
  const succeeded = await clinic.get(`${BULK}/${body.job_id}/succeeded.csv`)
  expect(succeeded.text).toContain('1980-06-15,pt-BR,"Calls after five.\nHard of hearing.",false')
})

test('a bad cell of these columns is told with its row and field', async () => {
  setClock('2026-07-01T12:00:00Z')
  const clinic = await openClinic()
  const row = (cells: string, n: number) => `P${n},+1202555${1000 + n},${cells}`
  const cells = [
    ',1849-12-31,,,',
    ',2026-07-02,,,',
    '40,1980-06-15,,,',
    ',,en_US,,',
    `,,,${'x'.repeat(2_001)},`,
  ]
  const { status, body } = await upload(
    clinic,
    ['name,phone,age,birth_date,language,notes,contact_ok', ...[...cells, ',,,,yes'].map(row), ''].join('\n'),
  )
  expect(status).toBe(400)
  expect(body.errors.map(({ row, field }: { row: number; field: string }) => [row, field])).toEqual([
    [2, 'birth_date'],
    [3, 'birth_date'],
    [4, 'age'],
    [5, 'language'],
    [6, 'notes'],
    [7, 'contact_ok'],
  ])
  expect(body.message).toContain("Row 3: 'birth_date' must not be after today at the clinic")
})

test('in a file, too, birth dates tell namesakes on one phone apart', async () => {
  setClock('2026-07-01T12:00:00Z')
  const clinic = await openClinic()
  await clinic.post(PATIENTS, { ...JOHN, birth_date: '1930-01-01' })
  const rows = [
    '1930-01-01,,',
    '1960-01-01,,',
    '1960-01-01,,',
    '1960-01-02,,',
    ',66,',
    ',30,',
    '1996-01-01,,',
    ',96,',
    ',5,',
  ]
  const file = [
    'name,phone,birth_date,age,shared_phone',
    ...rows.map((row) => `John Smith,2025550101,${row}true`),
    '',
  ]
  const outcomes = [
    'duplicate_in_directory',
    'created',
    'duplicate_in_file',
    'created',
    'duplicate_in_file',
    'created',
    'duplicate_in_file',
    'duplicate_in_file',
    'created',
  ]
  const dry = await upload(clinic, file.join('\n'), '?dry_run=true')
  expect(dry.body).toMatchObject({ create: 4, duplicate: 5 })
  expect(await imported(clinic, file.join('\n'))).toEqual(outcomes)
})
