import { withTimeout } from '../lib/outage'
import { SECOND_MS } from '../lib/time'
import type { Known, Operation } from './commands'
import type { Guard } from './guard'
import type { Operations } from './operations'
import type { Refused } from './refused'
import { refuse } from './rules/facts'
import type { Event, Recorded } from './state/event'
import * as log from './storage/log'
import * as replies from './storage/replies'
import { type Stored, type Verdict, verify } from './storage/verdict'

/** A repair waits this long for the copy that is under way, within the time limit of its caller. */
const COPY_MS_MAX = 5 * SECOND_MS

const UNREADABLE: Verdict = { ok: false, head: null, count: 0, reason: 'unreadable' }

/** What mending a day needs of its object. */
interface MendingHost {
  storage: DurableObjectStorage
  stored: Stored
  guard: Guard
  operations: Operations
  copy: { rewind(): void; ended(): Promise<void> }
  /** Called within a transaction: the alarm copies if `copyNow` cannot. */
  copyAt(at: number): void
  copyNow(): void
  /** Followers of the live stream start again. */
  restart(): void
  /** The alarm was deleted with the rest of the storage. */
  forgetAlarm(): void
}

/** How an operator mends D1’s copy of a day, or the day itself. */
export function mending(host: MendingHost) {
  const { storage, stored, guard, operations, copy } = host
  const { sql } = stored

  const verdict = (known: Known | null) => guard.read(() => verify(stored, known), UNREADABLE)

  /** Harmed in what it does not read, a day goes on. The caller has to know all of it to begin it anew. */
  const isAhead = (known: Known | null): boolean =>
    guard.isSound() && guard.day().version > (known?.version ?? 0)

  function history(since: number, max: number): Recorded[] | Refused {
    const read = () => (guard.isOpen() ? [...log.readEvents(sql, since, max)] : [])
    return guard.read(read, refuse('day_damaged'))
  }

  function resync(operation: Operation): number | Refused {
    if (!guard.isOpen()) return 0
    const known = operations.recall<number>(operation)
    if (known !== null) return known
    if (guard.day().isNewer) return refuse('newer_version')
    const events = guard.day().version
    const now = Date.now()
    storage.transactionSync(() => {
      copy.rewind()
      replies.record(stored, [], [operation.id, JSON.stringify(events)], now)
      host.copyAt(now)
    })
    host.copyNow()
    return events
  }

  /** `known`: what D1 knows of the day. A retry changes nothing. */
  async function repair(
    operation: Operation,
    known: Known | null,
    events: Event[],
  ): Promise<Known | Refused> {
    const first = guard.use(() => operations.recall<number>(operation))
    if (typeof first === 'number') return log.knownAt(sql, first)
    // What is on its way to D1 would count there as newer than the log that begins now.
    await withTimeout(copy.ended(), COPY_MS_MAX)
    if (verdict(known).ok) return refuse('day_intact')
    if (isAhead(known)) return refuse('unavailable')
    await storage.deleteAll()
    host.forgetAlarm()
    guard.reload()
    operations.begin(operation, events)
    copy.rewind()
    host.restart()
    return log.knownAt(sql, events.length)
  }

  return { verdict, history, resync, repair }
}
