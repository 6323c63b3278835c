import { env } from 'cloudflare:workers'
import { expect, test, vi } from 'vitest'
import { allPages, keyFor, openClinic, statuses, times } from './clinic'
import { badFile, deliver, holdTheQueue, newKey, refused, strayRows } from './directory'
import {
  asCsv,
  asNdjson,
  BULK,
  contentOf,
  countsOf,
  type Format,
  fileOf,
  imported,
  outcomesOf,
  statusOf,
  storedOf,
  TESTS,
  type TestRow,
  testRow,
  upload,
} from './lab'

const sent = holdTheQueue()

test.each<[Format, firstRow: number, path: string]>([
  ['csv', 2, BULK],
  ['ndjson', 1, BULK],
  ['csv', 2, '/tests/bulk'],
  ['ndjson', 1, '/tests/bulk'],
])(
  'a hundred records in a file of %s are stored, each with its row from %i on: %s',
  async (format, firstRow, path) => {
    const clinic = await openClinic()
    const rows = times(100, (n) => testRow(clinic.clinicId, `T${n}`, `line ${n}\n"high", 5;6`))
    const accepted = await upload(clinic, fileOf(format, rows), { format, path })
    expect(accepted).toMatchObject({ status: 202, body: { status: 'pending', total_tests: 100 } })
    expect(accepted.body.message).toContain(`${BULK}/${accepted.body.job_id}`)
    await deliver(sent)
    const status = (await clinic.get(`${path}/${accepted.body.job_id}`)).body
    expect(status).toMatchObject({ status: 'completed', progress_percentage: 100 })
    expect(countsOf(status)).toEqual({ total: 100, processed: 100, duplicate: 0, failed: 0 })
    expect(status.result.tests).toEqual(
      rows.map(({ test_id }, n) => ({ row: n + firstRow, test_id, status: 'created' })),
    )
    const listed = (await clinic.get(`/tests?clinic_id=${clinic.clinicId}&limit=1000`)).body
    expect(listed).toEqual(rows.map((row) => ({ ...row, created_at: expect.any(String) })))
  },
)

test('an imported record is known to POST /tests, and the other way round: the same is a duplicate, other fields differ', async () => {
  const clinic = await openClinic()
  const of = (id: string, result?: string) => testRow(clinic.clinicId, id, result)
  await clinic.post('/tests', of('same'))
  await clinic.post('/tests', of('other', 'positive'))
  const before = await storedOf(clinic)
  const { status } = await imported(
    sent,
    clinic,
    asCsv([
      { ...of('same'), test_id: ' same ' },
      of('other'),
      of('new'),
      of('new'),
      of('new', 'positive'),
      { ...of('same'), patient_id: 'X' },
    ]),
  )
  expect(outcomesOf(status)).toEqual([
    'duplicate duplicate_in_directory',
    'failed differs',
    'created',
    'duplicate duplicate_in_file',
    'failed differs',
    'failed differs',
  ])
  expect(countsOf(status)).toEqual({ total: 6, processed: 3, duplicate: 2, failed: 3 })
  expect(status.message).toBe('The import is completed: 1 test created, 2 duplicates, 3 rows failed')
  expect(await storedOf(clinic)).toEqual({ ...before, new: expect.any(String) })
  expect((await clinic.post('/tests', of('new'))).status).toBe(409)
})

test('each of test_id, patient_id, clinic_id, test_type and result counts when records are compared', async () => {
  const clinic = await openClinic({ scopes: ['*', 'clinics:*'] })
  const row = testRow(clinic.clinicId, 'T')
  await imported(sent, clinic, asCsv([row]))
  const changed = (['patient_id', 'clinic_id', 'test_type', 'result'] as const).map((field) => ({
    ...row,
    [field]: 'other',
  }))
  const { status } = await imported(sent, clinic, asCsv([...changed, { ...row, test_id: 't' }, row]))
  expect(outcomesOf(status)).toEqual([
    ...times(4, () => 'failed differs'),
    'created',
    'duplicate duplicate_in_directory',
  ])
})

