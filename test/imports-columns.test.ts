import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { type Client, openClinic, type Reply } from './clinic'
import { deliver, expectNothingLeft, HOSPITALS, heldQueue, holdTheQueue, newKey, utf8 } from './directory'

holdTheQueue()

const PATIENTS = '/api/v1/patients/bulk'

const send = (clinic: Client, path: string, file: string | Uint8Array) =>
  clinic.send('POST', path, file, { 'Idempotency-Key': newKey(), 'Content-Type': 'text/csv' })

const hospitals = (clinic: Client, file: string | Uint8Array, query = '') =>
  send(clinic, `${HOSPITALS}/bulk${query}`, file)

async function namesOf(clinic: Client, file: string): Promise<string[]> {
  const sent = heldQueue()
  const { body } = await hospitals(clinic, file)
  await deliver(sent)
  const { result } = (await clinic.get(`${HOSPITALS}/status/${body.job_id}`)).body
  return result.hospitals.map(({ row, name }: { row: number; name: string }) => `${row} ${name}`)
}

const sentences = ({ body }: Reply): string[] =>
  body.errors.map(({ message }: { message: string }) => message)

test.each<[string, file: string, separator: string | undefined]>([
  ['semicolons', 'name;address;phone\nMercy;1 High St, Rear;\nHope;2 High St;\n', ';'],
  ['tabs', 'name\taddress\nMercy\t1 High St\nHope\t2 High St\n', '\t'],
  ['bars', 'name|address\nMercy|1 High St\nHope|2 High St\n', '|'],
  ['a line that declares semicolons', 'sep=;\r\nname;address\r\nMercy;1 High St\r\nHope;2 High St\r\n', ';'],
  ['a line that declares a comma', 'SEP=,\nname,address\nMercy,1;2\nHope,2 High St\n', undefined],
  ['a quoted line that declares a tab', '"sep=\t"\nname\taddress\nMercy\t1\nHope\t2\n', '\t'],
  ['a BOM, a declaration and quotes', '\uFEFFsep=;\n"name";"address"\n"Mercy";"1;2"\n"Hope";"a\nb"\n', ';'],
  ['semicolons, and commas in the header', 'beds, wards;name;address\n1;Mercy;2\n1;Hope;3\n', ';'],
  ['commas, and semicolons in the header', 'name,address,"beds;wards"\nMercy,1,\nHope,2,\n', undefined],
  ['empty lines before the header', '\n;;\n  \nname;address\nMercy;1\nHope;2\n', ';'],
])('a file with %s is taken, and the answer names its separator', async (_, file, separator) => {
  const clinic = await openClinic()
  const [dry, taken] = [await hospitals(clinic, file, '?dry_run=true'), await hospitals(clinic, file)]
  expect([dry.body.create, dry.body.separator]).toEqual([2, separator])
  expect([taken.status, taken.body.total_hospitals, taken.body.separator]).toEqual([202, 2, separator])
  expect(await namesOf(await openClinic(), file)).toEqual(['2 Mercy', '3 Hope'])
})

test('columns that no rule knows are listed in dry run and accept alike, and near ones have a warning', async () => {
  const clinic = await openClinic()
  const file = 'Name,Beds,Address,Telephone,,beds\nMercy,200,1 High St,2025550100,,\n'
  const expected = {
    ignored_columns: ['Beds', 'Telephone', 'beds'],
    warnings: ["Column 'Telephone' is ignored; did you mean 'phone'?"],
  }
  expect((await hospitals(clinic, file, '?dry_run=true')).body).toMatchObject(expected)
  expect((await hospitals(clinic, file)).body).toMatchObject(expected)
  const patients = await send(
    clinic,
    PATIENTS,
    'name,phone,e-mail,Gendre,Age (years),Shoes\nAda,2025550101,,,,\n',
  )
  expect(patients.body).toMatchObject({
    ignored_columns: ['e-mail', 'Gendre', 'Age (years)', 'Shoes'],
    warnings: [
      "Column 'e-mail' is ignored; did you mean 'email'?",
      "Column 'Gendre' is ignored; did you mean 'gender'?",
      "Column 'Age (years)' is ignored; did you mean 'age'?",
    ],
  })
})

