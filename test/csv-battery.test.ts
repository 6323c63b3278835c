import { env } from 'cloudflare:workers'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { readCsv } from '../src/imports/csv'
import { type Client, openClinic } from './clinic'
import {
  badFile,
  csv,
  deliver,
  expectNothingLeft,
  heldQueue,
  holdTheQueue,
  leftOf,
  manyRows,
  refused,
  statusOf,
  upload,
  uploadUnder,
  utf8,
} from './directory'

holdTheQueue()

const utf16 = (text: string) => {
  const units = Uint16Array.from([0xfeff, ...[...text].map((letter) => letter.charCodeAt(0))])
  return new Uint8Array(units.buffer)
}
const latin1 = (text: string) => Uint8Array.from([...text].map((letter) => letter.charCodeAt(0)))
const MEBIBYTE = 1024 * 1024

/** A word that stands in the refused files, and must not stand in any refusal. */
const SECRET = 'Secret'
const GOOD = `${SECRET} Hospital,1 Main Street,2025550100`

test.each<[kind: string, file: string | Uint8Array, message: string | RegExp]>([
  ['0 bytes', '', 'The file is empty'],
  ['a header only', csv(), 'The file has a header and no rows'],
  [
    'a missing column',
    `name,phone\n${SECRET},1\n`,
    "Row 1: column 'address' is missing; the file has the columns 'name', 'phone'; accepted are 'name', 'address', 'phone' (optional)",
  ],
  ['a duplicate column', `name,address,NAME\n${SECRET},B,C\n`, "Row 1: column 'name' occurs twice"],
  ['a ragged row', csv(GOOD, `${SECRET},B,1,2`), 'Row 3: 4 values for 3 columns'],
  ['an unclosed quote', csv(GOOD, `"${SECRET},B,1`, GOOD), 'Row 3: a quote is opened and never closed'],
  [
    'a cell of 1 MiB',
    csv(GOOD, `${SECRET.repeat(MEBIBYTE / SECRET.length)},B,1`),
    'Row 3: a row may have at most 65536 characters',
  ],
  ['10,000 columns', `name,address${',x'.repeat(9_998)}\n`, 'Row 1: a file may have at most 256 columns'],
  ['UTF-16', utf16(csv(GOOD)), 'Row 1: the file is UTF-16 and not UTF-8; save it as CSV UTF-8'],
  [
    'Latin-1',
    latin1(csv(GOOD, `${SECRET} Café,B,1`)),
    'Row 3: from here on the file is not UTF-8; save it as CSV UTF-8',
  ],
  ['a NUL', csv(GOOD, `${SECRET}\0,B,1`), "Row 3: 'name' must not hold a NUL"],
  ['gzip named .csv', new Uint8Array(gzipSync(csv(GOOD))), /is not UTF-8$/],
])('%s: 400 that says where, repeats no cell, leaves nothing', async (_, file, message) => {
  const clinic = await openClinic()
  const reply = await upload(clinic, file)
  expect(refused(reply)).toEqual(
    badFile(typeof message === 'string' ? message : expect.stringMatching(message)),
  )
  expect(reply.text).not.toContain(SECRET)
  await expectNothingLeft(clinic)
})

test('two file parts: 400, and nothing is left', async () => {
  const clinic = await openClinic()
  const form = new FormData()
  for (const name of ['a.csv', 'b.csv']) form.append('file', new File([csv(GOOD)], name))
  const reply = await clinic.send('POST', '/api/v1/hospitals/bulk', form, { 'Idempotency-Key': 'two' })
  expect(refused(reply)).toEqual(badFile('Send one file only'))
  await expectNothingLeft(clinic)
})

test('one row more than allowed: 400, and nothing is left', async () => {
  const clinic = await openClinic()
  const reply = await uploadUnder({ BULK_ROWS_MAX: '5' }, clinic, csv(...manyRows(6)))
  expect(refused(reply)).toEqual(badFile('The file may have at most 5 rows'))
  await expectNothingLeft(clinic)
})

test.each(['with', 'without'])('one byte more than allowed, %s Content-Length: 400', async (announced) => {
  const clinic = await openClinic()
  const file = csv(...manyRows(5))
  const bytes = utf8(file).byteLength
  const headers: Record<string, string> = announced === 'with' ? { 'Content-Length': `${bytes}` } : {}
  const body = new Response(file).body ?? ''
  const reply = await uploadUnder({ BULK_BYTES_MAX: String(bytes - 1) }, clinic, body, headers)
  expect(refused(reply)).toEqual(badFile(`The file may have at most ${bytes - 1} bytes`))
  await expectNothingLeft(clinic)
})

/** What the job made of the file: for each row its name, or why it failed. */
async function taken(clinic: Client, file: string, name = 'hospitals.csv'): Promise<string[]> {
  const sent = heldQueue()
  const { body } = await upload(clinic, file, { name })
  await deliver(sent)
  const { result } = (await statusOf(clinic, body.job_id)).body
  return result.hospitals.map((row: Record<string, string>) => row.reason ?? row.name)
}

test.each<[kind: string, file: string, rows: string[]]>([
  ['an extra column', 'name,beds,address\nMercy,200,1 High St\n', ['Mercy']],
  ['CR only', 'name,address\rMercy,1 High St\rHope,2 High St\r', ['Mercy', 'Hope']],
  ['a BOM', '\uFEFFname,address\nMercy,1 High St\n', ['Mercy']],
  [
    'formula cells',
    csv('=1+1,@SUM(A1),', '"=HYPERLINK(""http://x"")",+1,'),
    ['=1+1', '=HYPERLINK("http://x")'],
  ],
  ['a duplicate row', csv('Mercy,1 High St,', 'Mercy,1 High St,'), ['Mercy', 'duplicate_in_file']],
])('%s: taken as data, as it stands', async (_, file, rows) => {
  expect(await taken(await openClinic(), file)).toEqual(rows)
})

