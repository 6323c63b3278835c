import { runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { CHUNK_ATTEMPTS_MAX } from '../src/imports/work/consumer'
import { type Client, keyFor, openClinic, times } from './clinic'
import {
  chunksSent,
  csv,
  deliver,
  HOSPITALS,
  heldQueue,
  holdTheQueue,
  leftOf,
  manyRows,
  queueSpy,
  statusOf,
  upload,
} from './directory'

const sent = holdTheQueue()

const move = (clinic: Client, job: string, step: 'cancel' | 'resume', key?: string) =>
  clinic.send('POST', `${HOSPITALS}/jobs/${job}/${step}`, null, key ? { 'Idempotency-Key': key } : {})

const problem = (code: string) => ({ status: 409, body: { type: `/problems/${code}` } })

/** An import of which the first of three chunks is done. */
async function begun(clinic: Client): Promise<string> {
  const { body } = await upload(clinic, csv(...manyRows(2_500)))
  await deliver(sent.slice(0, 1))
  return body.job_id
}

test('a cancelled import says exactly what is done and what is not, and says it again', async () => {
  const clinic = await openClinic()
  const job = await begun(clinic)
  const cancelled = await move(clinic, job, 'cancel')
  expect(cancelled).toMatchObject({
    status: 200,
    body: {
      status: 'cancelled',
      processed_hospitals: 1_000,
      failed_hospitals: 0,
      message: 'The import was cancelled: 1000 hospitals created, 0 rows failed, 1500 rows are not done',
      result: null,
      completed_at: expect.any(String),
    },
  })
  await deliver([...sent, ...sent])
  expect((await move(clinic, job, 'cancel')).text).toBe(cancelled.text)
  expect((await statusOf(clinic, job)).text).toBe(cancelled.text)
  expect(await leftOf(clinic)).toMatchObject({ hospitals: 1_000 })
})

test('an import may be cancelled before its first chunk, and resumed as if nothing had been', async () => {
  const clinic = await openClinic()
  const { body } = await upload(clinic, csv(...manyRows(3)))
  await move(clinic, body.job_id, 'cancel')
  await deliver(sent)
  expect(await leftOf(clinic)).toMatchObject({ hospitals: 0 })
  expect((await move(clinic, body.job_id, 'resume')).status).toBe(202)
  expect((await statusOf(clinic, body.job_id)).body).toMatchObject({ status: 'pending', started_at: null })
  await deliver(sent)
  expect((await statusOf(clinic, body.job_id)).body).toMatchObject({ status: 'completed' })
})

test.each([
  ['is cancelled ends and counts', 'cancelled', 2_000],
  ['is given up changes nothing any more', 'failed', 1_000],
])('a chunk that is worked on while the import %s; nothing follows it', async (_, state, created) => {
  const clinic = await openClinic()
  const { body } = await upload(clinic, csv(...manyRows(2_500)))
  await env.DB.prepare(
    `CREATE TRIGGER ender AFTER UPDATE OF lease ON import_chunks WHEN NEW.job_id = '${body.job_id}'
     AND NEW.chunk = 1 BEGIN UPDATE imports SET state = '${state}' WHERE id = NEW.job_id; END`,
  ).run()
  await deliver([sent[0], sent[1], sent[2]])
  await env.DB.prepare('DROP TRIGGER ender').run()
  expect((await statusOf(clinic, body.job_id)).body).toMatchObject({
    status: state,
    processed_hospitals: created,
  })
  expect(await leftOf(clinic)).toMatchObject({ hospitals: created })
})

test('an import that is over cannot be cancelled, one that runs or is completed not resumed', async () => {
  const clinic = await openClinic()
  const job = await begun(clinic)
  expect(await move(clinic, job, 'resume')).toMatchObject(problem('import_not_finished'))
  await deliver(sent)
  expect(await move(clinic, job, 'resume')).toMatchObject(problem('import_over'))
  expect(await move(clinic, job, 'cancel')).toMatchObject(problem('import_over'))
  expect((await statusOf(clinic, job)).body).toMatchObject({
    status: 'completed',
    processed_hospitals: 2_500,
  })
})

test('a resumed import completes with every row once, whatever comes how often in what order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat({ max: 2 }), { maxLength: 4 }),
      fc.shuffledSubarray(
        times(12, (n) => n),
        { minLength: 12 },
      ),
      async (before, order) => {
        const clinic = await openClinic()
        const { body } = await upload(clinic, csv(...manyRows(2_500), ...manyRows(10, 5)))
        const chunks = times(3, (chunk) => ({ job_id: body.job_id, chunk }))
        const [cancelled] = await Promise.all([
          move(clinic, body.job_id, 'cancel'),
          deliver(before.map((n) => chunks[n])),
        ])
        const resumed = await move(clinic, body.job_id, 'resume')
        await Promise.all(
          times(4, (part) => deliver(order.slice(part * 3, part * 3 + 3).map((n) => chunks[n % 3]))),
        )
        expect([cancelled.status, resumed.status]).toEqual(cancelled.status === 200 ? [200, 202] : [409, 409])
        expect((await statusOf(clinic, body.job_id)).body).toMatchObject({
          status: 'completed',
          processed_hospitals: 2_500,
          failed_hospitals: 10,
        })
        expect(await leftOf(clinic)).toMatchObject({ hospitals: 2_500 })
      },
    ),
    { numRuns: 5 },
  )
})

