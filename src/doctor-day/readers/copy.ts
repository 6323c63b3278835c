import { withTimeout } from '../../lib/outage'
import { SECOND_MS } from '../../lib/time'
import type { RecorderEnv } from '../../recorder/client'
import { backoff } from '../moving/backoff'
import type { Day } from '../state/day'
import type { Recorded } from '../state/event'
import * as log from '../storage/log'
import { position } from '../storage/position'
import { copyToD1 } from './copied-rows'

const EVENTS_MAX = 500

/** D1 itself ends a query after 30 seconds, so a longer wait would bring no answer. */
const COPY_MS_MAX = 30 * SECOND_MS

/**
 * A copy costs as much as a booking, so bookings in a rush share one. After a rest it starts at once. This
 * pause has no timer of its own, which would keep an object in memory that has nothing left to copy.
 */
const PAUSE_MS = SECOND_MS / 2

/** Commands of which the answer waits for the copy: the next list of doctors has to show them. */
export const SHOWN_AT_ONCE: string[] = ['set_availability', 'declare_absence', 'end_absence']

/** Setting availability waits this long for the copy, for the next list. */
export const COPY_WAIT_MS = SECOND_MS

const READER = 'copy'

/** What the copy needs of the object: its storage, its day and its alarm. */
interface CopyHost {
  name: string | undefined
  sql: SqlStorage
  env: RecorderEnv
  day(): Day
  /** Why the log is not the one that D1 has copied. */
  checkOnce(): Promise<string | null>
  /** Ends what the day has of these patients. Throws where that cannot be now: the copy is then repeated. */
  erasePatients(patientIds: string[]): void
  wakeAt(instant: number): void
}

/** `head`: the hash of the newest event. */
interface LogEnd {
  events: Recorded[]
  head: string
}

/** Copies the log to D1. A failure is logged, and the alarm retries. */
interface CopyReader {
  isBehind(): boolean
  /** Catches up. Answers how many events there are, and how many of them D1 has. */
  caughtUp(): Promise<{ version: number; copied: number }>
  catchUp(): Promise<void>
  /** These events are new in the log, which now has this head. The copy need not read them again. */
  appended(events: Recorded[], head: string): void
  /** Starts again at the first event. Call it within a transaction. */
  rewind(): void
  /** Waits until no copy is under way. */
  ended(): Promise<void>
  /** For the alarm: stores how far the copy has come. Never throws. */
  storePosition(): void
}

export function copyReader({ name, sql, env, day, checkOnce, erasePatients, wakeAt }: CopyHost): CopyReader {
  let running: Promise<void> | null = null
  let rewinds = 0
  let restUntil = 0
  const { postpone, reset } = backoff('copy_failed', name, wakeAt)
  const copied = position(sql, READER)
  /** The end of the log, as long as it is short and D1 lacks it. */
  let recent: LogEnd | null = null

  /** Read from storage where memory does not reach back to the last copy. */
  function uncopied(): LogEnd {
    const after = copied.current()
    const events = recent?.events.filter(({ seq }) => seq > after) ?? []
    if (recent && events[0]?.seq === after + 1) return { events, head: recent.head }
    const stored = [...log.readEvents(sql, after, EVENTS_MAX)]
    const head = log.hashAt(sql, day().version)
    if (stored.length === 0 || head === undefined)
      throw new RangeError('The log ends before the day that was folded from it')
    return { events: stored, head }
  }

  async function copy(): Promise<void> {
    try {
      // A log that was lost or replaced must not overwrite what D1 knows of it.
      if ((await checkOnce()) !== null) throw new Error('The log is not the one that D1 has copied')
      while (copied.current() < day().version) {
        if (day().isNewer) throw new Error('A newer version of the service has to copy this day')
        const rest = Math.min(restUntil - performance.now(), PAUSE_MS)
        if (rest > 0) await scheduler.wait(rest)
        const before = rewinds
        const { events, head } = uncopied()
        if (events.length < EVENTS_MAX) restUntil = performance.now() + PAUSE_MS
        // D1 may run an abandoned batch late, even after the next one: an older version changes nothing.
        const erased = await withTimeout(copyToD1(env, day(), events, head), COPY_MS_MAX)
        if (erased.length > 0) erasePatients(erased)
        // A resync during this copy has set the reader back to the start; it must stay there.
        if (before !== rewinds) continue
        copied.moveTo(events.at(-1)?.seq ?? 0)
        if (recent) recent.events = recent.events.filter(({ seq }) => seq > copied.current())
      }
      reset()
    } catch (error) {
      postpone(error)
    }
  }

  return {
    isBehind: () => copied.current() < day().version,
    async caughtUp() {
      await this.catchUp()
      return { version: day().version, copied: copied.current() }
    },
    /** One copy runs at a time, until it reaches the end of the log. */
    catchUp() {
      running ??= copy().finally(() => {
        running = null
      })
      return running
    },
    appended(events, head) {
      const all = [...(recent?.events ?? []), ...events]
      recent = { events: all.length > EVENTS_MAX ? events : all, head }
    },
    rewind() {
      copied.rewind()
      recent = null
      rewinds += 1
    },
    async ended() {
      while (running) await running
    },
    storePosition() {
      try {
        copied.store()
      } catch (error) {
        postpone(error)
      }
    },
  }
}