test('a retry gets the same notes, with and without KV, and a plain file has none', async () => {
  const clinic = await openClinic()
  const [key, file] = [newKey(), 'name;address;beds\nMercy;1;2\n']
  const upload = () =>
    clinic.send('POST', `${HOSPITALS}/bulk`, file, { 'Idempotency-Key': key, 'Content-Type': 'text/csv' })
  const first = await upload()
  expect(first.body).toMatchObject({ separator: ';', ignored_columns: ['beds'] })
  expect((await upload()).text).toBe(first.text)
  const plain = await hospitals(clinic, 'name,address,phone\nHope,1,\n')
  expect(Object.keys(plain.body)).not.toEqual(expect.arrayContaining(['separator']))
  expect(plain.body.ignored_columns ?? plain.body.warnings).toBeUndefined()
})

test('a repair is read the same way; the columns of failed.csv are none that it ignores', async () => {
  const clinic = await openClinic()
  const sent = heldQueue()
  const { body } = await hospitals(clinic, 'name;address\nMercy;1\n;2\n', '?mode=partial')
  await deliver(sent.splice(0))
  const path = `${HOSPITALS}/jobs/${body.job_id}/rows`
  const repaired = await send(clinic, path, 'sep=;\nname;address;row;reason;Tel.Phone\nHope;2;3;x;\n\n;;;;\n')
  expect(repaired).toMatchObject({
    status: 202,
    body: {
      separator: ';',
      ignored_columns: ['Tel.Phone'],
      warnings: ["Column 'Tel.Phone' is ignored; did you mean 'phone'?"],
      message: expect.stringContaining('1 row runs again'),
    },
  })
})

test.each<[string, file: string, sentence: RegExp]>([
  [
    'semicolons and other names',
    'nom;adresse;tel\nA;B;1\n',
    /the separator seems to be ';'; the file has the columns 'nom', 'adresse', 'tel'; accepted are 'name', 'address', 'phone' \(optional\)$/,
  ],
  ['tabs and other names', 'nom\tadresse\nA\tB\n', /the separator seems to be a tab/],
  ['a declaration that is wrong', 'sep=,\nname;address\nA;B\n', /the separator seems to be ';'; the file/],
  [
    'a misspelt name',
    'name,Adress\nA,B\n',
    /column 'address' is missing \(did you mean 'address' by 'Adress'\?\)/,
  ],
  [
    'a longer name',
    'Hospital name,address\nA,B\n',
    /column 'name' is missing \(did you mean 'name' by 'Hospital name'\?\)/,
  ],
  [
    'no header',
    'Mercy,1 High St,2025550100,a@b.de\n',
    /'name' is missing; the first line must name the columns; the file has the columns 'Mercy', '1 High St', '\(data\)', '\(data\)';/,
  ],
  ['one known column', 'name,x\nA,B\n', /^Row 1: column 'address' is missing; the file has the columns/],
  ['one near column', 'Adress,x\nA,B\n', /^Row 1: column 'name' is missing; the file has the columns/],
  ['many columns', `${'x,'.repeat(30)}name\n`, /'x', 11 more; accepted/],
  ['UTF-16 without a mark', [...'name,address\n'].join('\0'), /seems to be UTF-16; save it as CSV UTF-8/],
])('a file with %s is told what it has and what is accepted', async (_, file, sentence) => {
  const clinic = await openClinic()
  const reply = await hospitals(clinic, file)
  expect(reply.status).toBe(400)
  expect(sentences(reply)[0]).toMatch(sentence)
  await expectNothingLeft(clinic)
})

