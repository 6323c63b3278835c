import { evictDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { seeded } from '../bench/torture/worker/seeded'
import { retryAfterMs } from '../src/upstream/call'
import { FAILURES_MAX, OPEN_MS, PROBE_MS, RETRY_AFTER_MS_MAX } from '../src/upstream/gate-rules'
import { times } from './clinic'
import { rounds } from './rounds'

let gates = 0
const START = Date.parse('2026-11-20T08:00:00Z')
const ROUNDS = rounds(20, 100)
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: START })
})
afterEach(() => {
  vi.useRealTimers()
})

const openGate = () => env.UPSTREAM_GATE.getByName(`https://upstream-${++gates}.test`)
type Gate = ReturnType<typeof openGate>

const granted = async (gate: Gate) => {
  const permit = await gate.permit()
  if (!permit.ok) throw new Error('The gate is closed')
  return permit.id
}

async function breakIt(gate: Gate) {
  for (let n = 0; n < FAILURES_MAX; n += 1) await gate.report(await granted(gate), { is: 'failed' })
}

test('eight consumers never start more than ten calls in any second, and more than 8.5 on average', async () => {
  const gate = openGate()
  const random = seeded(7)
  const freeAt = times(8, (n) => START + n)
  const starts: number[] = []
  while (starts.length < 1_200) {
    const now = Math.min(...freeAt)
    const consumer = freeAt.indexOf(now)
    vi.setSystemTime(now)
    const permit = await gate.permit()
    if (permit.ok) starts.push(now + permit.waitMs)
    freeAt[consumer] = permit.ok ? now + permit.waitMs + Math.floor(random() * 300) : permit.until
  }
  starts.sort((a, b) => a - b)
  const most = Math.max(
    ...starts.map((from) => starts.filter((at) => at >= from && at < from + 1_000).length),
  )
  const seconds = ((starts.at(-1) ?? 0) - (starts[0] ?? 0)) / 1_000
  console.log(JSON.stringify({ most, mean: (starts.length - 1) / seconds }))
  expect(most).toBeLessThanOrEqual(10)
  expect((starts.length - 1) / seconds).toBeGreaterThanOrEqual(8.5)
})

test('who would wait long is sent away for a while, and that is no closure', async () => {
  const gate = openGate()
  const permits = await Promise.all(times(100, () => gate.permit()))
  const sentAway = permits.filter((permit) => !permit.ok)
  expect(sentAway.length).toBeGreaterThan(40)
  expect(sentAway.every((permit) => !permit.ok && !permit.isClosed && permit.until > START)).toBe(true)
})

test('five failures in a row open the breaker for a minute; four and a success do not', async () => {
  const gate = openGate()
  for (const is of ['failed', 'failed', 'failed', 'failed', 'answered', 'failed'] as const)
    await gate.report(await granted(gate), { is })
  await granted(gate)
  for (let n = 1; n < FAILURES_MAX; n += 1) await gate.report(await granted(gate), { is: 'failed' })
  expect(await gate.permit()).toEqual({ ok: false, until: START + OPEN_MS, isClosed: true })
  vi.setSystemTime(START + OPEN_MS - 1)
  expect(await gate.permit()).toMatchObject({ ok: false })
})

test(`in ${ROUNDS} rounds of twenty consumers at once exactly one gets the probe`, async () => {
  const gate = openGate()
  await breakIt(gate)
  const probes: number[] = []
  for (let round = 1; round <= ROUNDS; round += 1) {
    vi.setSystemTime(START + round * OPEN_MS)
    if (round % 3 === 0) await evictDurableObject(gate)
    const permits = await Promise.all(times(20, () => gate.permit()))
    const given = permits.flatMap((permit) => (permit.ok ? [permit.id] : []))
    probes.push(given.length)
    for (const id of given) await gate.report(id, { is: 'failed' })
  }
  expect(probes).toEqual(times(ROUNDS, () => 1))
})

test('a probe that succeeds closes the breaker for all, one that fails keeps it open for another minute', async () => {
  const gate = openGate()
  await breakIt(gate)
  vi.setSystemTime(START + OPEN_MS)
  await gate.report(await granted(gate), { is: 'failed' })
  expect(await gate.permit()).toEqual({ ok: false, until: START + 2 * OPEN_MS, isClosed: true })
  vi.setSystemTime(START + 2 * OPEN_MS)
  await gate.report(await granted(gate), { is: 'answered' })
  expect((await Promise.all(times(5, () => gate.permit()))).every(({ ok }) => ok)).toBe(true)
})

test('a probe whose holder dies is replaced, and what it says afterwards counts for nothing', async () => {
  const gate = openGate()
  await breakIt(gate)
  vi.setSystemTime(START + OPEN_MS)
  const dead = await granted(gate)
  vi.setSystemTime(START + OPEN_MS + PROBE_MS - 1)
  expect(await gate.permit()).toMatchObject({ ok: false })
  vi.setSystemTime(START + OPEN_MS + PROBE_MS + 1_000)
  const next = await granted(gate)
  await gate.report(dead, { is: 'answered' })
  expect(await gate.permit()).toMatchObject({ ok: false, isClosed: true })
  await gate.report(next, { is: 'answered' })
  expect(await gate.permit()).toMatchObject({ ok: true })
})

test('a probe that made no call is free again at once', async () => {
  const gate = openGate()
  await breakIt(gate)
  vi.setSystemTime(START + OPEN_MS)
  await gate.report(await granted(gate), { is: 'unused' })
  expect(await gate.permit()).toMatchObject({ ok: true })
})

test('reports of calls from before the breaker opened change nothing afterwards', async () => {
  const gate = openGate()
  const early = await Promise.all(times(6, () => granted(gate)))
  await breakIt(gate)
  await gate.report(early[0] ?? 0, { is: 'answered' })
  expect(await gate.permit()).toMatchObject({ ok: false })
  vi.setSystemTime(START + OPEN_MS)
  await gate.report(await granted(gate), { is: 'answered' })
  for (const id of early) await gate.report(id, { is: 'failed' })
  expect(await gate.permit()).toMatchObject({ ok: true })
})

test('rate, breaker and Retry-After survive eviction', async () => {
  const [broken, resting] = [openGate(), openGate()]
  await breakIt(broken)
  await resting.report(await granted(resting), { is: 'answered', retryAfterMs: 9_000 })
  await Promise.all([broken, resting].map((gate) => evictDurableObject(gate)))
  expect(await broken.permit()).toEqual({ ok: false, until: START + OPEN_MS, isClosed: true })
  expect(await resting.permit()).toEqual({ ok: false, until: START + 9_000, isClosed: true })
  vi.setSystemTime(START + 9_000)
  expect(await resting.permit()).toMatchObject({ ok: true })
})

test('Retry-After closes the gate for everybody, but not for ever', async () => {
  const gate = openGate()
  await gate.report(await granted(gate), { is: 'answered', retryAfterMs: 365 * 24 * 3_600_000 })
  expect(await gate.permit()).toEqual({ ok: false, until: START + RETRY_AFTER_MS_MAX, isClosed: true })
})

test.each([
  ['7', 7_000],
  [' 120 ', 120_000],
  ['Fri, 20 Nov 2026 08:00:30 GMT', 30_000],
  ['Fri, 20 Nov 2026 07:00:00 GMT', 0],
  ['soon', 0],
  [null, 0],
])('Retry-After: %s is %i ms', (asked, ms) => {
  expect(retryAfterMs(asked, START)).toBe(ms)
})
