import { env } from 'cloudflare:workers'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { readRows } from '../src/imports/file/rows'
import { type Client, openClinic, times } from './clinic'
import {
  badFile,
  deliver,
  HOSPITALS,
  holdTheQueue,
  newKey,
  refused,
  strayRows,
  uploadUnder,
  utf8,
} from './directory'
import { asNdjson, BULK as TESTS, testRow } from './lab'

const sent = holdTheQueue()

const PATIENTS = '/api/v1/patients/bulk'
const NDJSON = 'application/x-ndjson'

const send = (clinic: Client, path: string, file: string | Uint8Array, contentType = NDJSON) =>
  clinic.send('POST', path, file, { 'Idempotency-Key': newKey(), 'Content-Type': contentType })

const sendForm = (clinic: Client, path: string, file: string | Uint8Array, name: string) => {
  const form = new FormData()
  form.set('file', new File([file], name))
  return clinic.send('POST', path, form, { 'Idempotency-Key': newKey() })
}

const sentencesOf = ({ body }: { body: { errors: { message: string }[] } }) =>
  body.errors.map(({ message }) => message)

const hospital = { name: 'Mercy', address: '1 High St,\nRear' }

test.each<[how: string, upload: (clinic: Client, file: string) => ReturnType<typeof send>]>([
  ['the body', (clinic, file) => send(clinic, `${HOSPITALS}/bulk`, file)],
  [
    'the body, with a charset',
    (clinic, file) => send(clinic, `${HOSPITALS}/bulk`, file, 'Application/X-NDJSON; charset=utf-8'),
  ],
  ['a form with .ndjson', (clinic, file) => sendForm(clinic, `${HOSPITALS}/bulk`, file, 'x.ndjson')],
  ['a form with .JSONL', (clinic, file) => sendForm(clinic, `${HOSPITALS}/bulk`, file, 'x.csv.JSONL')],
])('hospitals are imported from NDJSON, sent as %s', async (_, upload) => {
  const clinic = await openClinic()
  const { body } = await upload(clinic, asNdjson([hospital, { address: '2', name: 'Hope', phone: null }]))
  await deliver(sent)
  const { result } = (await clinic.get(`${HOSPITALS}/status/${body.job_id}`)).body
  expect(result.hospitals).toEqual([
    { row: 1, name: 'Mercy', status: 'created_and_activated' },
    { row: 2, name: 'Hope', status: 'created_and_activated' },
  ])
  expect((await clinic.get(`${HOSPITALS}?q=mercy`)).body).toMatchObject([hospital])
})

test('patients are imported from NDJSON; an age may be a number and shared_phone true or false', async () => {
  const clinic = await openClinic()
  const rows = [
    { name: 'Ada', phone: '2025550101', age: 36, gender: null, shared_phone: false },
    { name: 'Bob', phone: '2025550101', age: '7', shared_phone: true },
    { name: 'Eve', phone: '2025550102', age: 1.5 },
    { name: 'Zoe', phone: 2_025_550_103, age: true, shared_phone: 'no' },
  ]
  const refusal = await send(clinic, PATIENTS, asNdjson(rows))
  expect(sentencesOf(refusal)).toEqual([
    "Row 3: 'age' must be a whole number from 0 to 150",
    "Row 4: 'phone' must be a string",
    "Row 4: 'age' must be a string",
    "Row 4: 'shared_phone' must be true or false",
  ])
  const { body } = await send(clinic, `${PATIENTS}?mode=partial`, asNdjson(rows))
  await deliver(sent)
  const { result } = (await clinic.get(`${PATIENTS}/${body.job_id}`)).body
  expect(result.patients.map(({ status }: { status: string }) => status)).toEqual([
    'created',
    'created',
    'failed',
    'failed',
  ])
  const ages = await env.DB.prepare('SELECT name, age FROM patients WHERE clinic_id = ? ORDER BY name')
    .bind(clinic.clinicId)
    .all()
  expect(ages.results).toEqual([
    { name: 'Ada', age: 36 },
    { name: 'Bob', age: 7 },
  ])
  const failed = (await clinic.get(`${PATIENTS}/${body.job_id}/failed.csv`)).text
  expect(failed).toContain('Zoe,2025550103,true,,,no,,,,,4,invalid')
  const corrected = asNdjson([{ name: 'Zoe', phone: '2025550103', row: 4 }])
  expect((await send(clinic, `${PATIENTS}/${body.job_id}/rows`, corrected)).status).toBe(202)
  await deliver(sent)
  expect((await clinic.get(`${PATIENTS}/${body.job_id}`)).body).toMatchObject({
    processed_patients: 3,
    failed_patients: 1,
  })
})

