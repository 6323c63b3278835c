import { runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test, vi } from 'vitest'
import { seeded } from '../bench/torture/worker/seeded'
import { type Client, openClinic, times } from './clinic'
import { chunksSent, deliver, holdTheQueue, newKey } from './directory'
import {
  asCsv,
  BULK,
  contentOf,
  countsOf,
  fileOf,
  imported,
  outcomesOf,
  statusOf,
  storedOf,
  type TestRow,
  testRow,
  upload,
} from './lab'
import { rounds } from './rounds'

const sent = holdTheQueue()

/** What storing one row after another makes of a file; `stored` has what was there, and gets what is new. */
function byTheRules(stored: Map<string, string>, rows: TestRow[]): string[] {
  const ofFile = new Set<string>()
  return rows.map((row) => {
    const known = stored.get(row.test_id)
    if (known === undefined) {
      stored.set(row.test_id, contentOf(row))
      ofFile.add(row.test_id)
      return 'created'
    }
    if (known !== contentOf(row)) return 'failed differs'
    return `duplicate ${ofFile.has(row.test_id) ? 'duplicate_in_file' : 'duplicate_in_directory'}`
  })
}

const shuffled = <T>(items: T[], random: () => number): T[] =>
  items
    .map((item) => ({ item, place: random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item)

const tally = (outcomes: string[]) => ({
  total: outcomes.length,
  processed: outcomes.filter((outcome) => !outcome.startsWith('failed')).length,
  duplicate: outcomes.filter((outcome) => outcome.startsWith('duplicate')).length,
  failed: outcomes.filter((outcome) => outcome.startsWith('failed')).length,
})

test.each(times(rounds(2, 12), (n) => n + 1))(
  'files with the same ids over and over, chunks in any order and twice, leave what one row after another would (seed %i)',
  { timeout: 120_000 },
  async (seed) => {
    const [clinic, random] = [await openClinic(), seeded(seed)]
    const below = (max: number) => Math.floor(random() * max)
    const stored = new Map<string, string>()
    for (const ids of [8, 400, 1_500, 40, 3_000, 12, 3_000]) {
      const posted = testRow(clinic.clinicId, `T${below(ids)}`, `result ${below(3)}`)
      await clinic.post('/tests', posted)
      byTheRules(stored, [posted])
      const rows = times(1 + below(random() < 0.5 ? 30 : 3_300), () =>
        testRow(clinic.clinicId, `T${below(ids)}`, `result ${below(3)}`),
      )
      const format = random() < 0.5 ? 'csv' : 'ndjson'
      const { body } = await upload(clinic, fileOf(format, rows), { format })
      const chunks = chunksSent(sent.splice(0), body.job_id)
      const order = shuffled([...chunks, ...chunks.slice(0, below(3))], random)
      await Promise.all(
        [order.filter((_, n) => n % 2 === 0), order.filter((_, n) => n % 2 === 1)].map((some) =>
          deliver(some.map((chunk) => ({ job_id: body.job_id, chunk }))),
        ),
      )
      const expected = byTheRules(stored, rows)
      const status = await statusOf(clinic, body.job_id)
      expect(status.status).toBe('completed')
      expect(outcomesOf(status)).toEqual(expected)
      expect(countsOf(status)).toEqual(tally(expected))
      expect(await storedOf(clinic)).toEqual(Object.fromEntries(stored))
    }
  },
)

test.each([[[0, 1, 2]], [[2, 1, 0]], [[1, 2, 0, 0, 1]]])(
  'the first row of a file with a test_id is stored, when its chunks run as %j',
  async (order) => {
    const clinic = await openClinic()
    const rows = times(2_400, (n) => testRow(clinic.clinicId, `T${n % 7}`, `result ${Math.floor(n / 7) % 2}`))
    const { body } = await upload(clinic, asCsv(rows))
    for (const chunk of order) await deliver([{ job_id: body.job_id, chunk }])
    const stored = new Map<string, string>()
    expect(outcomesOf(await statusOf(clinic, body.job_id))).toEqual(byTheRules(stored, rows))
    expect(await storedOf(clinic)).toEqual(Object.fromEntries(stored))
  },
)

test('a chunk that runs twice, or whose message was lost, stores each record once', async () => {
  const clinic = await openClinic()
  const rows = times(1_500, (n) => testRow(clinic.clinicId, `T${n}`))
  const { body } = await upload(clinic, asCsv(rows))
  const [first] = sent.splice(0)
  await deliver([first, first])
  expect((await statusOf(clinic, body.job_id)).progress_percentage).toBe(66.66)
  await runDurableObjectAlarm(env.BULK_JOB.getByName(body.job_id))
  await runDurableObjectAlarm(env.BULK_JOB.getByName(body.job_id))
  await deliver(sent.splice(0))
  expect(countsOf(await statusOf(clinic, body.job_id))).toEqual({
    total: 1_500,
    processed: 1_500,
    duplicate: 0,
    failed: 0,
  })
  expect(Object.keys(await storedOf(clinic))).toHaveLength(1_500)
})

test('a chunk whose commit reached D1 although its answer was lost runs again and changes nothing', async () => {
  const clinic = await openClinic()
  const rows = times(10, (n) => testRow(clinic.clinicId, `T${n % 6}`, `result ${Math.floor(n / 8)}`))
  const { body } = await upload(clinic, asCsv(rows))
  const database = Object.getPrototypeOf(env.DB) as D1Database
  const batch = database.batch
  vi.spyOn(database, 'batch').mockImplementation(async function (this: D1Database, statements) {
    const done = await batch.call(this, statements)
    if (statements.length === 4) throw new Error('D1_ERROR: Network connection lost.')
    return done as never
  })
  const messages = sent.splice(0)
  await deliver(messages)
  vi.mocked(database.batch).mockRestore()
  await deliver(messages)
  const expected = byTheRules(new Map(), rows)
  expect(outcomesOf(await statusOf(clinic, body.job_id))).toEqual(expected)
  expect(Object.keys(await storedOf(clinic))).toHaveLength(6)
})

const repair = (clinic: Client, job: string, file: string, key = newKey()) =>
  clinic.send('POST', `${BULK}/${job}/rows`, file, { 'Idempotency-Key': key, 'Content-Type': 'text/csv' })

test('rows that differ are repaired with failed.csv, or skipped, and the stored record stays', async () => {
  const clinic = await openClinic()
  const of = (id: string, result?: string) => testRow(clinic.clinicId, id, result)
  await imported(sent, clinic, asCsv([of('A'), of('B'), of('C')]))
  const { job } = await imported(
    sent,
    clinic,
    asCsv([of('A', '=1+1'), of('B', 'positive'), of('C', 'positive'), of('D')]),
  )
  const failed = (await clinic.get(`${BULK}/${job}/failed.csv`)).text
  const [header, a, b] = failed.split('\r\n')
  expect(a).toContain(`,'=1+1,2,differs`)
  // A gets an id of its own, B the fields that are stored; C is skipped.
  const corrected = [header, a?.replace('A,', 'A2,'), b?.replace('positive', 'negative'), ''].join('\r\n')
  const replies = [await repair(clinic, job, corrected, 'once'), await repair(clinic, job, corrected, 'once')]
  expect(replies.map(({ status, text }) => [status, text])).toEqual(times(2, () => [202, replies[0]?.text]))
  await deliver(sent.splice(0))
  const status = await statusOf(clinic, job)
  expect(outcomesOf(status)).toEqual([
    'created',
    'duplicate duplicate_in_directory',
    'failed differs',
    'created',
  ])
  expect(countsOf(status)).toEqual({ total: 4, processed: 3, duplicate: 1, failed: 1 })
  expect(await storedOf(clinic)).toEqual(
    Object.fromEntries(
      [of('A'), of('B'), of('C'), of('D'), { ...of('A', '=1+1'), test_id: 'A2' }].map((row) => [
        row.test_id,
        contentOf(row),
      ]),
    ),
  )
})

test('a cancelled import keeps what its chunks stored, and continues after a resume', async () => {
  const clinic = await openClinic()
  const rows = times(1_200, (n) => testRow(clinic.clinicId, `T${n % 1_100}`))
  const { body } = await upload(clinic, asCsv(rows))
  await deliver([{ job_id: body.job_id, chunk: 1 }])
  const cancelled = await clinic.post(`${BULK}/${body.job_id}/cancel`)
  expect(cancelled.body.message).toBe(
    'The import was cancelled: 100 tests created, 100 duplicates, 0 rows failed, 1000 rows are not done',
  )
  expect(cancelled.body.progress_percentage).toBe(16.66)
  // The first rows of the duplicates were stored with them, though their own chunk has not run.
  expect(Object.keys(await storedOf(clinic))).toHaveLength(200)
  expect((await clinic.post(`${BULK}/${body.job_id}/resume`)).status).toBe(202)
  await deliver(sent.splice(0))
  expect(countsOf(await statusOf(clinic, body.job_id))).toEqual({
    total: 1_200,
    processed: 1_200,
    duplicate: 100,
    failed: 0,
  })
  expect(Object.keys(await storedOf(clinic))).toHaveLength(1_100)
})