test('../../x.csv: a name like any other: no part of it is kept', async () => {
  const clinic = await openClinic()
  expect(await taken(clinic, csv('Mercy,1 High St,'), '../../x.csv')).toEqual(['Mercy'])
  expect(await leftOf(clinic)).toMatchObject({ imports: 1, hospitals: 1 })
  const { results } = await env.DB.prepare('SELECT * FROM imports WHERE clinic_id = ?')
    .bind(clinic.clinicId)
    .all()
  expect(JSON.stringify(results)).not.toContain('x.csv')
})

/** The cases of csv-spectrum, as this reader's columns see them. */
test.each<[string, string, string[][]]>([
  ['comma in quotes', 'first,last,address\nJohn,Doe,"120 any st., x"\n', [['John', 'Doe', '120 any st., x']]],
  [
    'empty',
    'a,b,c\n1,"",""\n2,3,4\n',
    [
      ['1', '', ''],
      ['2', '3', '4'],
    ],
  ],
  [
    'empty crlf',
    'a,b,c\r\n1,"",""\r\n2,3,4\r\n',
    [
      ['1', '', ''],
      ['2', '3', '4'],
    ],
  ],
  [
    'escaped quotes',
    'a,b\n1,"ha ""ha"" ha"\n3,4\n',
    [
      ['1', 'ha "ha" ha'],
      ['3', '4'],
    ],
  ],
  [
    'json',
    'key,val\n1,"{""type"": ""Point"", ""at"": [1, 2]}"\n',
    [['1', '{"type": "Point", "at": [1, 2]}']],
  ],
  [
    'newlines',
    'a,b,c\n1,2,3\n"Once\nupon",5,6\n',
    [
      ['1', '2', '3'],
      ['Once\nupon', '5', '6'],
    ],
  ],
  [
    'newlines crlf',
    'a,b\r\n1,2\r\n"Once\r\nupon",5\r\n',
    [
      ['1', '2'],
      ['Once\r\nupon', '5'],
    ],
  ],
  [
    'quotes and newlines',
    'a,b\n1,"ha\n""ha""\nha"\n3,4\n',
    [
      ['1', 'ha\n"ha"\nha'],
      ['3', '4'],
    ],
  ],
  ['simple', 'a,b,c\n1,2,3\n', [['1', '2', '3']]],
  ['simple crlf', 'a,b,c\r\n1,2,3\r\n', [['1', '2', '3']]],
  [
    'utf8',
    'a,b,c\n1,2,3\n4,5,ʤ\n',
    [
      ['1', '2', '3'],
      ['4', '5', 'ʤ'],
    ],
  ],
])('csv-spectrum: %s', async (_, file, expected) => {
  const columns = (file.split(/\r?\n/)[0] ?? '').split(',').map((name) => ({ name, isRequired: true }))
  for (const size of [1, 7, file.length]) {
    const read: string[][] = []
    for await (const row of readCsv(inPieces(utf8(file), size), columns))
      read.push(row.fault ? [row.fault.message] : Object.values(row.cells))
    expect([size, read]).toEqual([size, expected])
  }
})

const joined = (...parts: (string | number[])[]) =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === 'string' ? [...utf8(part)] : part)))
const [BAD, HALF] = [[0xfc], [0xc3]]

test.each<[where: string, row: number, file: Uint8Array]>([
  ['in the header', 1, joined('name,addr', BAD, 'ess\nOk,x\n')],
  ['at the very start', 1, joined(BAD, 'name,address\nOk,x\n')],
  ['in the first cell of the first row', 2, joined('name,address\nJ', BAD, 'r,x\nOk,x\n')],
  ['as the first byte of a row', 2, joined('name,address\n', BAD, 'r,x\nOk,x\n')],
  ['in the first cell of a later row', 3, joined('name,address\nOk,x\nJ', BAD, 'r,x\n')],
  ['in a later cell', 3, joined('name,address\nOk,x\nA,J', BAD, 'r\n')],
  ['in a row behind CRLF', 3, joined('name,address\r\nOk,x\r\nJ', BAD, 'r,x\r\n')],
  ['in the second line of a cell', 3, joined('name,address\nOk,x\n"A\nJ', BAD, 'r",x\n')],
  ['behind a closing quote', 3, joined('name,address\nOk,x\n"J"', BAD, ',x\n')],
  ['behind a replacement character', 4, joined('name,address\n\uFFFD,x\nOk,x\nJ', BAD, 'r,x\n')],
  ['behind é, 😀 and a BOM', 3, joined('\uFEFFname,address\né😀,x\nJ', BAD, 'r,x\n')],
  ['at the end of the file', 3, joined('name,address\nOk,x\nJ', HALF)],
  ['as a half character', 3, joined('name,address\nOk,x\nJ', HALF, 'r,x\n')],
])('bytes that are not UTF-8 %s are told with their row, in pieces of any size', async (_, row, file) => {
  const columns = ['name', 'address'].map((name) => ({ name, isRequired: true }))
  for (const size of [1, 2, 3, 5, 16, file.length]) {
    const told: unknown[] = []
    for await (const { fault } of readCsv(inPieces(file, size), columns)) if (fault) told.push(fault.message)
    const sentence = `Row ${row}: from here on the file is not UTF-8; save it as CSV UTF-8`
    expect([size, told]).toEqual([size, [sentence]])
  }
})

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.byteLength; from += size) yield bytes.subarray(from, from + size)
}
