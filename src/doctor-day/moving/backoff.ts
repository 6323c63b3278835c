import { logFailure } from '../../lib/log'
import { MINUTE_MS, SECOND_MS } from '../../lib/time'

const PAUSE_MS_MAX = 5 * MINUTE_MS

/** Retries what failed: after 2 seconds, and after twice as long with each further failure. */
interface Backoff {
  /** Consecutive failures. */
  failures(): number
  postpone(error: unknown): void
  /** Call it after a success: the next failure counts as the first. */
  reset(): void
}

/** Each failure is logged as `event`. */
export function backoff(event: string, day: string | undefined, wakeAt: (instant: number) => void): Backoff {
  let failures = 0
  return {
    failures: () => failures,
    postpone(error) {
      failures += 1
      logFailure(event, error, { day, failures })
      wakeAt(Date.now() + Math.min(SECOND_MS * 2 ** failures, PAUSE_MS_MAX))
    },
    reset() {
      failures = 0
    },
  }
}
