import { env } from 'cloudflare:workers'
import { expect, test, vi } from 'vitest'
import { logFailure } from '../src/lib/log'
import { allPages, type Client, openClinic, times } from './clinic'
import { csv, deliver, HOSPITALS, heldQueue, holdTheQueue, imported, manyRows, newKey } from './directory'

holdTheQueue()

const KEPT = 2_000

async function partial(clinic: Client, file: string): Promise<string> {
  const sent = heldQueue()
  const { body } = await clinic.send('POST', `${HOSPITALS}/bulk?mode=partial`, file, {
    'Idempotency-Key': newKey(),
    'Content-Type': 'text/csv',
  })
  await deliver(sent)
  return body.job_id
}

const statusOf = (clinic: Client, job: string, query = '') => clinic.get(`${HOSPITALS}/status/${job}${query}`)

const download = async (clinic: Client, job: string, file: 'failed' | 'succeeded') =>
  (await clinic.get(`${HOSPITALS}/jobs/${job}/${file}.csv`)).text.trimEnd().split('\r\n').slice(1)

test('900 bad rows of 12,000 characters are kept in part, and status and failed.csv list them all', async () => {
  const clinic = await openClinic()
  const bad = times(900, (n) => `${String(n).padStart(4, '0')}${'x'.repeat(11_996)},1 High St,`)
  const job = await partial(clinic, csv(...bad, ...manyRows(2)))
  const { result } = (await statusOf(clinic, job)).body
  expect(result.hospitals).toHaveLength(902)
  expect(result.hospitals[899]).toEqual({
    row: 901,
    name: `0899${'x'.repeat(KEPT - 4)}`,
    status: 'failed',
    reason: 'invalid',
    faults: [
      expect.objectContaining({ field: 'name', message: "Row 901: 'name' must have at most 200 characters" }),
      {
        field: 'name',
        rule: 'trimmed',
        message: "Row 901: of 'name' only the first 2000 characters were kept",
      },
    ],
  })
  const lines = await download(clinic, job, 'failed')
  expect(lines).toHaveLength(900)
  expect(lines[899]).toMatch(/^0899x{1996},1 High St,,901,.*only the first 2000 characters were kept$/)
})

test.each([
  ['an emoji that is cut in two', `${'x'.repeat(KEPT - 1)}😀${'x'.repeat(5_000)}`, 'x'.repeat(KEPT - 1)],
  ['exactly the most', 'x'.repeat(KEPT), 'x'.repeat(KEPT)],
  ['one more', 'x'.repeat(KEPT + 1), 'x'.repeat(KEPT)],
])('a kept cell is text, and as long as it may be: %s', async (_, cell, kept) => {
  const clinic = await openClinic()
  const job = await partial(clinic, csv(`${cell},1 High St,`, 'Mercy,1 High St,'))
  expect((await statusOf(clinic, job, '?rows=failed')).body.result.hospitals[0].name).toBe(kept)
})

/** As an earlier version stored them: cells of any length. */
async function longRows(
  clinic: Client,
  status: 'failed' | 'created',
  count: number,
  length: number,
): Promise<string> {
  const { body } = await imported(clinic, csv(...manyRows(count)))
  await env.DB.prepare(
    `UPDATE staged_rows SET status = ?1, reason = iif(?1 = 'failed', 'invalid', NULL),
       cells = json_set(cells, '$.name', replace(hex(zeroblob(?2 / 2)), '0', '"') || row)
     WHERE job_id = ?3`,
  )
    .bind(status, length, body.job_id)
    .run()
  return body.job_id
}

const numbersOf = (hospitals: { row: number }[]) => hospitals.map(({ row }) => row)

test.each([
  ['failed', 150, 12_000],
  ['created', 40, 60_000],
  ['failed', 2_001, 600],
] as const)(
  'long rows of an older import can be read, whole and page by page: %s, %i of %i',
  async (status, count, length) => {
    const clinic = await openClinic()
    const job = await longRows(clinic, status, count, length)
    const all = times(count, (n) => n + 2)
    expect(numbersOf((await statusOf(clinic, job)).body.result.hospitals)).toEqual(all)
    const pages = await allPages(clinic, `${HOSPITALS}/status/${job}?rows=${status}&limit=1000`)
    expect(pages.length).toBeGreaterThan(count / 1_000)
    expect(pages.flatMap(({ body }) => numbersOf(body.result.hospitals))).toEqual(all)
    const lines = await download(clinic, job, status === 'failed' ? 'failed' : 'succeeded')
    expect(lines).toHaveLength(count)
    expect(lines.map((line) => Number(line.match(/,(\d+),[^,]*$/)?.[1]))).toEqual(all)
  },
)

/** The second page of rows fails as D1 does, with the statement and a cell in its message. */
function failSecondPage() {
  const database = Object.getPrototypeOf(env.DB) as D1Database
  const prepare = database.prepare
  let pages = 0
  vi.spyOn(database, 'prepare').mockImplementation(function (this: D1Database, statement) {
    if (statement.includes('"cells"') && ++pages > 1)
      throw new Error(`D1_ERROR: near "Hospital 7": ${statement}\n    at Hospital 7 (a.ts:1:1)`)
    return prepare.call(this, statement)
  })
}

test.each([
  ['the status', (job: string) => `${HOSPITALS}/status/${job}`],
  ['failed.csv', (job: string) => `${HOSPITALS}/jobs/${job}/failed.csv`],
  ['succeeded.csv', (job: string) => `${HOSPITALS}/jobs/${job}/succeeded.csv`],
])('%s that cannot be read to its end is cut off, and no statement is logged', async (_, path) => {
  const clinic = await openClinic()
  const { body } = await imported(clinic, csv(...manyRows(1_500), ...manyRows(1_500)))
  const lines: string[] = []
  for (const method of ['log', 'error', 'warn'] as const)
    vi.spyOn(console, method).mockImplementation((...said) => lines.push(said.join(' ')))
  failSecondPage()
  await expect(clinic.get(path(body.job_id))).rejects.toThrow('The stream failed before its end')
  expect(lines.join('\n')).toContain('stream.failed')
  expect(lines.join('\n')).not.toMatch(/select|json_object|Hospital 7|staged_rows/i)
})

test.each([
  ['a line that looks like a place in the code', 'Failed\n    at Zebulon (file.ts:1:1)\n    at rest.ts:2:2'],
  ['a message with the signs of a pattern', 'Failed: $& $1 [Zebulon] (\n  at Zebulon'],
  ['an empty message', ''],
])('a failure is logged without its message: %s', (_, message) => {
  const lines: string[] = []
  vi.spyOn(console, 'error').mockImplementation((line) => lines.push(line))
  logFailure('test', new Error(message, { cause: new Error('Zebulon') }))
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ event: 'test', error: 'Error' })
  expect(JSON.parse(lines[0] ?? '').at).toMatch(/^at .*imports-large-rows/)
  expect(lines[0]).not.toContain('Zebulon')
})
