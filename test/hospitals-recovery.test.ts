import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test, vi } from 'vitest'
import { CHUNK_ATTEMPTS_MAX } from '../src/imports/work/consumer'
import { openClinic } from './clinic'
import {
  chunksSent,
  csv,
  deliver,
  HOSPITALS,
  holdTheQueue,
  leftOf,
  manyRows,
  queueSpy,
  statusOf,
  upload,
} from './directory'
import { soon } from './soon'

const sent = holdTheQueue()

test('the real queue wakes the consumer', async () => {
  vi.restoreAllMocks()
  const clinic = await openClinic()
  const { body } = await upload(clinic, csv(...manyRows(5)))
  await soon(async () => expect((await statusOf(clinic, body.job_id)).body.status).toBe('completed'))
  expect((await clinic.get(HOSPITALS)).body).toHaveLength(5)
})

test('lost messages are sent again by the alarm, for chunks that wait and no others', async () => {
  const clinic = await openClinic()
  const { body } = await upload(clinic, csv(...manyRows(3_000)))
  await deliver(sent.splice(0).slice(0, 1))
  const job = env.BULK_JOB.getByName(body.job_id)
  expect(await runDurableObjectAlarm(job)).toBe(true)
  expect(chunksSent(sent, body.job_id)).toEqual([1, 2])
  await deliver(sent)
  expect((await statusOf(clinic, body.job_id)).body.status).toBe('completed')
  await runDurableObjectAlarm(job)
  expect(await runDurableObjectAlarm(job)).toBe(false)
})

test.each<[string, () => void]>([
  ['queue', () => queueSpy().mockRejectedValue(new Error('queue is down'))],
  [
    'database',
    () => {
      vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'prepare').mockImplementation(() => {
        throw new Error('D1 is down')
      })
    },
  ],
])('an alarm that finds the %s dead rings again', async (_, kill) => {
  const clinic = await openClinic()
  const { body } = await upload(clinic, csv('A,B,'))
  kill()
  const job = env.BULK_JOB.getByName(body.job_id)
  expect([await runDurableObjectAlarm(job), await runDurableObjectAlarm(job)]).toEqual([true, true])
})

test('a chunk that somebody works on is left alone until the lease is over', async () => {
  const clinic = await openClinic()
  const { body } = await upload(clinic, csv('A,B,'))
  await leaseTo(body.job_id, 'somebody', Date.now() + 60_000)
  expect(await deliver(sent)).toMatchObject({ retryMessages: [] })
  expect((await statusOf(clinic, body.job_id)).body.processed_hospitals).toBe(0)
  sent.length = 0
  await runDurableObjectAlarm(env.BULK_JOB.getByName(body.job_id))
  expect(chunksSent(sent, body.job_id)).toEqual([])
  await leaseTo(body.job_id, 'somebody', Date.now() - 1)
  await deliver([{ job_id: body.job_id, chunk: 0 }])
  expect((await statusOf(clinic, body.job_id)).body.status).toBe('completed')
})

test('the watcher wakes as soon as a lease ends, so that a crash costs no more than that', async () => {
  const clinic = await openClinic()
  const { body } = await upload(clinic, csv('A,B,'))
  vi.useFakeTimers({ now: Date.now(), toFake: ['Date'] })
  const [soon, watcher] = [Date.now() + 2_500, env.BULK_JOB.getByName(body.job_id)]
  await leaseTo(body.job_id, 'somebody', soon)
  await runDurableObjectAlarm(watcher)
  expect(await runInDurableObject(watcher, (_, state) => state.storage.getAlarm())).toBe(soon)
})

test('who lost the lease while working writes nothing at all', async () => {
  const clinic = await openClinic()
  const { body } = await upload(clinic, csv(...manyRows(1_001)))
  await deliver([{ job_id: body.job_id, chunk: 0 }])
  await env.DB.prepare(
    `CREATE TRIGGER thief AFTER UPDATE OF lease ON import_chunks
     WHEN NEW.job_id = '${body.job_id}' AND NEW.lease <> 'thief'
     BEGIN UPDATE import_chunks SET lease = 'thief' WHERE job_id = NEW.job_id AND chunk = NEW.chunk; END`,
  ).run()
  expect(await deliver([{ job_id: body.job_id, chunk: 1 }])).toMatchObject({ retryMessages: [] })
  expect((await statusOf(clinic, body.job_id)).body).toMatchObject({
    status: 'processing',
    processed_hospitals: 1_000,
  })
  expect(await leftOf(clinic)).toMatchObject({ hospitals: 1_000 })
})

const leaseTo = (jobId: string, lease: string, until: number) =>
  env.DB.prepare('UPDATE import_chunks SET lease = ?, lease_until = ? WHERE job_id = ?')
    .bind(lease, until, jobId)
    .run()

test('messages for no job, for a withdrawn job and of another shape are done with', async () => {
  const clinic = await openClinic()
  const withdrawn: unknown[] = []
  queueSpy().mockImplementation(async (messages) => {
    for (const { body } of messages) withdrawn.push(body)
    throw new Error('queue is down')
  })
  expect((await upload(clinic, csv('A,B,'))).status).toBe(503)
  const result = await deliver([...withdrawn, { job_id: 'nobody', chunk: 0 }, { job_id: 'nobody' }, null])
  expect(result).toMatchObject({ outcome: 'ok', retryMessages: [] })
  expect(result.explicitAcks).toHaveLength(4)
  expect(await leftOf(clinic)).toMatchObject({ hospitals: 0 })
})

test('work that fails is tried again, and then the job fails where everybody can see it', async () => {
  const clinic = await openClinic()
  const { body } = await upload(clinic, csv(...manyRows(2)))
  await poison(body.job_id)
  for (let attempt = 1; attempt < CHUNK_ATTEMPTS_MAX; attempt++)
    expect((await deliver(sent)).retryMessages).toHaveLength(1)
  expect((await statusOf(clinic, body.job_id)).body.status).toBe('processing')
  expect((await deliver(sent)).retryMessages).toHaveLength(0)
  expect((await statusOf(clinic, body.job_id)).body).toMatchObject({
    status: 'failed',
    error: 'chunk_failed',
    result: null,
    processed_hospitals: 0,
    completed_at: expect.any(String),
  })
  sent.length = 0
  await runDurableObjectAlarm(env.BULK_JOB.getByName(body.job_id))
  expect(chunksSent(sent, body.job_id)).toEqual([])
})

test('a chunk that fails once leaves nothing half done and completes on the next message', async () => {
  const clinic = await openClinic()
  const { body } = await upload(clinic, csv(...manyRows(2)))
  await poison(body.job_id)
  await deliver(sent)
  expect(await leftOf(clinic)).toMatchObject({ hospitals: 0 })
  await env.DB.prepare('DROP TRIGGER poison').run()
  await deliver(sent)
  expect((await statusOf(clinic, body.job_id)).body).toMatchObject({
    status: 'completed',
    processed_hospitals: 2,
  })
})

/** The last statements of this job's work fail, as they would on a bug. */
async function poison(jobId: string) {
  await env.DB.prepare('DROP TRIGGER IF EXISTS poison').run()
  await env.DB.prepare(
    `CREATE TRIGGER poison BEFORE UPDATE OF state ON import_chunks
     WHEN NEW.job_id = '${jobId}' AND NEW.state = 'done' BEGIN SELECT RAISE(ABORT, 'poison'); END`,
  ).run()
}
