import { env } from 'cloudflare:workers'
import { beforeEach, expect, test, vi } from 'vitest'
import { CHUNK_ATTEMPTS_MAX } from '../src/imports/work/consumer'
import { type Client, openClinic, times } from './clinic'
import { csv, holdTheQueue, leftOf, manyRows, statusOf, upload } from './directory'
import { type D1Fate, fatedD1 } from './faults'
import { soon } from './soon'
import { advance, deliverUnder, rowsOf, runToEnd, standIn } from './stand-in'

holdTheQueue()
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] })
})

const OUTAGES = CHUNK_ATTEMPTS_MAX + 3
/** Behind the end of any lease. */
const LEAP_MS = 61_000

const isClaim = (text: string) => text.includes('json_insert(claims')
const isRelease = (text: string) => text.includes('json_group_array')
const isEnd = (text: string) => text.includes('"completed_at" = ?')

/** Where D1 fails; all else arrives. */
const PLACES: [where: string, (text: string) => D1Fate][] = [
  ['everywhere, before it commits', () => 'before'],
  ['at the claim, after it committed', (text) => (isClaim(text) ? 'after' : null)],
  ['everywhere, after it committed the claim', (text) => (isClaim(text) ? 'after' : 'before')],
  ['in the middle', (text) => (isClaim(text) || isRelease(text) ? null : 'before')],
  ['in the middle and at the release', (text) => (isClaim(text) ? null : 'before')],
  ['at a release that did arrive', (text) => (isClaim(text) ? null : isRelease(text) ? 'after' : 'before')],
  ['in the final step', (text) => (isEnd(text) && !isClaim(text) ? 'before' : null)],
  ['in the final step and at the release', (text) => (isEnd(text) || isRelease(text) ? 'before' : null)],
]

const outages = async (jobId: string, fate: (text: string) => D1Fate, count = OUTAGES) => {
  for (const _ of times(count, (n) => n)) {
    expect(await deliverUnder({ DB: fatedD1(fate) }, jobId)).toEqual({ acked: 0, retried: 1 })
    advance(LEAP_MS)
  }
}

const expectWhole = async (clinic: Client, jobId: string, rows: number) => {
  expect((await statusOf(clinic, jobId)).body).toMatchObject({
    status: 'completed',
    error: null,
    processed_hospitals: rows,
    failed_hospitals: 0,
    result: { batch_activated: true },
  })
  expect(await leftOf(clinic)).toMatchObject({ hospitals: rows })
}

test.each(PLACES)('an outage of D1 %s outlasts every try and fails no job', async (_, fate) => {
  const clinic = await openClinic()
  const { body } = await upload(clinic, csv(...manyRows(20)))
  await outages(body.job_id, fate)
  expect((await statusOf(clinic, body.job_id)).body.status).toMatch(/pending|processing/)
  await deliverUnder({}, body.job_id)
  await expectWhole(clinic, body.job_id, 20)
})

test('outages while another directory is filled cost no chunk, no row and no hospital', async () => {
  const [clinic, directory] = [await openClinic(), standIn()]
  const { body } = await upload(clinic, csv(...manyRows(3)))
  for (const [, fate] of PLACES.slice(0, 6)) {
    await deliverUnder({ ...directory.settings, DB: fatedD1(fate) }, body.job_id)
    advance(LEAP_MS)
  }
  const lastStep = (text: string) => (text.includes(`"state" = ?`) && !isClaim(text) ? 'before' : null)
  for (const _ of times(OUTAGES, (n) => n)) {
    await deliverUnder({ ...directory.settings, DB: fatedD1(lastStep) }, body.job_id)
    advance(LEAP_MS)
  }
  await runToEnd(clinic, directory.settings, body.job_id)
  await expectWhole(clinic, body.job_id, 3)
  expect(Object.values(directory.counts())).toEqual([1, 1, 1])
}, 60_000)

test('an outcome that D1 does not take at once is stored a moment later, and the row is sent once', async () => {
  const [clinic, directory] = [await openClinic(), standIn()]
  const { body } = await upload(clinic, csv(...manyRows(2)))
  let lost = 0
  const atOutcome = (text: string): D1Fate =>
    text.includes('"record_id" = ?') && lost++ < 3 ? (lost % 2 ? 'before' : 'after') : null
  await deliverUnder({ ...directory.settings, DB: fatedD1(atOutcome) }, body.job_id)
  expect(lost).toBeGreaterThan(3)
  expect((await rowsOf(body.job_id)).map(({ status, tries }) => [status, tries])).toEqual([
    ['created', 1],
    ['created', 1],
  ])
  expect(directory.seen).toHaveLength(2)
})