test('rows can be listed by what became of them, page by page, and those that differ are in failed.csv', async () => {
  const clinic = await openClinic()
  const of = (id: string, result?: string) => testRow(clinic.clinicId, id, result)
  await imported(sent, clinic, asCsv(times(5, (n) => of(`T${n}`))))
  const { job } = await imported(
    sent,
    clinic,
    asCsv(times(9, (n) => of(`T${n}`, n === 3 ? 'positive' : 'negative'))),
  )
  const idsOf = async (rows: string) =>
    (await allPages(clinic, `${BULK}/${job}?rows=${rows}&limit=2`)).flatMap(({ body }) =>
      body.result.tests.map(({ test_id }: TestRow) => test_id),
    )
  expect(await idsOf('duplicate')).toEqual(['T0', 'T1', 'T2', 'T4'])
  expect(await idsOf('failed')).toEqual(['T3'])
  expect(await idsOf('created')).toEqual(['T5', 'T6', 'T7', 'T8'])
  expect(await idsOf('all')).toHaveLength(9)
  expect((await clinic.get(`${BULK}/${job}/failed.csv`)).text).toBe(
    `test_id,patient_id,clinic_id,test_type,result,row,reason\r\nT3,P-T3,${clinic.clinicId},blood,positive,5,differs\r\n`,
  )
  const succeeded = (await clinic.get(`${BULK}/${job}/succeeded.csv`)).text.trimEnd().split('\r\n')
  expect(succeeded.slice(1).map((line) => line.split(',').slice(-2).join())).toEqual([
    '7,T5',
    '8,T6',
    '9,T7',
    '10,T8',
  ])
})

test('a dry run counts what an import would create, finds duplicates, names the rows that differ, and keeps nothing', async () => {
  const clinic = await openClinic()
  const of = (id: string, result?: string) => testRow(clinic.clinicId, id, result)
  await imported(sent, clinic, asCsv([of('A'), of('B', 'positive')]))
  const before = await storedOf(clinic)
  const { body } = await upload(
    clinic,
    asNdjson([of('A'), of('B'), of('C'), of('C'), of('B'), of('C', 'positive'), { ...of('D'), result: '' }]),
    { format: 'ndjson', query: '?dry_run=true' },
  )
  expect(body).toMatchObject({ create: 1, duplicate: 2, invalid: 4, total: 7 })
  const differs = "'test_id' is the test_id of a record with other fields, which stays as it is"
  expect(body.faults.map(({ message }: { message: string }) => message)).toEqual([
    `Row 2: ${differs}`,
    `Row 5: ${differs}`,
    `Row 6: ${differs}`,
    "Row 7: 'result' is required",
  ])
  expect([await storedOf(clinic), await strayRows()]).toEqual([before, 0])
})

test.each<[what: string, change: Partial<Record<keyof TestRow, string>>, rule: string]>([
  ['no test_id', { test_id: '' }, "'test_id' is required"],
  ['a blank patient_id', { patient_id: ' \u200b ' }, "'patient_id' is required"],
  ['an accent alone', { test_type: '\u0301' }, "'test_type' must not be blank"],
  ['a result of accents alone', { result: '\u0301\n' }, "'result' must not be blank"],
  ['a long test_id', { test_id: 'x'.repeat(201) }, "'test_id' must have at most 200 characters"],
  [
    'two lines in test_type',
    { test_type: 'a\nb' },
    "'test_type' must be one line, without tabs and line breaks",
  ],
  ['a NUL', { result: 'a\0' }, "'result' must not hold a NUL"],
  ['a long result', { result: 'x'.repeat(100_001) }, "'result' must have at most 100000 characters"],
])(
  '%s: refused in both formats as POST /tests refuses it, with its row, and nothing is left',
  async (_, change, rule) => {
    const clinic = await openClinic()
    const rows = [testRow(clinic.clinicId, 'T1'), { ...testRow(clinic.clinicId, 'T2'), ...change }]
    expect((await clinic.post('/tests', rows[1])).status).toBe(400)
    for (const [format, row] of [
      ['csv', 3],
      ['ndjson', 2],
    ] as const)
      expect(refused(await upload(clinic, fileOf(format, rows), { format }))).toEqual(
        badFile(`Row ${row}: ${rule}`),
      )
    expect(await storedOf(clinic)).toEqual({})
    expect((await clinic.get(`${BULK}/jobs`)).body).toEqual({ total_jobs: 0, jobs: [] })
    expect(await strayRows()).toBe(0)
  },
)

