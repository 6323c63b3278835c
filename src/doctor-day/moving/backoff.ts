import { logFailure } from '../../lib/log'
import { MINUTE_MS, SECOND_MS } from '../../lib/time'

const PAUSE_MS_MAX = 5 * MINUTE_MS

/** Comes back to what failed: after 2 seconds, and after twice as long each time it fails again. */
interface Backoff {
  /** In a row. */
  failures(): number
  postpone(error: unknown): void
  /** It went well: the next failure is the first one again. */
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
