import { runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeEach, expect, test, vi } from 'vitest'
import { openClinic } from './clinic'
import { chunksSent, csv, HOSPITALS, holdTheQueue, manyRows, statusOf, upload } from './directory'
import { advance, type Behaviour, deliverUnder, rowsOf, runToEnd, sendUnder, standIn } from './stand-in'

const sent = holdTheQueue()
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] })
})

test('each row is created there under the batch, its id kept, the batch activated, and search works', async () => {
  const [clinic, directory] = [await openClinic(), standIn()]
  const { body } = await upload(clinic, csv(...manyRows(5)))
  const status = await runToEnd(clinic, directory.settings, body.job_id)
  expect(status).toMatchObject({ status: 'completed', processed_hospitals: 5, failed_hospitals: 0 })
  expect(status.result).toMatchObject({ batch_activated: true })
  expect(Object.values(directory.counts())).toEqual([1, 1, 1, 1, 1])
  expect(directory.activated).toEqual([status.result.batch_id])
  expect((await rowsOf(body.job_id)).map(({ record_id }) => record_id).sort()).toEqual(
    [1, 2, 3, 4, 5].map((n) => `there-${n}`),
  )
  expect((await clinic.get(HOSPITALS)).body).toHaveLength(5)
})

/** Behaviour, for how many tries, what the row ends as, and how many hospitals there are then. */
const CASES: [Behaviour, tries: number, outcome: string, hospitals: number][] = [
  ['success', 3, 'created', 1],
  ['error_500', 2, 'created', 1],
  ['error_500', 3, 'directory_unavailable', 0],
  ['error_502', 2, 'created', 1],
  ['error_502', 3, 'directory_unavailable', 0],
  ['error_503', 2, 'created', 1],
  ['error_503', 3, 'directory_unavailable', 0],
  ['error_429', 2, 'created', 1],
  ['error_429', 3, 'directory_unavailable', 0],
  ['reset_before', 2, 'created', 1],
  ['reset_before', 3, 'unknown_outcome', 0],
  ['reset_after', 2, 'created', 1],
  ['reset_after', 3, 'unknown_outcome', 1],
  ['timeout_after', 2, 'created', 1],
  ['timeout_after', 3, 'unknown_outcome', 1],
  ['truncated', 2, 'created', 1],
  ['truncated', 3, 'unknown_outcome', 1],
  ['html', 2, 'created', 1],
  ['html', 3, 'unknown_outcome', 1],
  ['huge', 2, 'created', 1],
  ['huge', 3, 'unknown_outcome', 1],
  ['redirect', 3, 'refused_by_directory', 0],
  ['refusal', 3, 'refused_by_directory', 0],
  ['conflict', 3, 'duplicate_in_directory', 0],
]

test.each(CASES)(
  '%s on %i tries: the row ends %s and %i hospitals stand there',
  async (behaviour, tries, outcome, hospitals) => {
    const clinic = await openClinic()
    const directory = standIn((name, call) =>
      name === 'Hospital 1' && call <= tries ? behaviour : 'success',
    )
    const { body } = await upload(clinic, csv(...manyRows(2)))
    const copies = 1 + (CASES.findIndex((one) => one[0] === behaviour && one[1] === tries) % 4)
    const status = await runToEnd(clinic, directory.settings, body.job_id, copies)
    const [, row] = await rowsOf(body.job_id)
    expect(row?.reason ?? row?.status).toBe(outcome)
    expect(status).toMatchObject({ status: 'completed', failed_hospitals: outcome === 'created' ? 0 : 1 })
    expect(directory.counts()['Hospital 1'] ?? 0).toBe(hospitals)
    expect(directory.counts()['Hospital 0']).toBe(1)
    expect(
      new Set(directory.seen.filter(({ name }) => name === 'Hospital 1').map(({ key }) => key)).size,
    ).toBe(1)
    expect(row?.tries).toBeLessThanOrEqual(3)
  },
)

test('a row that is settled is never sent again, however often its message comes', async () => {
  const [clinic, directory] = [await openClinic(), standIn()]
  const { body } = await upload(clinic, csv(...manyRows(3)))
  await deliverUnder(directory.settings, body.job_id, { copies: 4 })
  await deliverUnder(directory.settings, body.job_id, { copies: 4 })
  expect(directory.seen).toHaveLength(3)
})