test('fields that no rule knows are listed in dry run and accept alike, near ones have a warning, and none has data', async () => {
  const clinic = await openClinic()
  const rows = [
    { ...hospital, Beds: 200, Telephone: '1', '+1 202 555 0100': 'x' },
    { name: 'Hope', ADDRESS: '2', beds: [1], Beds: {} },
  ]
  const expected = {
    ignored_columns: ['Beds', 'Telephone', '(data)', 'beds'],
    warnings: ["Column 'Telephone' is ignored; did you mean 'phone'?"],
  }
  expect((await send(clinic, `${HOSPITALS}/bulk?dry_run=true`, asNdjson(rows))).body).toMatchObject({
    create: 2,
    ...expected,
  })
  const accepted = await send(clinic, `${HOSPITALS}/bulk`, asNdjson(rows))
  expect(accepted.body).toMatchObject({ total_hospitals: 2, ...expected })
  expect(accepted.body.separator).toBeUndefined()
})

test('a line that is no object is the fault of that row alone, and a partial import takes the others', async () => {
  const clinic = await openClinic()
  const of = (id: string) => JSON.stringify(testRow(clinic.clinicId, id))
  const file = [
    of('A'),
    '',
    '{"test_id": "SECRET" "x"}',
    '["SECRET"]',
    '{"test_id":"SECRET"} 1',
    'SECRET',
    of('B'),
    '  ',
    '',
  ].join('\r\n')
  const refusal = await send(clinic, TESTS, file)
  expect(sentencesOf(refusal)).toEqual([
    'Row 3: the line is not JSON: column 22: a comma or } was expected',
    'Row 4: the line must be a JSON object',
    'Row 5: the line is not JSON: column 22: the line should end here',
    'Row 6: the line is not JSON: column 1: a value was expected: a text in double quotes, a number, true, false, null, { or [',
  ])
  expect(refusal.text).not.toContain('SECRET')
  const { body } = await send(clinic, `${TESTS}?mode=partial`, file)
  await deliver(sent)
  const { result } = (await clinic.get(`${TESTS}/${body.job_id}`)).body
  expect(
    result.tests.map(({ row, test_id, status }: Record<string, string>) => [row, test_id, status]),
  ).toEqual([
    [1, 'A', 'created'],
    [3, '', 'failed'],
    [4, '', 'failed'],
    [5, '', 'failed'],
    [6, '', 'failed'],
    [7, 'B', 'created'],
  ])
})

test.each<[what: string, change: object, message: string]>([
  ['a number', { result: 5 }, "'result' must be a string"],
  ['a list', { result: ['negative'] }, "'result' must be a string"],
  ['true', { test_type: true }, "'test_type' must be a string"],
  ['null', { result: null }, "'result' is required"],
  ['no field', { result: undefined }, "'result' is required"],
  [
    'half of a surrogate pair',
    { result: 'a\ud800' },
    "'result' must not hold half of a surrogate pair; send whole characters",
  ],
  ['a field twice', { RESULT: 'x' }, "field 'result' occurs twice"],
])('a value that is %s: its row is refused, and a partial import can be read', async (_, change, message) => {
  const clinic = await openClinic()
  const file = asNdjson([testRow(clinic.clinicId, 'A'), { ...testRow(clinic.clinicId, 'B'), ...change }])
  expect(refused(await send(clinic, TESTS, file))).toEqual(badFile(`Row 2: ${message}`))
  const { body } = await send(clinic, `${TESTS}?mode=partial`, file)
  await deliver(sent)
  const status = await clinic.get(`${TESTS}/${body.job_id}?rows=failed`)
  expect(status.body.result.tests).toMatchObject([
    { row: 2, test_id: 'B', status: 'failed', reason: 'invalid' },
  ])
  expect((await clinic.get(`${TESTS}/${body.job_id}/failed.csv`)).text).toContain(`Row 2: ${message}`)
})

const good = '{"name":"Secret","address":"1"}\n'
const MEBIBYTE = 1024 * 1024

test.each<[what: string, file: string | Uint8Array, message: string]>([
  ['0 bytes', '', 'The file is empty'],
  ['blank lines', '\n \r\n\n', 'The file is empty'],
  [
    'a JSON array',
    '[\n{"name":"Secret"}]',
    'Row 1: this is a JSON array; send one object on each line, no brackets',
  ],
  ['an object over several lines', '\n{\n"name": "Secret"\n}', 'Row 2: an object must stand on one line'],
  ['CSV', 'name,address\nSecret,1\n', 'Row 1: this is not NDJSON: each line must be one JSON object'],
  [
    'gzip',
    new Uint8Array(gzipSync(good)),
    'Row 1: the file is compressed; send the CSV itself, for gzip is not UTF-8',
  ],
  [
    'UTF-16',
    new Uint8Array([0xff, 0xfe, 65, 0]),
    'Row 1: the file is UTF-16 and not UTF-8; save it as CSV UTF-8',
  ],
  [
    'Latin-1',
    new Uint8Array([...utf8(`${good}{"name":"Secret`), 0xe9, 0x22, 0x7d]),
    'Row 2: from here on the file is not UTF-8; save it as UTF-8',
  ],
  [
    'a character cut off at the end',
    new Uint8Array([...utf8(good), 0x7b, 0xc3]),
    'Row 2: from here on the file is not UTF-8; save it as UTF-8',
  ],
  [
    'a line of 1 MiB',
    `${good}{"name":"${'x'.repeat(MEBIBYTE)}"}\n${good}`,
    'Row 2: a line may have at most 262144 bytes',
  ],
  [
    'a line without end',
    `${good}{"name":"${'x'.repeat(MEBIBYTE)}`,
    'Row 2: a line may have at most 262144 bytes',
  ],
  [
    '300 fields',
    `{${times(300, (n) => `"f${n}":1`).join()}}`,
    'Row 1: a file may have at most 256 fields that are none of this import',
  ],
])('%s: 400 that says where, repeats no value, leaves nothing', async (_, file, message) => {
  const clinic = await openClinic()
  for (const reply of [
    await sendForm(clinic, `${HOSPITALS}/bulk`, file, 'x.ndjson'),
    await sendForm(clinic, `${HOSPITALS}/bulk?mode=partial`, file, 'x.ndjson'),
  ]) {
    expect(refused(reply)).toEqual(badFile(message))
    expect(reply.text).not.toContain('Secret')
  }
  expect(await strayRows()).toBe(0)
})

