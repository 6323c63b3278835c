import { env } from 'cloudflare:workers'
import { expect, test, vi } from 'vitest'
import { type Client, keyFor, openClinic, statuses, times } from './clinic'
import {
  badFile,
  deliver,
  HOSPITALS,
  holdTheQueue,
  csv as hospitalsCsv,
  newKey,
  refused,
  strayRows,
  upload as uploadHospitals,
} from './directory'

const PATIENTS = '/api/v1/patients'
const BULK = `${PATIENTS}/bulk`

const sent = holdTheQueue()

const csv = (...rows: string[]) => ['name,phone,shared_phone', ...rows, ''].join('\n')

const upload = (clinic: Client, file: string, key = newKey()) =>
  clinic.send('POST', BULK, file, { 'Idempotency-Key': key, 'Content-Type': 'text/csv' })

const statusOf = (clinic: Client, jobId: string) => clinic.get(`${BULK}/${jobId}`)

async function imported(clinic: Client, file: string) {
  const { body } = await upload(clinic, file)
  await deliver(sent.splice(0))
  return (await statusOf(clinic, body.job_id)).body
}

const outcomes = (status: Awaited<ReturnType<typeof imported>>): string[] =>
  status.result.patients.map((row: Record<string, string>) => row.reason ?? row.status)

const stored = async (clinic: Client) =>
  (
    await env.DB.prepare('SELECT * FROM patients WHERE clinic_id = ? ORDER BY id')
      .bind(clinic.clinicId)
      .all<Record<string, string | number | null>>()
  ).results

test('a file of patients is accepted, imported and told of, and its patients are patients', async () => {
  const clinic = await openClinic({ country: 'US' })
  const accepted = await upload(
    clinic,
    'Phone,NAME,age,gender,email\n(202) 555-0101,Ada Lovelace,36,female,ada@example.com\n2025550102,Bob,,,\n',
  )
  expect(accepted.status).toBe(202)
  expect(accepted.body).toEqual({
    job_id: expect.any(String),
    status: 'pending',
    message: expect.stringContaining(`${BULK}/${accepted.body.job_id}`),
    total_patients: 2,
  })
  expect((await statusOf(clinic, accepted.body.job_id)).body).toMatchObject({
    status: 'pending',
    result: null,
  })
  await deliver(sent)
  expect((await statusOf(clinic, accepted.body.job_id)).body).toMatchObject({
    status: 'completed',
    total_patients: 2,
    processed_patients: 2,
    failed_patients: 0,
    progress_percentage: 100,
    result: {
      patients: [
        { row: 2, name: 'Ada Lovelace', status: 'created' },
        { row: 3, name: 'Bob', status: 'created' },
      ],
    },
  })
  const [ada, bob] = await stored(clinic)
  expect((await clinic.get(`${PATIENTS}/${ada?.id}`)).body).toMatchObject({
    name: 'Ada Lovelace',
    phone: '+12025550101',
    age: 36,
    gender: 'female',
    email: 'ada@example.com',
  })
  expect(bob).toMatchObject({ age: null, gender: null, email: null, phone_owner: '+12025550102' })
})

test('who was imported is known to POST /patients, and the other way round', async () => {
  const clinic = await openClinic()
  await clinic.post(PATIENTS, { name: 'José Núñez', phone: '+12025550101' })
  const status = await imported(
    clinic,
    csv(
      'jose  NUNEZ,2025550101,', // the same patient
      'Byron,2025550101,', // another on his phone
      'Annabella,2025550101,true', // who shares it
      'Grace,2025550102,',
    ),
  )
  expect(outcomes(status)).toEqual(['duplicate_in_directory', 'phone_in_use', 'created', 'created'])
  expect([status.processed_patients, status.failed_patients]).toEqual([2, 2])
  const replies = [
    await clinic.post(PATIENTS, { name: 'GRACE', phone: '+12025550102' }),
    await clinic.post(PATIENTS, { name: 'Byron', phone: '+12025550102' }),
  ]
  expect(statuses(replies)).toEqual({ 200: 1, 409: 1 })
})