test('a try is counted before it is made: a crash in the last one ends unknown and sends no more', async () => {
  const [clinic, directory] = [await openClinic(), standIn()]
  const { body } = await upload(clinic, csv(...manyRows(2)))
  await env.DB.prepare(
    "UPDATE staged_rows SET tries = 3, reason = 'unknown_outcome' WHERE job_id = ? AND row = 2",
  )
    .bind(body.job_id)
    .run()
  await runToEnd(clinic, directory.settings, body.job_id)
  expect(await rowsOf(body.job_id)).toMatchObject([
    { status: 'failed', reason: 'unknown_outcome' },
    { status: 'created', tries: 1 },
  ])
  expect(directory.seen.map(({ name }) => name)).toEqual(['Hospital 1'])
})

test('a hospital that was imported before is not sent again', async () => {
  const [clinic, directory] = [await openClinic(), standIn()]
  const first = await upload(clinic, csv(...manyRows(2)))
  await runToEnd(clinic, directory.settings, first.body.job_id)
  const again = await upload(clinic, csv(...manyRows(3)))
  await runToEnd(clinic, directory.settings, again.body.job_id)
  expect((await rowsOf(again.body.job_id)).map(({ reason }) => reason)).toEqual([
    'duplicate_in_directory',
    'duplicate_in_directory',
    null,
  ])
  expect(directory.seen).toHaveLength(3)
})

test('between tries the chunk rests for two to ten seconds, and an early message changes nothing', async () => {
  const clinic = await openClinic()
  const directory = standIn(() => 'error_500')
  const { body } = await upload(clinic, csv(...manyRows(1)))
  await deliverUnder(directory.settings, body.job_id)
  const rested = await env.DB.prepare('SELECT not_before FROM import_chunks WHERE job_id = ?')
    .bind(body.job_id)
    .first<number>('not_before')
  expect((rested ?? 0) - Date.now()).toBeGreaterThan(1_500)
  expect((rested ?? 0) - Date.now()).toBeLessThanOrEqual(10_000)
  await deliverUnder(directory.settings, body.job_id)
  expect(directory.seen).toHaveLength(1)
})

test('a directory that is down pauses the job, which then goes on by its alarm and completes', async () => {
  const clinic = await openClinic()
  let isDown = true
  const directory = standIn(() => (isDown ? 'error_500' : 'success'))
  const { body } = await upload(clinic, csv(...manyRows(12)))
  expect(await deliverUnder(directory.settings, body.job_id)).toEqual({ acked: 1, retried: 0 })
  const paused = (await statusOf(clinic, body.job_id)).body
  expect(paused).toMatchObject({ status: 'processing', failed_hospitals: 0 })
  expect(Date.parse(paused.paused_until) - Date.now()).toBeGreaterThan(50_000)
  const calls = directory.seen.length
  expect(calls).toBeLessThan(12)
  expect(calls).toBeGreaterThanOrEqual(5)
  await deliverUnder(directory.settings, body.job_id, { copies: 3 })
  expect(directory.seen).toHaveLength(calls)
  isDown = false
  sent.length = 0
  const watcher = env.BULK_JOB.getByName(body.job_id)
  await runDurableObjectAlarm(watcher)
  expect(chunksSent(sent, body.job_id)).toEqual([])
  advance(61_000)
  await runDurableObjectAlarm(watcher)
  expect(chunksSent(sent, body.job_id)).toEqual([0])
  expect(await runToEnd(clinic, directory.settings, body.job_id)).toMatchObject({
    status: 'completed',
    processed_hospitals: 12,
    paused_until: null,
  })
  expect(Object.values(directory.counts())).toEqual(Array(12).fill(1))
})

test('who lost the lease sends nothing', async () => {
  const [clinic, directory] = [await openClinic(), standIn()]
  const { body } = await upload(clinic, csv(...manyRows(2)))
  await env.DB.prepare(
    `CREATE TRIGGER thief AFTER UPDATE OF lease ON import_chunks
     WHEN NEW.job_id = '${body.job_id}' AND NEW.lease <> 'thief'
     BEGIN UPDATE import_chunks SET lease = 'thief' WHERE job_id = NEW.job_id; END`,
  ).run()
  await deliverUnder(directory.settings, body.job_id)
  expect(directory.seen).toEqual([])
  await env.DB.prepare('DROP TRIGGER thief').run()
})