test('a file of another name is refused, and the limits of rows and bytes are those of CSV', async () => {
  const clinic = await openClinic()
  expect(refused(await sendForm(clinic, `${HOSPITALS}/bulk`, good, 'x.json'))).toEqual(
    badFile('The file’s name must end with .csv, or with .ndjson or .jsonl'),
  )
  const headers = { 'Content-Type': NDJSON }
  const rows = times(6, (n) => JSON.stringify({ ...hospital, name: `${n}` })).join('\n')
  expect(refused(await uploadUnder({ BULK_ROWS_MAX: '5' }, clinic, rows, headers))).toEqual(
    badFile('The file may have at most 5 rows'),
  )
  const bytes = utf8(rows).byteLength
  expect(refused(await uploadUnder({ BULK_BYTES_MAX: `${bytes - 1}` }, clinic, rows, headers))).toEqual(
    badFile(`The file may have at most ${bytes - 1} bytes`),
  )
  expect(
    (await uploadUnder({ BULK_BYTES_MAX: `${bytes}`, BULK_ROWS_MAX: '6' }, clinic, rows, headers)).status,
  ).toBe(202)
})

test('half of a surrogate pair in a bad row is listed as a replacement character', async () => {
  const clinic = await openClinic()
  const rows = [testRow(clinic.clinicId, 'A'), testRow(clinic.clinicId, 'B\ud800')]
  const { body } = await send(clinic, `${TESTS}?mode=partial`, asNdjson(rows))
  await deliver(sent)
  const { result } = (await clinic.get(`${TESTS}/${body.job_id}?rows=failed`)).body
  expect(result.tests).toMatchObject([{ row: 2, test_id: 'B\ufffd', reason: 'invalid' }])
})

const BEGINNINGS = { csv: 'a\n', ndjson: '{"a":"' }

test.each(['csv', 'ndjson'] as const)(
  'a line without end in a file of %s is given up at its limit, and the file is closed',
  async (format) => {
    let [pulled, isClosed] = [0, false]
    async function* endless() {
      try {
        for (; pulled < 100; pulled += 1)
          yield utf8(pulled === 0 ? BEGINNINGS[format] : 'x'.repeat(64 * 1024))
      } finally {
        isClosed = true
      }
    }
    const columns = [{ name: 'a', isRequired: true }]
    const rules: unknown[] = []
    for await (const { fault } of readRows({ bytes: endless(), format: () => format }, { columns }, () => {}))
      rules.push(fault?.rule)
    expect([rules, isClosed]).toEqual([['record_size'], true])
    expect(pulled).toBeLessThan(10)
  },
)

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.byteLength; from += size) yield bytes.subarray(from, from + size)
}

test.each<[string, file: Uint8Array, rows: unknown[]]>([
  [
    'a BOM, CRLF and no line end',
    utf8('\uFEFF{"a":"é😀"}\r\n\r\n{"a":"x\\ny"}'),
    [
      [1, 'é😀'],
      [3, 'x\ny'],
    ],
  ],
  [
    'a BOM before a later line',
    utf8('{"a":"x"}\n\uFEFF{"a":"y"}\n'),
    [[1, 'x'], expect.stringMatching(/^Row 2: the line is not JSON: column 1/)],
  ],
  [
    'a carriage return in a text',
    utf8('{"a":"x\ry"}\n'),
    [expect.stringMatching(/^Row 1: .*column 8: a line break or control/)],
  ],
  ['names of Object', utf8('{"__proto__":{"a":"1"},"constructor":1,"a":"x"}\n'), [[1, 'x']]],
])('%s: the same in pieces of any size', async (_, file, expected) => {
  for (const size of [1, 2, 3, 7, file.length]) {
    const read: unknown[] = []
    const arriving = { bytes: inPieces(file, size), format: () => 'ndjson' as const }
    for await (const { row, cells, fault } of readRows(
      arriving,
      { columns: [{ name: 'a', isRequired: true }] },
      () => {},
    ))
      read.push(fault ? fault.message : [row, cells.a])
    expect([size, read]).toEqual([size, expected])
  }
})
