import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { openClinic, times } from './clinic'
import {
  type ChunkBody,
  chunksSent,
  csv,
  deliver,
  HOSPITALS,
  heldQueue,
  manyRows,
  statusOf,
  upload,
} from './directory'
import { soon } from './soon'
import { deliverUnder, standIn } from './stand-in'

/** Behind the end of any lease and any rest. */
const LEAP_MS = 61_000

/** A clock that runs an hour ahead, so that no alarm rings but those a test rings itself. */
let ahead: number
let sent: ChunkBody[]
beforeEach(() => {
  const now = Date.now
  ahead = 3_600_000
  vi.spyOn(Date, 'now').mockImplementation(() => now() + ahead)
  sent = heldQueue()
})
afterEach(() => {
  vi.restoreAllMocks()
})

test('a chunk that gets on is not given up, however often who works on it dies', async () => {
  const [clinic, directory] = [await openClinic(), standIn()]
  const { body } = await upload(clinic, csv(...manyRows(40)))
  for (const life of times(7, (n) => n)) {
    const before = await settledOf(body.job_id)
    const worker = mortal(async () => (await settledOf(body.job_id)) > before)
    void deliverUnder({ ...directory.settings, DB: worker.database }, body.job_id)
    await soon(() => expect(worker.isDead(), `life ${life}`).toBe(true))
    ahead += LEAP_MS
  }
  expect((await statusOf(clinic, body.job_id)).body.status).toBe('processing')
  await soon(async () => {
    await deliverUnder(directory.settings, body.job_id)
    ahead += LEAP_MS
    expect((await statusOf(clinic, body.job_id)).body).toMatchObject({
      status: 'completed',
      processed_hospitals: 40,
    })
  })
  expect(Object.values(directory.counts())).toEqual(Array(40).fill(1))
})

test('what moves is not sent for again; once it stands it is, and soon, however long it had been waited for', async () => {
  const clinic = await openClinic()
  const { body } = await upload(clinic, csv(...manyRows(3_000)))
  const [first] = sent
  const watcher = env.BULK_JOB.getByName(body.job_id)
  const alarm = async () => (await runInDurableObject(watcher, (_, state) => state.storage.getAlarm())) ?? 0
  let rungAt = 0
  const ring = async () => {
    sent.length = 0
    rungAt = Date.now()
    await runDurableObjectAlarm(watcher)
    return chunksSent(sent, body.job_id)
  }
  for (const _ of times(5, (n) => n)) expect(await ring()).toEqual([0, 1, 2])
  expect(await alarm()).toBeGreaterThan(rungAt + 10_000)
  await deliver([first])
  expect(await ring()).toEqual([])
  expect((await alarm()) - Date.now()).toBeLessThanOrEqual(3_000)
  expect(await ring()).toEqual([1, 2])
  expect((await alarm()) - Date.now()).toBeLessThanOrEqual(6_000)
})

test('a watcher that looks in while an import is being resumed still sees it through', async () => {
  const clinic = await openClinic()
  const { body } = await upload(clinic, csv(...manyRows(3)))
  const watcher = env.BULK_JOB.getByName(body.job_id)
  await clinic.post(`${HOSPITALS}/jobs/${body.job_id}/cancel`)
  await runDurableObjectAlarm(watcher)
  expect(await runDurableObjectAlarm(watcher), 'nothing is left to watch').toBe(false)

  const database: D1Database = Object.getPrototypeOf(env.DB)
  const batch = database.batch
  vi.spyOn(database, 'batch').mockImplementationOnce(async function (this: D1Database, statements) {
    await runDurableObjectAlarm(watcher)
    return (await batch.call(this, statements)) as never
  })
  expect((await clinic.post(`${HOSPITALS}/jobs/${body.job_id}/resume`)).status).toBe(202)
  sent.length = 0
  await runDurableObjectAlarm(watcher)
  expect(chunksSent(sent, body.job_id)).toEqual([0])
})

const settledOf = async (jobId: string): Promise<number> =>
  (await env.DB.prepare('SELECT count(*) AS n FROM staged_rows WHERE job_id = ? AND status IS NOT NULL')
    .bind(jobId)
    .first<number>('n')) ?? 0

/** The view of D1 that a worker has until it dies: from then on no batch of it arrives, and none is answered. */
function mortal(dies: () => Promise<boolean>) {
  let isDead = false
  const batch: D1Database['batch'] = async (statements) => {
    if (isDead) return new Promise(() => {})
    const results = await env.DB.batch(statements)
    isDead ||= await dies()
    return results as never
  }
  const database = new Proxy(env.DB, {
    get: (real, name) => {
      const found = Reflect.get(real, name)
      return name === 'batch' ? batch : typeof found === 'function' ? found.bind(real) : found
    },
  })
  return { database, isDead: () => isDead }
}
