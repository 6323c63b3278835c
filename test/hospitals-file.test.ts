import { expect, test } from 'vitest'
import { type Client, openClinic, type Reply } from './clinic'
import {
  badFile,
  csv,
  expectNothingLeft,
  HOSPITALS,
  holdTheQueue,
  newKey,
  refused,
  upload,
  uploadRaw,
  utf8,
} from './directory'

holdTheQueue()

const multipart = (lines: string[]) => lines.join('\r\n')
const bulk = (clinic: Client, body: BodyInit | null, contentType?: string) =>
  clinic.send('POST', `${HOSPITALS}/bulk`, body, {
    'Idempotency-Key': newKey(),
    ...(contentType && { 'Content-Type': contentType }),
  })

test.each<[string, (clinic: Client) => Promise<Reply>, RegExp]>([
  ['no body', (clinic) => bulk(clinic, null), /field `file`/],
  ['JSON', (clinic) => bulk(clinic, '{}', 'application/json'), /field `file`/],
  ['a form without a file', (clinic) => bulk(clinic, formOf({ note: 'hello' })), /field `file`/],
  ['text where the file should be', (clinic) => bulk(clinic, formOf({ file: csv('A,B,') })), /field `file`/],
  ['a form without boundary', (clinic) => bulk(clinic, 'x', 'multipart/form-data'), /multipart/],
  [
    'a form that breaks off',
    (clinic) => bulk(clinic, multipart(FORM.slice(0, -2)), 'multipart/form-data; boundary=b'),
    /multipart/,
  ],
  ['two files', (clinic) => bulk(clinic, twoFiles()), /one file/],
  ['a file that is not named .csv', (clinic) => upload(clinic, csv('A,B,'), { name: 'a.xlsx' }), /\.csv/],
  ['an empty file', (clinic) => upload(clinic, ''), /is empty/],
  ['an empty body', (clinic) => uploadRaw(clinic, ''), /field `file`|is empty/],
  ['blank lines only', (clinic) => upload(clinic, '\n\n  \n'), /is empty/],
  ['a header only', (clinic) => upload(clinic, csv()), /no rows/],
  [
    'bytes that are not UTF-8',
    (clinic) => upload(clinic, new Uint8Array([...utf8('name,address\nA,'), 0xe9, 10])),
    /UTF-8/,
  ],
  ['UTF-16', (clinic) => upload(clinic, new Uint8Array([0xff, 0xfe, 65, 0])), /UTF-8/],
  [
    'a character cut off at the end',
    (clinic) => upload(clinic, new Uint8Array([...utf8('name,address\nA,B'), 0xc3])),
    /UTF-8/,
  ],
  ['no column name', (clinic) => upload(clinic, 'address,phone\nA,1\n'), /Row 1: column 'name' is missing/],
  [
    'no column address',
    (clinic) => upload(clinic, 'name,phone\nA,1\n'),
    /Row 1: column 'address' is missing/,
  ],
  ['a column twice', (clinic) => upload(clinic, 'name,address,Name\nA,B,C\n'), /column 'name' occurs twice/],
  [
    'too many columns',
    (clinic) => upload(clinic, `name,address${',x'.repeat(300)}\n`),
    /at most 256 columns/,
  ],
  [
    'a row with too many values',
    (clinic) => upload(clinic, csv('A,B,1', 'C,D,1,2')),
    /^Row 3: 4 values for 3 columns$/,
  ],
  ['a row without its address', (clinic) => upload(clinic, csv('A')), /^Row 2: 'address' is required$/],
  [
    'a quote never closed',
    (clinic) => upload(clinic, csv('A,B,1', '"C,D,1')),
    /^Row 3: a quote is opened and never closed$/,
  ],
  [
    'text behind a quote',
    (clinic) => upload(clinic, csv('"A"x,B,1')),
    /^Row 2: text follows a closing quote$/,
  ],
  ['a quote inside a value', (clinic) => upload(clinic, csv('A"x,B,1')), /^Row 2: a quote is inside a value/],
  [
    'a huge cell',
    (clinic) => upload(clinic, csv(`${'x'.repeat(70_000)},B,1`)),
    /^Row 2: a row may have at most 65536/,
  ],
  [
    'a million commas',
    (clinic) => upload(clinic, csv(','.repeat(1_000_000))),
    /^Row 2: a row may have at most 65536/,
  ],
  [
    'a name that is too long',
    (clinic) => upload(clinic, csv(`${'x'.repeat(201)},B,1`)),
    /^Row 2: 'name' must have at most 200/,
  ],
  ['a NUL', (clinic) => upload(clinic, csv('A\0,B,1')), /^Row 2: 'name' must not hold a NUL$/],
])('%s: refused with 400 that says so, and nothing is left', async (_, send, message) => {
  const clinic = await openClinic()
  expect(refused(await send(clinic))).toEqual(badFile(expect.stringMatching(message)))
  await expectNothingLeft(clinic)
})

function formOf(fields: Record<string, string>): FormData {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.set(name, value)
  return form
}

/**
 * Longer than it takes to stage the first file, so that only waiting for the form's end can see the second.
 */
const LONG_AFTER_MS = 150

test('a second file is seen even where it arrives long after the first', async () => {
  const clinic = await openClinic()
  const parts = [multipart([...FORM.slice(0, -2), '--b', '']), multipart(FORM.slice(1))]
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const part = parts.shift()
      if (part === undefined) return controller.close()
      if (parts.length === 0) await new Promise((resolve) => setTimeout(resolve, LONG_AFTER_MS))
      controller.enqueue(utf8(part))
    },
  })
  expect(refused(await bulk(clinic, body, 'multipart/form-data; boundary=b'))).toEqual(
    badFile(expect.stringMatching(/one file/)),
  )
  await expectNothingLeft(clinic)
})

function twoFiles(): FormData {
  const form = new FormData()
  form.append('file', new File([csv('A,B,')], 'a.csv'))
  form.append('file', new File([csv('C,D,')], 'b.csv'))
  return form
}

const FORM = [
  '--b',
  'Content-Disposition: form-data; name="file"; filename="a.csv"',
  'Content-Type: text/csv',
  '',
  csv('A,B,'),
  '--b--',
  '',
]
