import { inTime } from '../lib/in-time'
import { SECOND_MS } from '../lib/time'
import { backoff } from './backoff'
import { copyToD1 } from './copy'
import type { Day } from './day'
import * as log from './log'

const EVENTS_MAX = 500

/** D1 ends a query itself after 30 seconds: beyond that it is not slow but silent. */
const COPY_MS_MAX = 30 * SECOND_MS

/** A copy costs what a booking does, so those of a rush share one. After a rest it is made at once. */
const PAUSE_MS = SECOND_MS / 2

const READER = 'copy'

/** What the copy needs of the object: its storage, its day, and somebody to wake it later. */
interface Source {
  name: string | undefined
  sql: SqlStorage
  database: D1Database
  day(): Day
  wakeAt(instant: number): void
}

/** Reads the log into D1’s copy. A failure is logged, and the alarm comes back to it. */
interface Copying {
  isBehind(): boolean
  catchUp(): Promise<void>
  /** Starts over at the first event; call it within a transaction. */
  rewind(): void
}

export function copying({ name, sql, database, day, wakeAt }: Source): Copying {
  let running: Promise<void> | null = null
  let rewinds = 0
  let pause: Promise<void> = Promise.resolve()
  const { postpone, reset } = backoff('copy_failed', name, wakeAt)
  const copied = () => log.readerAt(sql, READER)

  async function copy(): Promise<void> {
    try {
      while (copied() < day().version) {
        await pause
        const before = rewinds
        const events = log.readEvents(sql, copied(), EVENTS_MAX)
        const last = events.at(-1)
        if (!last) throw new RangeError('The log ends before the day that was folded from it')
        if (events.length < EVENTS_MAX) pause = scheduler.wait(PAUSE_MS)
        // One that is given up may still be written, even after the next: it takes nothing back.
        await inTime(copyToD1(database, day(), events), COPY_MS_MAX)
        // A resync asked for meanwhile has put the reader back to the start; there it stays.
        if (before === rewinds) log.moveReader(sql, READER, last.seq)
      }
      reset()
    } catch (error) {
      postpone(error)
    }
  }

  return {
    isBehind: () => copied() < day().version,
    /** One copy runs at a time; it goes on until it has met the end of the log. */
    catchUp() {
      running ??= copy().finally(() => {
        running = null
      })
      return running
    },
    rewind() {
      log.moveReader(sql, READER, 0)
      rewinds += 1
    },
  }
}
