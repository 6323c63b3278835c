import { expect, test } from 'vitest'
import { multipartFile } from '../src/imports/file/multipart'
import { type Client, openClinic, type Reply } from './clinic'
import { csv, expectNothingLeft, HOSPITALS, holdTheQueue, newKey, utf8 } from './directory'

holdTheQueue()

const FILE = csv('Mercy,1 High St,202 555 0100')

const filePart = (boundary: string, field = 'file', name = 'a.csv', text = FILE) =>
  `--${boundary}\r\nContent-Disposition: form-data; name="${field}"; filename="${name}"\r\n` +
  `Content-Type: text/csv\r\n\r\n${text}\r\n`

const textPart = (boundary: string, name: string, text: string) =>
  `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${text}\r\n`

const send = (clinic: Client, body: string | Uint8Array | ReadableStream, boundary = 'boundary=b') =>
  clinic.send('POST', `${HOSPITALS}/bulk`, body, {
    'Idempotency-Key': newKey(),
    'Content-Type': `multipart/form-data; ${boundary}`,
  })

const refusalOf = ({ status, body }: Reply) => [status, body.errors?.[0]?.rule]

const LONGEST = "0123456789 abc'()+_,-./:=?".padEnd(70, 'x')

test.each<[string, body: string, boundary?: string]>([
  ['as browsers send it', `${filePart('b')}--b--\r\n`],
  ['without a line end behind the closing boundary', `${filePart('b')}--b--`],
  ['with blanks behind the closing boundary', `${filePart('b')}--b-- \t\r\n`],
  ['with a preamble and an epilogue', `Hello\r\n${filePart('b')}--b--\r\nBye\r\n--b--x\r\n`],
  ['with an empty line in front', `\r\n${filePart('b')}--b--\r\n`],
  [
    'with fields before and after the file',
    `${textPart('b', 'a', '1')}${filePart('b')}${textPart('b', 'z', '')}--b--`,
  ],
  ['with a file under another name beside it', `${filePart('b', 'other', 'x.png')}${filePart('b')}--b--`],
  ['with a quoted boundary', `${filePart('b c')}--b c--`, 'boundary="b c"'],
  [
    'with the parameter in other letters, and others beside it',
    `${filePart('b')}--b--`,
    'charset=utf-8; Boundary=b; x=y',
  ],
  ['with a boundary of 70 characters', `${filePart(LONGEST)}--${LONGEST}--`, `boundary="${LONGEST}"`],
  ['with line feeds alone in the file', `${filePart('b', 'file', 'a.csv', 'name,address\nA,B\n')}--b--`],
  [
    'with text that begins like the boundary',
    `${filePart('b', 'file', 'a.csv', 'name,address\r\n-b--,B\r\n')}--b--`,
  ],
])('a form is taken %s', async (_, body, boundary) => {
  const reply = await send(await openClinic(), body, boundary)
  expect([reply.status, reply.body.total_hospitals]).toEqual([202, 1])
})

test.each<[string, body: string, boundary?: string]>([
  ['no closing boundary', filePart('b')],
  ['an opening boundary at its end', `${filePart('b')}--b`],
  ['an opening boundary and a line end at its end', `${filePart('b')}--b\r\n`],
  ['one dash too few', `${filePart('b')}--b-`],
  ['a closing boundary in the middle of a line', `${filePart('b').slice(0, -2)}--b--`],
  ['a closing boundary of another form', `${filePart('b')}--c--`],
  ['a header that is cut', '--b\r\nContent-Disposition: form-data; name="file"; filen'],
  ['headers without an end', '--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n'],
  ['line feeds only', `${filePart('b')}--b--\r\n`.replaceAll('\r\n', '\n')],
  ['an empty body', ''],
  ['another boundary than it says', `${filePart('c')}--c--`],
  ['no boundary parameter', `${filePart('b')}--b--`, 'charset=utf-8'],
  ['an empty boundary', `${filePart('')}----`, 'boundary='],
  ['an empty quoted boundary', `${filePart('')}----`, 'boundary=""'],
  ['a boundary of 71 characters', `${filePart(`${LONGEST}x`)}--${LONGEST}x--`, `boundary="${LONGEST}x"`],
  ['a field cut off', `${filePart('b')}${textPart('b', 'z', 'text').slice(0, -6)}`],
])('a form with %s is a 400 that says so, and nothing is left', async (_, body, boundary) => {
  const clinic = await openClinic()
  const [status, rule] = refusalOf(await send(clinic, body, boundary))
  expect(status).toBe(400)
  expect(rule).toMatch(/^(multipart|required)$/)
  await expectNothingLeft(clinic)
})

test('a form that is cut at any byte before its end is refused, whatever it had sent until then', async () => {
  const whole = `${textPart('b', 'a', '1')}${filePart('b')}${textPart('b', 'z', '2')}--b--`
  const read = async (length: number) => {
    const bytes = inPieces(utf8(whole.slice(0, length)), 50)
    for await (const _ of multipartFile(bytes, 'multipart/form-data; boundary=b', 1_000));
  }
  for (let length = 0; length < whole.length; length += 1)
    await expect(read(length), `${length}`).rejects.toMatchObject({ code: 'invalid_file' })
  await read(whole.length)
})

test('a form is the same in pieces of any size', async () => {
  const clinic = await openClinic()
  const [whole, cut] = [utf8(`${filePart('b')}--b--\r\n`), utf8(`${filePart('b')}--b`)]
  for (const size of [1, 2, 3, 7, 64]) {
    expect([size, (await send(clinic, inPieces(whole, size))).status]).toEqual([size, 202])
    expect([size, (await send(clinic, inPieces(cut, size))).status]).toEqual([size, 400])
  }
})

test.each([
  ['two files', `${filePart('b')}${filePart('b')}--b--`, 'file'],
  ['text instead of a file', `${textPart('b', 'file', FILE)}--b--`, 'required'],
  ['a file of another name only', `${filePart('b', 'upload')}--b--`, 'required'],
  ['no part at all', '--b--\r\n', 'required'],
  ['a file without a name', `${filePart('b', 'file', '')}--b--`, 'file_name'],
])('a form with %s is refused as such', async (_, body, rule) => {
  expect(refusalOf(await send(await openClinic(), body))).toEqual([400, rule])
})

function inPieces(bytes: Uint8Array, size: number): ReadableStream<Uint8Array> {
  let from = 0
  return new ReadableStream({
    pull(controller) {
      if (from < bytes.byteLength) controller.enqueue(bytes.slice(from, from + size))
      else controller.close()
      from += size
    },
  })
}

test.each([
  ['text/csv', 202],
  ['Text/CSV; charset=utf-8', 202],
  ['text/csv;header=present', 202],
  ['text/csv-schema', 400],
  ['text/csvx', 400],
  ['text/csv+zip', 400],
  ['multipart/form-data-x; boundary=b', 400],
  ['application/vnd.ms-excel', 400],
])('a body of the type %s is %i', async (type, status) => {
  const clinic = await openClinic()
  const headers = { 'Idempotency-Key': newKey(), 'Content-Type': type }
  const body = type.startsWith('multipart') ? `${filePart('b')}--b--` : 'name,address\nMercy,5 Main Street\n'
  expect((await clinic.send('POST', `${HOSPITALS}/bulk`, body, headers)).status).toBe(status)
})
