import { env } from 'cloudflare:workers'
import { seeded } from './seeded'

/** What the torture build is told beside its ordinary settings. */
export interface Settings {
  /** Of this very start: the run's seed and how many starts came before. */
  TORTURE_SEED: string
  TORTURE_FAULTS: 'on' | 'off'
}

const { TORTURE_SEED, TORTURE_FAULTS } = env as unknown as Settings
const areOn = TORTURE_FAULTS === 'on'

export const chance = seeded(Number(TORTURE_SEED))

/** How often each fault struck since this start. */
export const struck: Record<string, number> = {}

/** Whether this fault strikes now. The generator goes on in any case, so that one rate moves no other. */
export function strikes(fault: string, rate: number): boolean {
  const isNow = chance() < rate && areOn
  if (isNow) struck[fault] = (struck[fault] ?? 0) + 1
  return isNow
}

export interface Rates {
  before: number
  late: number
  after: number
}

const LATE_MS_MAX = 600

/** Longer than the lease of a chunk, and than a request may take. */
const STUCK_MS = 10_500
const STUCK_OF_LATE = 0.03

/** A call that may fail before its effect, be late, or fail after its effect: who calls cannot tell which. */
export async function unreliable<T>(
  what: string,
  rates: Rates,
  lost: () => Error,
  call: () => Promise<T>,
): Promise<T> {
  if (strikes(`${what} failed before`, rates.before)) throw lost()
  if (strikes(`${what} late`, rates.late))
    await scheduler.wait(strikes(`${what} stuck`, STUCK_OF_LATE) ? STUCK_MS : chance() * LATE_MS_MAX)
  const reply = await call()
  if (strikes(`${what} failed after`, rates.after)) throw lost()
  return reply
}
