import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { openClinic } from './clinic'
import { csv, HOSPITALS, heldQueue, manyRows, statusOf, upload } from './directory'
import { type Behaviour, deliverUnder, rowsOf, runToEnd, standIn } from './stand-in'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] })
  heldQueue()
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

/** What the directory does on each try, what the row ends as, and how many hospitals there are then. */
const TRIES: [Behaviour[], outcome: string, hospitals: number][] = [
  [['reset_after', 'error_500', 'error_503'], 'unknown_outcome', 1],
  [['reset_before', 'error_500', 'error_500'], 'unknown_outcome', 0],
  [['error_500', 'error_500', 'timeout_after'], 'unknown_outcome', 1],
  [['truncated', 'conflict'], 'unknown_outcome', 1],
  [['reset_after', 'refusal'], 'refused_by_directory', 1],
  [['html', 'error_502', 'success'], 'created', 1],
  [['error_500', 'conflict'], 'duplicate_in_directory', 0],
]

test.each(TRIES)(
  'a row that meets %j ends %s, with %i hospitals there',
  async (behaviours, outcome, hospitals) => {
    const clinic = await openClinic()
    const directory = standIn((_, call) => behaviours[call - 1] ?? 'success')
    const { body } = await upload(clinic, csv(...manyRows(1)))
    await runToEnd(clinic, directory.settings, body.job_id)
    const [row] = await rowsOf(body.job_id)
    expect(row?.reason ?? row?.status).toBe(outcome)
    expect(directory.seen).toHaveLength(behaviours.length)
    expect(directory.counts()['Hospital 0'] ?? 0).toBe(hospitals)
  },
)

test('a pause is shown while it lasts and the import runs, and not a moment longer', async () => {
  const [clinic, directory] = [await openClinic(), standIn(() => 'error_500')]
  const { body } = await upload(clinic, csv(...manyRows(12)))
  await deliverUnder(directory.settings, body.job_id)
  const pause = async () => (await statusOf(clinic, body.job_id)).body.paused_until
  const until = await pause()
  expect(Date.parse(until)).toBeGreaterThan(Date.now())
  vi.setSystemTime(Date.parse(until) - 1)
  expect(await pause()).toBe(until)
  vi.setSystemTime(Date.parse(until))
  expect(await pause()).toBeNull()
  vi.setSystemTime(Date.parse(until) - 1)
  await clinic.post(`${HOSPITALS}/jobs/${body.job_id}/cancel`)
  expect(await pause()).toBeNull()
})

test('the batch is activated there when the last chunk has ended, in whatever order, and not before', async () => {
  const [clinic, directory] = [await openClinic(), standIn()]
  const { body } = await upload(clinic, csv(...manyRows(1_001)))
  await env.DB.prepare("UPDATE staged_rows SET status = 'created' WHERE job_id = ? AND row NOT IN (2, 1002)")
    .bind(body.job_id)
    .run()
  await deliverUnder(directory.settings, body.job_id, { chunks: [1] })
  expect(directory.activated).toEqual([])
  expect((await statusOf(clinic, body.job_id)).body.status).toBe('processing')
  await deliverUnder(directory.settings, body.job_id, { chunks: [0] })
  const { status, result } = (await statusOf(clinic, body.job_id)).body
  expect([status, directory.activated]).toEqual(['completed', [result.batch_id]])
})
