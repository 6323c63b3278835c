import { env } from 'cloudflare:workers'
import { seeded } from './seeded'

/** Settings that only the torture build has. */
export interface Settings {
  /** The seed of this start, from the run's seed and the number of earlier starts. */
  TORTURE_SEED: string
  TORTURE_FAULTS: 'on' | 'off'
}

const { TORTURE_SEED, TORTURE_FAULTS } = env as unknown as Settings
const areOn = TORTURE_FAULTS === 'on'

export const chance = seeded(Number(TORTURE_SEED))

/** How often each fault was injected since this start. */
export const faultCounts: Record<string, number> = {}

/** Whether to inject this fault now. It always draws a number, so that no rate affects another fault. */
export function injects(fault: string, rate: number): boolean {
  const isNow = chance() < rate && areOn
  if (isNow) faultCounts[fault] = (faultCounts[fault] ?? 0) + 1
  return isNow
}

export interface Rates {
  before: number
  late: number
  after: number
}

const LATE_MS_MAX = 600

/** Longer than the lease of a chunk and the deadline of a request. */
const STUCK_MS = 10_500
const STUCK_OF_LATE = 0.03

/** A call that may fail before its effect, be late, or fail after its effect. The caller cannot see which. */
export async function unreliable<T>(
  what: string,
  rates: Rates,
  lost: () => Error,
  call: () => Promise<T>,
): Promise<T> {
  if (injects(`${what} failed before`, rates.before)) throw lost()
  if (injects(`${what} late`, rates.late))
    await scheduler.wait(injects(`${what} stuck`, STUCK_OF_LATE) ? STUCK_MS : chance() * LATE_MS_MAX)
  const reply = await call()
  if (injects(`${what} failed after`, rates.after)) throw lost()
  return reply
}
