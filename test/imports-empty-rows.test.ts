import { expect, test } from 'vitest'
import { readCsv } from '../src/imports/csv'
import { type Client, openClinic, times } from './clinic'
import {
  chunksSent,
  csv,
  deliver,
  HOSPITALS,
  heldQueue,
  holdTheQueue,
  leftOf,
  newKey,
  utf8,
} from './directory'

holdTheQueue()

async function imported(clinic: Client, file: string, query = '', path = `${HOSPITALS}/bulk`) {
  const sent = heldQueue()
  const { body } = await clinic.send('POST', `${path}${query}`, file, {
    'Idempotency-Key': newKey(),
    'Content-Type': 'text/csv',
  })
  const chunks = chunksSent(sent, body.job_id)
  await deliver(sent)
  const status = path.startsWith(HOSPITALS) ? `${HOSPITALS}/status` : path
  return { body: (await clinic.get(`${status}/${body.job_id}`)).body, chunks }
}

const told = (rows: { row: number; name: string; reason?: string }[]) =>
  rows.map(({ row, name, reason }) => `${row} ${reason ?? name}`)

test('rows of empty cells are left out, and the numbers of the others are those of the file', async () => {
  const clinic = await openClinic()
  const file = csv(
    'Mercy,1 High St,',
    ',,',
    ' , ,\t',
    '"","",""',
    'Hope,2 High St,',
    ',,,,',
    '\u00a0,,',
    'Faith,3,',
    ',,',
  )
  const { body } = await imported(clinic, file)
  expect(body).toMatchObject({ total_hospitals: 3, processed_hospitals: 3, progress_percentage: 100 })
  expect(told(body.result.hospitals)).toEqual(['2 Mercy', '6 Hope', '9 Faith'])
  expect(body.result.batch_activated).toBe(true)
})

test('a fault behind empty rows names the row of the file, in a strict and a partial import', async () => {
  const clinic = await openClinic()
  const file = csv('Mercy,1 High St,', ',,', ',,', ',4 High St,')
  const strict = await clinic.send('POST', `${HOSPITALS}/bulk`, file, {
    'Idempotency-Key': newKey(),
    'Content-Type': 'text/csv',
  })
  expect(strict.body.message).toBe("Row 5: 'name' is required")
  const { body } = await imported(clinic, file, '?mode=partial')
  expect(told(body.result.hospitals)).toEqual(['2 Mercy', '5 invalid'])
  const [, line] = (await clinic.get(`${HOSPITALS}/jobs/${body.job_id}/failed.csv`)).text.split('\r\n')
  expect(line).toMatch(/^,4 High St,,5,/)
})

test('thousands of empty rows between others change nothing of chunks, pages and counts', async () => {
  const clinic = await openClinic()
  const rows = times(2_500, (n) => `Hospital ${n},${n} High St,`)
  const spread = rows.flatMap((row, n) => (n % 500 === 0 ? [...times(1_100, () => ',,'), row] : [row]))
  const { body, chunks } = await imported(clinic, csv(...spread))
  expect(chunks).toEqual([0, 1, 2])
  expect(body).toMatchObject({ status: 'completed', processed_hospitals: 2_500, failed_hospitals: 0 })
  const numbers = body.result.hospitals.map(({ row }: { row: number }) => row)
  expect(numbers).toEqual(spread.flatMap((row, n) => (row === ',,' ? [] : [n + 2])))
  expect(await leftOf(clinic)).toMatchObject({ hospitals: 2_500 })
  const { text } = await clinic.get(`${HOSPITALS}/jobs/${body.job_id}/succeeded.csv`)
  expect(text.trimEnd().split('\r\n')).toHaveLength(2_501)
})

test.each([
  ['an optional cell', 'name,address,phone\nMercy,1 High St\n', ['2 Mercy']],
  [
    'ignored cells behind it',
    'name,address,phone,beds,wards\nMercy,1 High St\nHope,2,1\n',
    ['2 Mercy', '3 Hope'],
  ],
  ['ignored cells alone', 'name,address,beds\nMercy,1 High St\n', ['2 Mercy']],
])('a row may end before %s', async (_, file, rows) => {
  const { body } = await imported(await openClinic(), file)
  expect(told(body.result.hospitals)).toEqual(rows)
})

test('patients’ rows may be short and empty as well', async () => {
  const file = 'name,phone,age,gender,email\nAda,2025550101\n,,,,\nBob,2025550102,7\n;;\n'
  const clinic = await openClinic()
  const { body } = await imported(clinic, file.replace(';;\n', ''), '', '/api/v1/patients/bulk')
  expect(told(body.result.patients)).toEqual(['2 Ada', '4 Bob'])
})

test.each([
  ['ends before a required cell', 'phone,name,address\n1,Mercy\n', "Row 2: 'address' is required"],
  ['has more cells than columns', csv('A,B,1,'), 'Row 2: 4 values for 3 columns'],
  ['is empty, as all others', csv(',,', ',,'), 'The file has a header and no rows'],
])('a row that %s is refused', async (_, file, message) => {
  const clinic = await openClinic()
  const reply = await clinic.send('POST', `${HOSPITALS}/bulk`, file, {
    'Idempotency-Key': newKey(),
    'Content-Type': 'text/csv',
  })
  expect([reply.status, reply.body.message]).toEqual([400, message])
})

test('a file is read the same in pieces of any size, with a declared separator too', async () => {
  const columns = [
    { name: 'name', isRequired: true },
    { name: 'address', isRequired: true },
  ] as const
  const file = utf8('\uFEFF\r\nsep=;\r\n"name";address;é\r\nA;1\r\n;;\r\n"B\r\nb";2;3\r\n')
  for (const size of [1, 2, 3, 5, 64]) {
    const read: unknown[] = []
    const rows = readCsv(inPieces(file, size), columns, ({ separator, ignored }) =>
      read.push(separator, ignored),
    )
    for await (const row of rows) read.push([row.row, row.cells?.name, row.cells?.address])
    expect([size, read]).toEqual([size, [';', ['é'], [2, 'A', '1'], [4, 'B\r\nb', '2']]])
  }
})

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.byteLength; from += size) yield bytes.subarray(from, from + size)
}