const activation = (batchId: string) => `${HOSPITALS}/bulk/batch/${batchId}/activate`

test('an activation that fails is tried three times; then the job completes without, for somebody to do it', async () => {
  const [clinic, directory] = [await openClinic(), standIn()]
  let asked = 0
  directory.onActivation(() => {
    asked += 1
    return 'error_500'
  })
  const { body } = await upload(clinic, csv(...manyRows(1)))
  const status = await runToEnd(clinic, directory.settings, body.job_id)
  expect(status).toMatchObject({ status: 'completed', result: { batch_activated: false } })
  expect(asked).toBe(3)
  const path = activation(status.result.batch_id)
  expect(await sendUnder(directory.settings, clinic, path)).toMatchObject({ status: 503 })
  expect((await statusOf(clinic, body.job_id)).body.result.batch_activated).toBe(false)
  directory.onActivation(() => 'success')
  advance(61_000)
  expect(await sendUnder(directory.settings, clinic, path)).toMatchObject({ status: 200 })
  expect(await sendUnder(directory.settings, clinic, path)).toMatchObject({ status: 200 })
  expect(directory.activated).toEqual([status.result.batch_id])
  expect((await clinic.get(HOSPITALS)).body).toHaveLength(1)
})

test('of two chunks that end at once, one activates', async () => {
  const [clinic, directory] = [await openClinic(), standIn()]
  const { body } = await upload(clinic, csv(...manyRows(1_001)))
  await env.DB.prepare("UPDATE staged_rows SET status = 'created' WHERE job_id = ? AND row NOT IN (2, 1002)")
    .bind(body.job_id)
    .run()
  await Promise.all([0, 1].map((chunk) => deliverUnder(directory.settings, body.job_id, { chunks: [chunk] })))
  expect((await statusOf(clinic, body.job_id)).body).toMatchObject({ status: 'completed' })
  expect(directory.activated).toHaveLength(1)
})

test('a job that is still running tells how many rows are settled so far', async () => {
  const [clinic, directory] = [
    await openClinic(),
    standIn((name) => (name === 'Hospital 2' ? 'error_500' : 'success')),
  ]
  const { body } = await upload(clinic, csv(...manyRows(3)))
  await deliverUnder(directory.settings, body.job_id)
  const running = (await statusOf(clinic, body.job_id)).body
  expect(running).toMatchObject({ status: 'processing', processed_hospitals: 2, failed_hospitals: 0 })
})

test('an import that is cancelled midway sends no more, and resumed sends the rest, each row once', async () => {
  const [clinic, directory] = [await openClinic(), standIn()]
  const { body } = await upload(clinic, csv(...manyRows(20)))
  await env.DB.prepare(
    `CREATE TRIGGER cancelled AFTER UPDATE OF status ON staged_rows
     WHEN NEW.job_id = '${body.job_id}' AND NEW.status = 'created'
     BEGIN UPDATE imports SET state = 'cancelled' WHERE id = NEW.job_id; END`,
  ).run()
  await deliverUnder(directory.settings, body.job_id)
  await deliverUnder(directory.settings, body.job_id, { copies: 3 })
  await env.DB.prepare('DROP TRIGGER cancelled').run()
  const underWayAtOnce = 4
  expect(directory.seen.length).toBeLessThanOrEqual(underWayAtOnce)
  const stopped = (await statusOf(clinic, body.job_id)).body
  expect(stopped).toMatchObject({ status: 'cancelled', processed_hospitals: directory.seen.length })
  expect(directory.activated).toEqual([])
  expect((await clinic.post(`${HOSPITALS}/jobs/${body.job_id}/resume`)).status).toBe(202)
  expect(await runToEnd(clinic, directory.settings, body.job_id)).toMatchObject({
    status: 'completed',
    processed_hospitals: 20,
    result: { batch_activated: true },
  })
  expect(Object.values(directory.counts())).toEqual(Array(20).fill(1))
  expect(directory.activated).toHaveLength(1)
})