test('an object of the job that never answers costs a chunk no try, and holds up no consumer', async () => {
  const clinic = await openClinic()
  const { body } = await upload(clinic, csv(...manyRows(2)))
  await env.DB.prepare('UPDATE import_chunks SET attempts = 2 WHERE job_id = ?').bind(body.job_id).run()
  const silent = { outages: () => new Promise(() => {}), rememberOutage: () => new Promise(() => {}) }
  const BULK_JOB = { getByName: () => silent } as unknown as Env['BULK_JOB']
  for (const _ of [1, 2]) {
    expect(await deliverUnder({ BULK_JOB }, body.job_id)).toEqual({ acked: 0, retried: 1 })
    const query = 'SELECT attempts FROM import_chunks WHERE job_id = ?'
    expect(await env.DB.prepare(query).bind(body.job_id).first('attempts')).toBe(2)
    advance(LEAP_MS)
  }
  await runToEnd(clinic, {}, body.job_id)
  await expectWhole(clinic, body.job_id, 2)
})

test('a poison chunk fails its job after as many tries as ever, however many outages come between', async () => {
  const clinic = await openClinic()
  const { body } = await upload(clinic, csv(...manyRows(2)))
  await env.DB.prepare(
    `CREATE TRIGGER poison BEFORE UPDATE OF state ON import_chunks
     WHEN NEW.job_id = '${body.job_id}' AND NEW.state = 'done' BEGIN SELECT RAISE(ABORT, 'poison'); END`,
  ).run()
  for (const n of times(CHUNK_ATTEMPTS_MAX, (n) => n + 1)) {
    await outages(body.job_id, (PLACES[n % PLACES.length] as (typeof PLACES)[number])[1], 2)
    const { acked } = await deliverUnder({}, body.job_id)
    expect([n, acked]).toEqual([n, n === CHUNK_ATTEMPTS_MAX ? 1 : 0])
  }
  expect((await statusOf(clinic, body.job_id)).body).toMatchObject({
    status: 'failed',
    error: 'chunk_failed',
  })
  await env.DB.prepare('DROP TRIGGER poison').run()
})

test('a chunk whose consumer dies in every try fails its job as before; outages are not deaths', async () => {
  const clinic = await openClinic()
  const { body } = await upload(clinic, csv(...manyRows(2)))
  let deaths = 0
  for (const _ of times(CHUNK_ATTEMPTS_MAX, (n) => n)) {
    await outages(body.job_id, (text) => (isClaim(text) ? 'after' : 'before'), 1)
    const died = deaths
    const DB = fatedD1((text) => {
      if (isClaim(text)) return null
      deaths += 1
      return 'never'
    })
    void deliverUnder({ DB }, body.job_id)
    await soon(() => expect(deaths).toBe(died + 1))
    advance(LEAP_MS)
  }
  expect((await statusOf(clinic, body.job_id)).body.status).toBe('processing')
  await deliverUnder({}, body.job_id)
  expect((await statusOf(clinic, body.job_id)).body).toMatchObject({ status: 'failed' })
})

test('the job’s object is asked again where it does not answer, and remembers nothing of a job that is over', async () => {
  const clinic = await openClinic()
  const { body } = await upload(clinic, csv(...manyRows(2)))
  const real = env.BULK_JOB
  let calls = 0
  const shaky = {
    getByName: (name: string) => ({
      rememberOutage: async (lease: string) => {
        if (++calls % 3 !== 0) throw Object.assign(new Error('gone'), { retryable: true })
        await real.getByName(name).rememberOutage(lease)
      },
      outages: () => real.getByName(name).outages(),
    }),
  } as unknown as Env['BULK_JOB']
  for (const _ of times(OUTAGES, (n) => n)) {
    const DB = fatedD1((text) => (isClaim(text) ? 'after' : 'before'))
    await deliverUnder({ DB, BULK_JOB: shaky }, body.job_id)
    advance(LEAP_MS)
  }
  await deliverUnder({}, body.job_id)
  await expectWhole(clinic, body.job_id, 2)
  const unknown = env.BULK_JOB.getByName('never-a-job')
  await unknown.rememberOutage('a-lease')
  expect(await unknown.outages()).toEqual([])
})

test('a chunk that was under way before this version is finished, its tries as they stood', async () => {
  const clinic = await openClinic()
  const { body } = await upload(clinic, csv(...manyRows(2)))
  await env.DB.prepare('UPDATE import_chunks SET attempts = 4, claims = ? WHERE job_id = ?')
    .bind('[]', body.job_id)
    .run()
  await outages(body.job_id, (text) => (isClaim(text) ? 'after' : 'before'))
  await deliverUnder({}, body.job_id)
  await expectWhole(clinic, body.job_id, 2)
})