/** Rows over three chunks with many names on few phones, and what the rules make of them one after another. */
function crowd(count: number) {
  let seed = 7
  const upTo = (max: number) => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed % max
  }
  const [seen, phones] = [new Set<string>(), new Set<string>()]
  const rows = times(count, () => ({ name: `N${upTo(5)}`, phone: 3_000 + upTo(500), shared: upTo(3) === 0 }))
  const expected = rows.map(({ name, phone, shared }) => {
    const [isSeen, isTaken] = [seen.has(`${name} ${phone}`), phones.has(String(phone))]
    seen.add(`${name} ${phone}`)
    phones.add(String(phone))
    if (isSeen) return 'duplicate_in_file'
    return isTaken && !shared ? 'phone_in_use' : 'created'
  })
  return { expected, lines: rows.map(({ name, phone, shared }) => `${name},202555${phone},${shared}`) }
}

test.each([[[0, 1, 2]], [[2, 1, 0]], [[1, 2, 0, 0, 1]]])(
  'the first row of a file counts, for a patient and for a phone, when chunks run as %j',
  async (order) => {
    const clinic = await openClinic()
    const { expected, lines } = crowd(2_400)
    const { body } = await upload(clinic, csv(...lines))
    for (const chunk of order) await deliver([{ job_id: body.job_id, chunk }])
    const status = (await statusOf(clinic, body.job_id)).body
    expect(outcomes(status)).toEqual(expected)
    expect(status.processed_patients + status.failed_patients).toBe(2_400)
    const patients = await stored(clinic)
    expect(patients).toHaveLength(status.processed_patients)
    const owners = patients.flatMap(({ phone_owner }) => phone_owner ?? [])
    expect(owners.sort()).toEqual([...new Set(patients.map(({ phone }) => phone))].sort())
  },
)

test('every bad row is told with its row and field, nothing of its cells, and nothing is left', async () => {
  const clinic = await openClinic()
  const reply = await upload(
    clinic,
    [
      'name,phone,age,email,shared_phone',
      'Ada,2025550101,36,a@b.de,true',
      ',SECRET,151,SECRET,SECRET',
      'Bob,callmemaybe,1.5,,TRUE',
      '',
    ].join('\n'),
  )
  expect(reply.body.errors.map((fault: { message: string }) => fault.message)).toEqual([
    "Row 3: 'name' is required",
    "Row 3: 'phone' must have at least 10 characters",
    "Row 3: 'age' must be a whole number from 0 to 150",
    "Row 3: 'email' must be an e-mail address",
    "Row 3: 'shared_phone' must be true or false",
    "Row 4: 'phone' must be a phone number, with country code or of the clinic’s country",
    "Row 4: 'age' must be a whole number from 0 to 150",
  ])
  expect(reply.text).not.toContain('SECRET')
  expect(refused(await upload(clinic, 'name\nAda\n'))).toEqual(
    badFile(
      expect.stringMatching(
        /^Row 1: column 'phone' is missing; the file has the columns 'name'; accepted are/,
      ),
    ),
  )
  expect((await clinic.get(BULK)).body).toEqual({ total_jobs: 0, jobs: [] })
  expect(await strayRows()).toBe(0)
})

test('a key is required; with it, the same file is the same job, also without KV', async () => {
  const clinic = await openClinic()
  expect(await clinic.send('POST', BULK, csv('A,2025550101,'), { 'Content-Type': 'text/csv' })).toMatchObject(
    { status: 400, body: { type: '/problems/idempotency_key_required' } },
  )
  const replies = [await upload(clinic, csv('A,2025550101,'), 'k')]
  replies.push(await upload(clinic, csv('A,2025550101,'), 'k'))
  vi.spyOn(Object.getPrototypeOf(env.REPLIES) as KVNamespace, 'get').mockResolvedValue(null as never)
  replies.push(await upload(clinic, csv('A,2025550101,'), 'k'))
  expect(statuses(replies)).toEqual({ 202: 3 })
  expect(new Set(replies.map(({ text }) => text)).size).toBe(1)
  expect(await upload(clinic, csv('B,2025550101,'), 'k')).toMatchObject({ status: 422 })
  expect((await clinic.get(BULK)).body).toMatchObject({ total_jobs: 1 })
})