/** The longest text that was bound to a statement since, in bytes. */
function longestBound(): () => number {
  const statement = Object.getPrototypeOf(env.DB.prepare('SELECT 1')) as D1PreparedStatement
  const bind = vi.spyOn(statement, 'bind')
  const bytesOf = (value: unknown) => (typeof value === 'string' ? Buffer.byteLength(value) : 0)
  return () => Math.max(...bind.mock.calls.flatMap((values) => values.map(bytesOf)))
}

const D1_TEXT_BYTES_MAX = 2_000_000

test.each<[Format]>([['csv'], ['ndjson']])(
  'results as long as POST /tests takes them are stored whole, a few to a chunk, from %s',
  async (format) => {
    const clinic = await openClinic()
    const longest = ['😀', '"', '漢'].map((sign) => [...sign.repeat(100_000)].slice(0, 100_000).join(''))
    const rows = times(20, (n) => testRow(clinic.clinicId, `T${n}`, longest[n % 3]))
    expect((await clinic.post('/tests', rows[0])).status).toBe(201)
    const longestSoFar = longestBound()
    const { job, status } = await imported(sent, clinic, fileOf(format, rows), { format })
    expect(countsOf(status)).toEqual({ total: 20, processed: 20, duplicate: 1, failed: 0 })
    expect(longestSoFar()).toBeLessThan(D1_TEXT_BYTES_MAX / 2)
    expect(await storedOf(clinic)).toEqual(
      Object.fromEntries(rows.map((row) => [row.test_id, contentOf(row)])),
    )
    const chunks = await env.DB.prepare('SELECT count(*) AS n FROM import_chunks WHERE job_id = ?')
      .bind(job)
      .first('n')
    expect(chunks).toBeGreaterThan(1)
    const again = await imported(sent, clinic, fileOf(format, rows), { format })
    expect(countsOf(again.status)).toEqual({ total: 20, processed: 20, duplicate: 20, failed: 0 })
  },
)

test('of a bad row the result is kept whole, so that its repair stores no cut one; a longer one stays bad', async () => {
  const clinic = await openClinic()
  const result = '"x😀'.repeat(33_000)
  const rows = [
    { ...testRow(clinic.clinicId, 'A', result), patient_id: '' },
    testRow(clinic.clinicId, 'B', '😀'.repeat(100_200)),
    testRow(clinic.clinicId, 'C'),
  ]
  const longestSoFar = longestBound()
  const { job, status } = await imported(sent, clinic, asCsv(rows), { query: '?mode=partial' })
  expect(countsOf(status)).toEqual({ total: 3, processed: 1, duplicate: 0, failed: 2 })
  expect(longestSoFar()).toBeLessThan(D1_TEXT_BYTES_MAX / 2)
  const failed = (await clinic.get(`${BULK}/${job}/failed.csv`)).text
  const repair = (file: string) =>
    clinic.send('POST', `${BULK}/${job}/rows`, file, {
      'Idempotency-Key': newKey(),
      'Content-Type': 'text/csv',
    })
  expect(refused(await repair(failed.replace('A,,', 'A,P-A,')))).toEqual(
    badFile("Row 3: 'result' must have at most 100000 characters"),
  )
  const [header, first] = failed.split('\r\n')
  expect((await repair(`${header}\r\n${first?.replace('A,,', 'A,P-A,')}\r\n`)).status).toBe(202)
  await deliver(sent.splice(0))
  expect((await storedOf(clinic)).A).toBe(contentOf(testRow(clinic.clinicId, 'A', result)))
})