test.each(['[id],name,address\n1,A,B\n', '{id},name,address\n1,A,B\n', '<id>,name,address\n1,A,B\n'])(
  'a column that only begins like another format is ignored: %j',
  async (file) => {
    const clinic = await openClinic()
    expect((await hospitals(clinic, file, '?dry_run=true')).body).toMatchObject({ create: 1 })
  },
)

const bytes = (...start: number[]) => new Uint8Array([...start, ...utf8('name,address\nA,B\n')])

test.each<[string, file: Uint8Array, sentence: RegExp]>([
  [
    'a spreadsheet (.xlsx)',
    bytes(0x50, 0x4b, 3, 4),
    /spreadsheet or another zip file; save it as CSV UTF-8$/,
  ],
  ['an empty zip', bytes(0x50, 0x4b, 5, 6), /zip file; save the spreadsheet as CSV UTF-8$/],
  [
    'an old spreadsheet (.xls)',
    bytes(0xd0, 0xcf, 0x11, 0xe0),
    /spreadsheet \(\.xls\); save it as CSV UTF-8$/,
  ],
  ['UTF-16, little-endian', bytes(0xff, 0xfe), /UTF-16 .*save it as CSV UTF-8$/],
  ['UTF-16, big-endian', bytes(0xfe, 0xff), /UTF-16 .*save it as CSV UTF-8$/],
  ['a PDF', bytes(...utf8('%PDF-1.7\n')), /PDF; export its table as CSV UTF-8$/],
  ['a web page', utf8('<!DOCTYPE html>\n<title>Sign in, please</title>'), /HTML.*table as CSV UTF-8$/],
  ['a table in HTML', utf8('\uFEFF\r\n  <HTML xmlns="x">'), /HTML.*table as CSV UTF-8$/],
  ['XML', utf8('<?xml version="1.0"?>\n<Workbook>'), /XML or a web page; save its table as CSV UTF-8$/],
  ['XML without its first line', utf8('<rows><row name="A"/></rows>'), /XML or a web page; save/],
  ['a comment before a web page', utf8('<!-- saved -->\n<html>'), /XML or a web page; save/],
  ['a document of a word processor', utf8('{\\rtf1\\ansi\n{'), /RTF.*save its table as CSV UTF-8$/],
  [
    'a list in JSON',
    utf8('[{"name":"A","address":"B"}]'),
    /JSON; send its records as CSV UTF-8, or one on each line of an .ndjson file$/,
  ],
  [
    'a list in JSON, indented',
    utf8('[\n  {\n'),
    /JSON; send its records as CSV UTF-8, or one on each line of an .ndjson file$/,
  ],
  [
    'an object in JSON',
    utf8('{\r\n  "name": "A"'),
    /JSON; send its records as CSV UTF-8, or one on each line of an .ndjson file$/,
  ],
  [
    'JSON lines',
    utf8('{"name":"A"}\n{"name":"B"}\n'),
    /JSON; send its records as CSV UTF-8, or one on each line of an .ndjson file$/,
  ],
  [
    'a single brace',
    utf8('{'),
    /JSON; send its records as CSV UTF-8, or one on each line of an .ndjson file$/,
  ],
  [
    'long JSON in one line',
    utf8(`["${'x'.repeat(200_000)}"]`),
    /JSON; send its records as CSV UTF-8, or one on each line of an .ndjson file$/,
  ],
  ['gzip', new Uint8Array(gzipSync('name,address\nA,B\n')), /compressed; send the CSV itself/],
])('%s is called what it is', async (_, file, sentence) => {
  const clinic = await openClinic()
  const replies = [await hospitals(clinic, file), await hospitals(clinic, file, '?mode=partial&dry_run=true')]
  for (const reply of replies) expect(reply).toMatchObject({ status: 400 })
  for (const reply of replies) expect(sentences(reply)).toEqual([expect.stringMatching(sentence)])
  await expectNothingLeft(clinic)
})
