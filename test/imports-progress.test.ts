import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import {
  etaSeconds,
  type Measurement,
  type Pace,
  progressEvents,
  READ_EVERY_MS_MAX,
  READ_EVERY_MS_MIN,
  READ_MS_MAX,
  rowsPerSecond,
  STREAM_MS_MAX,
  WINDOW_MS,
  withMeasurement,
} from '../src/imports/progress'
import type { ImportFacts } from '../src/imports/status'
import { times } from './clinic'

const NOON = Date.parse('2040-03-14T12:00:00Z')
/** What a Worker may ask of D1 in one request, and what comes before the first look at the job. */
const QUERIES_MAX = 1_000
const QUERIES_BEFORE = 2

beforeEach(() => {
  vi.useFakeTimers({ now: NOON, toFake: ['Date', 'setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const after = (ms: number) => vi.advanceTimersByTimeAsync(ms)

function factsOf(created: number, job: Partial<ImportFacts['job']> = {}): ImportFacts {
  const running = { id: 'job', clinicId: 'clinic', state: 'processing', totalRows: 1_000, pausedUntil: null }
  return { job: { ...running, ...job } as ImportFacts['job'], created, duplicate: 0, failed: 0 }
}

type Told = Pace & { created: number; state: string }

/** Somebody who watches a job that is whatever `now` says at each look. */
function watching(now: () => ImportFacts | Promise<ImportFacts>, first = factsOf(0)) {
  const [leaving, texts] = [new AbortController(), [] as string[]]
  const look = vi.fn(async () => now())
  const tell = ({ job, created }: ImportFacts, pace: Pace) => ({ created, state: job.state, ...pace })
  const watcher = { look, texts, hasEnded: false, leave: () => leaving.abort(), events: eventsOf }
  function eventsOf(): [string, Told][] {
    const told = [...texts.join('').matchAll(/^event: (\w+)\ndata: (.+)$/gm)]
    return told.map(([, name = '', data = '']) => [name, JSON.parse(data)])
  }
  const read = async () => {
    for await (const text of progressEvents({ first, readJob: look, toEvent: tell }, leaving.signal))
      texts.push(text)
    watcher.hasEnded = true
  }
  void read()
  return watcher
}

test('each change is told once, and who watches hears the end and nothing behind it', async () => {
  const states = [factsOf(0), factsOf(400), factsOf(400), factsOf(1_000, { state: 'completed' })]
  const watcher = watching(() => states.shift() ?? factsOf(0))
  await after(60_000)
  expect(watcher.texts[0]).toMatch(/^retry: \d+\n\n$/)
  expect(watcher.texts.at(-1)).toMatch(/^id: end\nevent: end\ndata: .+\n\n$/)
  expect(watcher.events().map(([name, { created, state }]) => [name, created, state])).toEqual([
    ['progress', 0, 'processing'],
    ['progress', 400, 'processing'],
    ['end', 1_000, 'completed'],
  ])
  expect([watcher.hasEnded, watcher.look.mock.calls.length]).toEqual([true, 4])
})

test.each(['completed', 'failed', 'cancelled'] as const)(
  'a job that is %s is told of once',
  async (state) => {
    const watcher = watching(() => factsOf(0), factsOf(700, { state }))
    await after(0)
    expect(watcher.events()).toMatchObject([['end', { state, created: 700, eta_seconds: null }]])
    expect([watcher.hasEnded, watcher.look.mock.calls.length]).toEqual([true, 0])
  },
)

test('while nothing changes the looks get rare, and quick again when something does', async () => {
  let created = 0
  const watcher = watching(() => factsOf(created))
  await after(60_000)
  watcher.look.mockClear()
  await after(10 * READ_EVERY_MS_MAX)
  expect(watcher.look).toHaveBeenCalledTimes(10)
  created = 1
  watcher.look.mockClear()
  await after(2 * READ_EVERY_MS_MAX)
  expect(watcher.look.mock.calls.length).toBeGreaterThan(4)
  watcher.leave()
})

test('a silent stream shows that it is alive', async () => {
  const watcher = watching(() => factsOf(0))
  await after(60_000)
  const pulses = watcher.texts.filter((text) => text === ': still here\n\n').length
  expect(pulses).toBeGreaterThanOrEqual(3)
  expect(pulses).toBeLessThanOrEqual(4)
  expect(watcher.events()).toHaveLength(1)
  watcher.leave()
})

test('a stream ends in time, before it has asked D1 more than one request may', async () => {
  let created = 0
  const watcher = watching(() => factsOf(++created % 1_000))
  await after(STREAM_MS_MAX - READ_EVERY_MS_MIN)
  expect(watcher.hasEnded).toBe(false)
  await after(READ_EVERY_MS_MAX)
  expect([watcher.hasEnded, vi.getTimerCount()]).toEqual([true, 0])
  expect(watcher.look.mock.calls.length + QUERIES_BEFORE).toBeLessThan(QUERIES_MAX)
  expect(watcher.events().filter(([name]) => name === 'end')).toEqual([])
})

test('a job that cannot be read ends the stream, so that whoever watches comes again', async () => {
  const watcher = watching(() => Promise.reject(new Error('D1_ERROR: Network connection lost.')))
  await after(READ_EVERY_MS_MIN)
  expect([watcher.hasEnded, vi.getTimerCount()]).toEqual([true, 0])
  expect(watcher.events().map(([name]) => name)).toEqual(['progress'])
})

test('a database that does not answer ends it too', async () => {
  const watcher = watching(() => new Promise(() => {}))
  await after(READ_EVERY_MS_MIN + READ_MS_MAX - 1)
  expect(watcher.hasEnded).toBe(false)
  await after(1)
  expect([watcher.hasEnded, vi.getTimerCount()]).toEqual([true, 0])
})

test.each([
  ['between two looks', () => factsOf(0)],
  ['during a look', () => new Promise<ImportFacts>(() => {})],
])('who goes %s ends it at once: nothing is looked at any more', async (_, now) => {
  const watcher = watching(now)
  await after(READ_EVERY_MS_MIN)
  watcher.leave()
  await after(0)
  expect([watcher.hasEnded, vi.getTimerCount()]).toEqual([true, 0])
  await after(60_000)
  expect(watcher.look).toHaveBeenCalledTimes(1)
})

test('what was measured says how fast, and when it may be over', async () => {
  const startedAt = Date.now()
  const watcher = watching(() => factsOf(Math.min(900, (Date.now() - startedAt) / 100)))
  await after(60_000)
  const [first, ...others] = watcher.events().map(([, told]) => told)
  expect(first).toMatchObject({ rows_per_second: 0, eta_seconds: null })
  for (const { rows_per_second, eta_seconds, created } of others)
    expect([rows_per_second, eta_seconds]).toEqual([10, Math.ceil((1_000 - created) / 10)])
  watcher.leave()
})

test('a job that stands still is told of once more: no rate, and nobody knows until when', async () => {
  const watcher = watching(() => factsOf(Date.now() < NOON + 2_000 ? 0 : 500))
  await after(WINDOW_MS + 60_000)
  const told = watcher.events().map(([, { created, rows_per_second }]) => [created, rows_per_second > 0])
  expect(told).toEqual([
    [0, false],
    [500, true],
    [500, false],
  ])
  expect(watcher.events().at(-1)?.[1].eta_seconds).toBeNull()
  watcher.leave()
})

test('a pause is told of, and so is its end', async () => {
  const pausedUntil = NOON + 60_000
  const watcher = watching(() => factsOf(500, { pausedUntil }))
  await after(120_000)
  const told = watcher.events().map(([, { paused_until, eta_seconds }]) => [paused_until, eta_seconds])
  expect(told[1]).toEqual([new Date(pausedUntil).toISOString(), null])
  expect(told.at(-1)?.[0]).toBeNull()
  watcher.leave()
})

const seen = (...all: [at: number, done: number][]): Measurement[] =>
  all.reduce<Measurement[]>((so, [at, done]) => withMeasurement(so, { at: at * 1_000, done }), [])

test.each<[string, Measurement[], number]>([
  ['nothing', [], 0],
  ['one sighting', seen([0, 5]), 0],
  ['two at one instant', seen([3, 5], [3, 9]), 0],
  ['two', seen([0, 0], [4, 10]), 2.5],
  ['a start that was quick, long ago', seen([0, 0], [1, 900], [20, 905], [40, 910], [50, 920]), 0.5],
  ['one look after a long silence', seen([0, 0], [100, 50]), 0.5],
  ['rows that run again', seen([0, 50], [5, 40]), 0],
  ['a standstill', seen([0, 0], [1, 10], [20, 10], [32, 10]), 0],
])('rows per second of %s', (_, sightings, rate) => {
  expect(rowsPerSecond(sightings)).toBe(rate)
})

test('what is kept of the past does not grow', () => {
  const all = times(1_000, (n): [number, number] => [n, n])
  expect(seen(...all).length).toBeLessThanOrEqual(WINDOW_MS / 1_000 + 1)
})

test.each([
  [100, 0, null],
  [100, 3, 34],
  [0, 3, 0],
])('%d rows at %d a second take %d seconds', (rows, rate, eta) => {
  expect(etaSeconds(rows, rate)).toBe(eta)
})