test('the scopes of medical tests are needed, and a key of the upload is required', async () => {
  const clinic = await openClinic()
  const file = asCsv([testRow(clinic.clinicId, 'T')])
  const { job } = await imported(sent, clinic, file)
  const [reader, stranger] = [
    await keyFor(clinic.clinicId, ['tests:read']),
    await keyFor(clinic.clinicId, ['patients:read', 'patients:write', 'hospitals:read', 'hospitals:write']),
  ]
  const denied = [
    await upload(reader, file),
    await upload(stranger, file),
    await stranger.get(`${BULK}/${job}`),
    await stranger.get(`${BULK}/jobs`),
    await stranger.get(`${BULK}/${job}/succeeded.csv`),
    await (await keyFor(clinic.clinicId, ['tests:write'])).get(`${BULK}/${job}/succeeded.csv`),
  ]
  expect(statuses(denied)).toEqual({ 403: 6 })
  expect(statuses([await reader.get(`${BULK}/${job}`), await reader.get(`${BULK}/jobs`)])).toEqual({ 200: 2 })
  expect(await clinic.send('POST', BULK, file, { 'Content-Type': 'text/csv' })).toMatchObject({
    status: 400,
    body: { type: '/problems/idempotency_key_required' },
  })
})

test('with its key the same file is the same job; jobs of other kinds are not in its list', async () => {
  const clinic = await openClinic()
  const rows = [testRow(clinic.clinicId, 'T')]
  const replies = [
    await upload(clinic, asCsv(rows), { key: 'k' }),
    await upload(clinic, asCsv(rows), { key: 'k' }),
  ]
  expect(new Set(replies.map(({ text }) => text)).size).toBe(1)
  expect((await upload(clinic, asCsv([testRow(clinic.clinicId, 'U')]), { key: 'k' })).status).toBe(422)
  const patients = await clinic.send('POST', '/api/v1/patients/bulk', 'name,phone\nA,2025550101\n', {
    'Idempotency-Key': newKey(),
    'Content-Type': 'text/csv',
  })
  expect((await clinic.get(`${BULK}/${patients.body.job_id}`)).status).toBe(404)
  expect((await clinic.get(`/api/v1/patients/bulk/${replies[0]?.body.job_id}`)).status).toBe(404)
  expect((await clinic.get(`${BULK}/jobs`)).body).toMatchObject({
    total_jobs: 1,
    jobs: [{ job_id: replies[0]?.body.job_id, total_tests: 1, duplicate_tests: 0 }],
  })
})

test('neither results nor patients of a file get into the logs, the list of jobs, the status or the audit', async () => {
  const lines: string[] = []
  for (const method of ['log', 'error', 'warn'] as const)
    vi.spyOn(console, method).mockImplementation((...said) => lines.push(said.join(' ')))
  const clinic = await openClinic()
  const of = (id: string, result: string) => ({
    ...testRow(clinic.clinicId, id, result),
    patient_id: 'Zebulon',
  })
  const rows = [
    of('T1', 'Zacharias'),
    of('T1', 'Zacharias'),
    of('T1', 'Zephaniah'),
    { ...of('T2', 'Zacharias'), test_type: '' },
  ]
  const { job, status } = await imported(sent, clinic, asCsv(rows), { query: '?mode=partial' })
  expect(outcomesOf(status)).toEqual([
    'created',
    'duplicate duplicate_in_file',
    'failed differs',
    'failed invalid',
  ])
  const told = [
    ...lines,
    JSON.stringify(status),
    (await clinic.get(`${BULK}/jobs`)).text,
    (await clinic.get(`${BULK}/${job}/live`)).text,
    (await clinic.get('/api/v1/audit')).text,
  ].join('\n')
  expect(told).toContain('import.chunk_done')
  expect(told).toContain('"action":"import.accepted"')
  expect(told).not.toMatch(/Zebulon|Zacharias|Zephaniah/i)
})

test('a job that is over can be neither cancelled nor resumed, and an unknown one is 404', async () => {
  const clinic = await openClinic()
  const { job } = await imported(sent, clinic, asCsv([testRow(clinic.clinicId, 'T')]))
  const unknown = crypto.randomUUID()
  const steps = ['cancel', 'resume'].map((step) => [
    `${TESTS}/bulk/${job}/${step}`,
    `${BULK}/${unknown}/${step}`,
  ])
  for (const [over = '', gone = ''] of steps)
    expect([(await clinic.post(over)).status, (await clinic.post(gone)).status]).toEqual([409, 404])
  expect((await statusOf(clinic, job)).status).toBe('completed')
})