test('a job of one kind does not exist under the other, and lists do not mix', async () => {
  const clinic = await openClinic()
  const patientsJob = (await upload(clinic, csv('A,2025550101,'))).body.job_id
  const hospitalsJob = (await uploadHospitals(clinic, hospitalsCsv('A,B,'))).body.job_id
  await deliver(sent)
  expect(await statusOf(clinic, hospitalsJob)).toMatchObject({ status: 404 })
  expect(await clinic.get(`${HOSPITALS}/status/${patientsJob}`)).toMatchObject({ status: 404 })
  const listed = [(await clinic.get(BULK)).body, (await clinic.get(`${HOSPITALS}/jobs`)).body]
  expect(listed).toMatchObject([
    { total_jobs: 1, jobs: [{ job_id: patientsJob, processed_patients: 1 }] },
    { total_jobs: 1, jobs: [{ job_id: hospitalsJob, processed_hospitals: 1 }] },
  ])
  const batch = await env.DB.prepare('SELECT batch_id FROM imports WHERE id = ?')
    .bind(patientsJob)
    .first<string>('batch_id')
  expect(await clinic.send('PATCH', `${HOSPITALS}/bulk/batch/${batch}/activate`)).toMatchObject({
    status: 404,
  })
})

test('the scopes of patients are needed, those of hospitals open nothing', async () => {
  const clinic = await openClinic()
  const [reader, stranger] = [
    await keyFor(clinic.clinicId, ['patients:read']),
    await keyFor(clinic.clinicId, ['hospitals:read', 'hospitals:write']),
  ]
  const { job_id } = (await upload(clinic, csv('A,2025550101,'))).body
  const denied = [
    await upload(reader, csv('A,2025550101,')),
    await upload(stranger, csv('A,2025550101,')),
    await statusOf(stranger, job_id),
    await stranger.get(BULK),
  ]
  expect(statuses(denied)).toEqual({ 403: 4 })
  expect(statuses([await statusOf(reader, job_id), await reader.get(BULK)])).toEqual({ 200: 2 })
})

test('neither names nor phones of a file get into the logs', async () => {
  const lines: string[] = []
  for (const method of ['log', 'error', 'warn'] as const)
    vi.spyOn(console, method).mockImplementation((...said) => lines.push(said.join(' ')))
  const clinic = await openClinic()
  await imported(clinic, csv('Zebulon,2025550177,', 'Zebulon,2025550177,', 'Zacharias,2025550177,'))
  expect(lines.length).toBeGreaterThan(0)
  expect(lines.join('\n')).not.toMatch(/Zebulon|Zacharias|5550177/i)
})

test('the rows that failed are downloaded with number and reason, by whoever may read patients', async () => {
  const clinic = await openClinic()
  const rows = ['Ada,202 555 0101,', ',202 555 0102,', 'Bob,+1 202 555 0101,false']
  const { body } = await clinic.send('POST', `${BULK}?mode=partial`, csv(...rows), {
    'Idempotency-Key': newKey(),
    'Content-Type': 'text/csv',
  })
  await deliver(sent)
  const path = `${BULK}/${body.job_id}/failed.csv`
  const { text } = await clinic.get(path)
  expect(text.trimEnd().split('\r\n')).toEqual([
    'name,phone,age,gender,email,shared_phone,birth_date,language,notes,contact_ok,row,reason',
    ",202 555 0102,,,,,,,,,3,invalid; Row 3: 'name' is required",
    "Bob,'+12025550101,,,,false,,,,,4,phone_in_use",
  ])
  const stranger = await keyFor(clinic.clinicId, ['hospitals:read', 'patients:write'])
  expect((await stranger.get(path)).status).toBe(403)
  expect((await clinic.get(`${HOSPITALS}/jobs/${body.job_id}/failed.csv`)).status).toBe(404)
  expect((await clinic.get(`${BULK}/${crypto.randomUUID()}/failed.csv`)).status).toBe(404)
})