test('an import that was given up goes on with the attempts of its chunk counted anew', async () => {
  const clinic = await openClinic()
  const job = await begun(clinic)
  await env.DB.prepare(
    `CREATE TRIGGER poison BEFORE UPDATE OF state ON import_chunks
     WHEN NEW.job_id = '${job}' AND NEW.state = 'done' BEGIN SELECT RAISE(ABORT, 'poison'); END`,
  ).run()
  for (const _ of times(CHUNK_ATTEMPTS_MAX, (n) => n)) await deliver(sent.slice(1, 2))
  await env.DB.prepare('DROP TRIGGER poison').run()
  expect((await statusOf(clinic, job)).body).toMatchObject({ status: 'failed', error: 'chunk_failed' })
  expect(await move(clinic, job, 'cancel')).toMatchObject(problem('import_over'))
  sent.length = 0
  await move(clinic, job, 'resume')
  expect(chunksSent(sent, job)).toEqual([1, 2])
  await deliver(sent)
  expect((await statusOf(clinic, job)).body).toMatchObject({
    status: 'completed',
    error: null,
    processed_hospitals: 2_500,
    result: { batch_activated: true },
  })
})

test('an import whose last chunk ended while it was cancelled completes at once where it is resumed', async () => {
  const clinic = await openClinic()
  const { body } = await upload(clinic, csv('A,B,'))
  await env.DB.prepare(
    `CREATE TRIGGER canceller AFTER UPDATE OF lease ON import_chunks WHEN NEW.job_id = '${body.job_id}'
     BEGIN UPDATE imports SET state = 'cancelled' WHERE id = NEW.job_id; END`,
  ).run()
  await deliver(sent)
  await env.DB.prepare('DROP TRIGGER canceller').run()
  expect((await statusOf(clinic, body.job_id)).body).toMatchObject({ status: 'cancelled' })
  expect((await move(clinic, body.job_id, 'resume')).status).toBe(202)
  expect((await statusOf(clinic, body.job_id)).body).toMatchObject({
    status: 'completed',
    result: { batch_activated: true },
  })
})

test('a queue that refuses at a resume is 503; the same key works later, and so does the alarm alone', async () => {
  const clinic = await openClinic()
  const job = await begun(clinic)
  await move(clinic, job, 'cancel')
  const watcher = env.BULK_JOB.getByName(job)
  await runDurableObjectAlarm(watcher)
  expect(await runDurableObjectAlarm(watcher)).toBe(false)
  const queue = queueSpy().mockRejectedValue(new Error('queue is down'))
  const refusal = await move(clinic, job, 'resume', 'again')
  expect(refusal.status).toBe(503)
  expect(refusal.headers.get('Retry-After')).toBe('5')
  queue.mockRestore()
  heldQueue(sent)
  await runDurableObjectAlarm(watcher)
  expect(chunksSent(sent, job)).toEqual([1, 2])
  sent.length = 0
  expect((await move(clinic, job, 'resume', 'again')).status).toBe(202)
  expect(chunksSent(sent, job)).toEqual([1, 2])
})

test('a resume that died before it was written leaves the import cancelled, its key free, its watcher awake', async () => {
  const clinic = await openClinic()
  const job = await begun(clinic)
  await move(clinic, job, 'cancel')
  const batch = vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'batch')
  batch.mockRejectedValueOnce(new Error('Network connection lost'))
  expect((await move(clinic, job, 'resume', 'again')).status).toBe(503)
  expect((await statusOf(clinic, job)).body.status).toBe('cancelled')
  await runDurableObjectAlarm(env.BULK_JOB.getByName(job))
  expect((await move(clinic, job, 'resume', 'again')).status).toBe(202)
  expect(await runDurableObjectAlarm(env.BULK_JOB.getByName(job))).toBe(true)
})

test.each(['cancel', 'resume'] as const)(
  '%s under one key is done once, with and without KV',
  async (step) => {
    const clinic = await openClinic()
    const job = await begun(clinic)
    if (step === 'resume') await move(clinic, job, 'cancel')
    const replies = await Promise.all(times(5, () => move(clinic, job, step, 'k')))
    vi.spyOn(Object.getPrototypeOf(env.REPLIES) as KVNamespace, 'get').mockResolvedValue(null as never)
    replies.push(await move(clinic, job, step, 'k'))
    expect(new Set(replies.map(({ text }) => text)).size).toBe(1)
    const { body: entries } = await clinic.get('/api/v1/audit')
    const verb = step === 'cancel' ? 'import.cancelled' : 'import.resumed'
    expect(entries.filter(({ action }: { action: string }) => action === verb)).toHaveLength(1)
  },
)

test('a late retry of a cancel does not undo a resume', async () => {
  const clinic = await openClinic()
  const job = await begun(clinic)
  vi.spyOn(Object.getPrototypeOf(env.REPLIES) as KVNamespace, 'get').mockResolvedValue(null as never)
  await move(clinic, job, 'cancel', 'k')
  await move(clinic, job, 'resume')
  await move(clinic, job, 'cancel', 'k')
  expect((await statusOf(clinic, job)).body.status).toBe('processing')
})

test.each(['cancel', 'resume'] as const)(
  '%s keeps out other clinics and keys that only read',
  async (step) => {
    const clinic = await openClinic()
    const job = await begun(clinic)
    if (step === 'resume') await move(clinic, job, 'cancel')
    const before = (await statusOf(clinic, job)).body.status
    const [other, reader] = [await openClinic(), await keyFor(clinic.clinicId, ['hospitals:read'])]
    expect([(await move(other, job, step)).status, (await move(reader, job, step)).status]).toEqual([
      404, 403,
    ])
    expect((await statusOf(clinic, job)).body.status).toBe(before)
  },
)
