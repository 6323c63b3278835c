import { env } from 'cloudflare:workers'
import { expect, test, vi } from 'vitest'
import { type Client, keyFor, openClinic, times } from './clinic'
import {
  csv,
  deliver,
  HOSPITALS,
  heldQueue,
  holdTheQueue,
  imported,
  manyRows,
  newKey,
  statusOf,
} from './directory'

holdTheQueue()

const rowsOf = (clinic: Client, job: string, query: string) =>
  clinic.get(`${HOSPITALS}/status/${job}?${query}`)

const download = (clinic: Client, job: string, file: 'failed' | 'succeeded') =>
  clinic.get(`${HOSPITALS}/jobs/${job}/${file}.csv`)

async function partial(clinic: Client, file: string): Promise<string> {
  const sent = heldQueue()
  const { body } = await clinic.send('POST', `${HOSPITALS}/bulk?mode=partial`, file, {
    'Idempotency-Key': newKey(),
    'Content-Type': 'text/csv',
  })
  await deliver(sent)
  return body.job_id
}

const numbers = (reply: { body: { result: { hospitals: { row: number }[] } } }) =>
  reply.body.result.hospitals.map(({ row }) => row)

test('pages of the rows that failed, or were created, or of all, lead on by their Link', async () => {
  const clinic = await openClinic()
  const { body } = await imported(clinic, csv(...manyRows(4), ...manyRows(3)))
  const pages: number[][] = []
  let query = 'rows=failed&limit=2'
  while (query) {
    const reply = await rowsOf(clinic, body.job_id, query)
    pages.push(numbers(reply))
    query = reply.headers.get('Link')?.match(/\?([^>]*)>; rel="next"/)?.[1] ?? ''
  }
  expect(pages).toEqual([[6, 7], [8]])
  expect(numbers(await rowsOf(clinic, body.job_id, 'rows=created'))).toEqual([2, 3, 4, 5])
  expect(numbers(await rowsOf(clinic, body.job_id, 'rows=all&limit=1000'))).toHaveLength(7)
  const { result, ...status } = (await rowsOf(clinic, body.job_id, 'rows=failed&limit=3')).body
  const { result: whole, ...same } = (await statusOf(clinic, body.job_id)).body
  expect({ ...status, ...result, hospitals: 0 }).toEqual({ ...same, ...whole, hospitals: 0 })
})

test('a last page that is full has no Link', async () => {
  const clinic = await openClinic()
  const { body } = await imported(clinic, csv(...manyRows(2)))
  const reply = await rowsOf(clinic, body.job_id, 'rows=created&limit=2')
  expect([numbers(reply), reply.headers.get('Link')]).toEqual([[2, 3], null])
})

test.each(['rows=some', 'rows=all&limit=0', 'rows=all&cursor=x'])('%s is refused', async (query) => {
  const clinic = await openClinic()
  const { body } = await imported(clinic, csv('A,B,'))
  expect((await rowsOf(clinic, body.job_id, query)).status).toBe(400)
})

test('failed rows are downloaded as they were given, with number and reason', async () => {
  const clinic = await openClinic()
  const job = await partial(
    clinic,
    csv('Mercy,1 High St,', '," 2 High St, rear ",+1 202', 'mercy,1 high st,=1+1'),
  )
  const { headers, text } = await download(clinic, job, 'failed')
  expect(headers.get('Content-Type')).toBe('text/csv; charset=utf-8')
  expect(headers.get('Content-Disposition')).toBe('attachment; filename="failed.csv"')
  expect(text.split('\r\n')).toEqual([
    'name,address,phone,row,reason',
    ",\" 2 High St, rear \",'+1 202,3,invalid; Row 3: 'name' is required",
    "mercy,1 high st,'=1+1,4,duplicate_in_file",
    '',
  ])
})

test('succeeded rows are downloaded with the ids that the directory knows them by', async () => {
  const clinic = await openClinic()
  const { body } = await imported(clinic, csv('Mercy,1 High St,', 'Hope,2 High St,'))
  const lines = (await download(clinic, body.job_id, 'succeeded')).text.trimEnd().split('\r\n')
  const { body: hospitals } = await clinic.get(HOSPITALS)
  expect(lines).toEqual([
    'name,address,phone,row,id',
    ...hospitals.map(
      ({ id, name, address }: Record<string, string>, n: number) => `${name},${address},,${n + 2},${id}`,
    ),
  ])
})

test.each([999, 1_000, 1_001, 2_000])('%i rows come whole, read a page at a time', async (count) => {
  const clinic = await openClinic()
  const { body } = await imported(clinic, csv(...manyRows(count)))
  const prepare = vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'prepare')
  const { text } = await download(clinic, body.job_id, 'succeeded')
  const reads = prepare.mock.calls.filter(([statement]) => statement.includes('"cells"'))
  expect(reads).toHaveLength(Math.floor(count / 1_000) + 1)
  const rows = text
    .trimEnd()
    .split('\r\n')
    .slice(1)
    .map((line) => Number(line.split(',')[3]))
  expect(rows).toEqual(times(count, (n) => n + 2))
})

test.each(['failed', 'succeeded'] as const)('%s.csv keeps out who may not read the import', async (file) => {
  const [clinic, other] = [await openClinic(), await openClinic()]
  const { body } = await imported(clinic, csv('Mercy,1 High St,'))
  const stranger = await keyFor(clinic.clinicId, ['patients:read'])
  const replies = [await download(other, body.job_id, file), await download(stranger, body.job_id, file)]
  expect(replies.map(({ status }) => status)).toEqual([404, 403])
})
