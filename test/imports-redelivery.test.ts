import { runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { seeded } from '../bench/torture/worker/seeded'
import { type Client, openClinic, times } from './clinic'
import { type ChunkBody, chunksSent, csv, HOSPITALS, heldQueue, manyRows, upload } from './directory'
import { deliverUnder } from './stand-in'

const HOSPITALS_COUNT = 10_000
const REPEATED = 500
const ROWS = HOSPITALS_COUNT + REPEATED
const CONSUMERS = 4
const COPIES_MAX = 4
const BATCH_MAX = 3
const SAMPLES_MIN = 1_000
/** Every so many samples the API is asked too. */
const API_EVERY = 4
/** So many samples are taken at most while a consumer waits for the database. */
const SLOW_SAMPLES = 160
const LEAPS = 0.5
/** Behind the end of any lease on a chunk. */
const LEAP_MS = 11_000

/** A clock that runs, and leaps. (One that stands still keeps an alarm ringing without a pause.) */
let leapt = 0
let sent: ChunkBody[]
beforeEach(() => {
  const now = Date.now
  vi.spyOn(Date, 'now').mockImplementation(() => now() + leapt)
  sent = heldQueue()
})
afterEach(() => {
  vi.restoreAllMocks()
})

test.each([4])(
  'ten thousand rows, each message up to four times in any order to four consumers: each row once (seed %i)',
  { timeout: 180_000 },
  async (seed) => {
    const [clinic, random] = [await openClinic(), seeded(seed)]
    const file = csv(...manyRows(HOSPITALS_COUNT), ...manyRows(REPEATED, 4_321))
    const { body } = await upload(clinic, file)
    const ends = await endsOf(body.job_id)
    const said = vi.spyOn(console, 'log')
    const sampler = samplerOf(clinic, body.job_id)
    const delivered = Promise.all(
      dealt(chunksSent(sent, body.job_id), random).map((batches, n) => {
        const DB = slowDatabase(seeded(seed * 100 + n), sampler)
        return consume(batches, { DB }, body.job_id)
      }),
    )
    const samples = await sampler.runUntil(delivered)

    console.info(JSON.stringify(figures(samples)))
    expect(samples.filter(({ drift }) => drift !== 0)).toEqual([])
    expect(samples.filter((sample, n) => isBehind(sample, samples[n - 1]))).toEqual([])
    expect(samples.filter(({ shown }) => shown > 0 && shown < ROWS).length).toBeGreaterThan(SAMPLES_MIN / 2)
    expect(samples.at(-1)).toMatchObject({
      state: 'completed',
      created: HOSPITALS_COUNT,
      failed: REPEATED,
      hospitals: HOSPITALS_COUNT,
    })
    expect(await ends.told()).toBe(1)
    const chunksDone = said.mock.calls.flatMap(([line]) =>
      String(line).includes('"import.chunk_done"') ? [JSON.parse(String(line)).chunk as number] : [],
    )
    expect(chunksDone.toSorted((a, b) => a - b)).toEqual(times(11, (chunk) => chunk))
    expect(await takenOver(body.job_id)).toBeGreaterThan(0)
    const watcher = env.BULK_JOB.getByName(body.job_id)
    await runDurableObjectAlarm(watcher)
    expect(await runDurableObjectAlarm(watcher)).toBe(false)
  },
)

/** Each chunk's message one to four times, shuffled, in batches, dealt to the consumers. */
function dealt(chunks: number[], random: () => number): number[][][] {
  const below = (most: number) => Math.floor(random() * most)
  const copies = chunks.flatMap((chunk) => times(1 + below(COPIES_MAX), () => chunk))
  for (let n = copies.length - 1; n > 0; n -= 1) {
    const other = below(n + 1)
    ;[copies[n], copies[other]] = [copies[other] as number, copies[n] as number]
  }
  const hands = times(CONSUMERS, (): number[][] => [])
  for (let from = 0, hand = 0; from < copies.length; hand += 1) {
    const some = copies.slice(from, from + 1 + below(BATCH_MAX))
    hands[hand % CONSUMERS]?.push(some)
    from += some.length
  }
  return hands
}

async function consume(batches: number[][], settings: Partial<Env>, jobId: string): Promise<void> {
  for (const chunks of batches)
    expect(await deliverUnder(settings, jobId, { chunks })).toEqual({ acked: chunks.length, retried: 0 })
}

/**
 * One consumer's view of D1: each batch waits, and now and then the clock leaps meanwhile, so that a lease
 * runs out under who works and two work on one chunk.
 */
function slowDatabase(random: () => number, sampler: Sampler): D1Database {
  const batch: D1Database['batch'] = async (statements) => {
    if (random() < LEAPS) leapt += LEAP_MS
    await sampler.after(Math.floor(random() * SLOW_SAMPLES))
    return env.DB.batch(statements)
  }
  return new Proxy(env.DB, {
    get: (database, name) => {
      const found = Reflect.get(database, name)
      return name === 'batch' ? batch : typeof found === 'function' ? found.bind(database) : found
    },
  })
}

type Sampler = ReturnType<typeof samplerOf>

/** Looks again and again until the work is done, and at least SAMPLES_MIN times. */
function samplerOf(clinic: Client, jobId: string) {
  const samples: Sample[] = []
  let waiting: { from: number; go: () => void }[] = []
  return {
    /** So many samples from now. */
    after: (count: number) =>
      new Promise<void>((go) => {
        waiting.push({ from: samples.length + count, go })
      }),
    async runUntil(work: Promise<unknown>): Promise<Sample[]> {
      let isOver = false
      const watched = work.finally(() => {
        isOver = true
      })
      while (!isOver || samples.length < SAMPLES_MIN) {
        // Without a pause, calls of objects never get their turn here.
        await scheduler.wait(0)
        samples.push(await sampled(clinic, jobId, samples.length % API_EVERY === 0))
        for (const { go } of waiting.filter(({ from }) => from <= samples.length)) go()
        waiting = waiting.filter(({ from }) => from > samples.length)
      }
      await watched
      return samples
    },
  }
}

interface Sample {
  state: string
  /** What the API shows, where it is asked; taken before the rest. */
  shown: number
  created: number
  failed: number
  hospitals: number
  /** How far the counters are from the rows and the directory, in one statement. */
  drift: number
}

async function sampled(clinic: Client, jobId: string, isAsked: boolean): Promise<Sample> {
  const job = isAsked ? (await clinic.get(`${HOSPITALS}/jobs?limit=1`)).body.jobs[0] : null
  const found = await env.DB.prepare(
    `SELECT i.state, c.created, c.failed, h.hospitals, abs(c.created - r.created) + abs(c.failed - r.failed)
       + abs(c.created - h.hospitals) + max(0, c.created + c.failed - i.total_rows) AS drift
     FROM imports i,
       (SELECT sum(created) AS created, sum(failed) AS failed FROM import_chunks WHERE job_id = ?1) c,
       (SELECT coalesce(sum(status = 'created'), 0) AS created, coalesce(sum(status = 'failed'), 0) AS failed
         FROM staged_rows WHERE job_id = ?1) r,
       (SELECT count(*) AS hospitals FROM hospitals WHERE clinic_id = ?2) h
     WHERE i.id = ?1`,
  )
    .bind(jobId, clinic.clinicId)
    .first<Omit<Sample, 'shown'>>()
  if (!found) throw new Error('The job is gone')
  const settled = found.created + found.failed
  return { ...found, shown: job ? job.processed_hospitals + job.failed_hospitals : settled }
}

const ORDER = ['pending', 'processing', 'completed']

/** Whether something fell: what the API shows lies between what D1 said before and says now. */
const isBehind = (now: Sample, before?: Sample): boolean =>
  before !== undefined &&
  (now.created < before.created ||
    now.failed < before.failed ||
    now.shown < before.created + before.failed ||
    now.shown > now.created + now.failed ||
    ORDER.indexOf(now.state) < ORDER.indexOf(before.state))

const figures = (samples: Sample[]) => ({
  samples: samples.length,
  midway: samples.filter(({ shown }) => shown > 0 && shown < ROWS).length,
  steps: new Set(samples.map(({ created, failed }) => created + failed)).size,
  drift: samples.reduce((most, { drift }) => Math.max(most, drift), 0),
})

/** Chunks that somebody claimed while somebody else worked on them. */
const takenOver = (jobId: string) =>
  env.DB.prepare('SELECT count(*) AS n FROM import_chunks WHERE job_id = ? AND attempts > 1')
    .bind(jobId)
    .first<number>('n')

/** Counts how often the job is written to be completed. */
async function endsOf(jobId: string) {
  await env.DB.prepare('CREATE TABLE IF NOT EXISTS ends (job_id TEXT)').run()
  await env.DB.prepare(
    `CREATE TRIGGER IF NOT EXISTS told AFTER UPDATE OF state ON imports WHEN NEW.state = 'completed'
     BEGIN INSERT INTO ends VALUES (NEW.id); END`,
  ).run()
  return {
    told: () =>
      env.DB.prepare('SELECT count(*) AS n FROM ends WHERE job_id = ?').bind(jobId).first<number>('n'),
  }
}
