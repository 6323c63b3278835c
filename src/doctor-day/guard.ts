import { log, logFailure } from '../lib/log'
import { isCorrupt } from '../lib/outage'
import type { Command, Known, Operation } from './commands'
import type { Refused } from './refused'
import { refuse } from './rules/facts'
import type { Day, DayIdentity } from './state/day'
import { emptyDay } from './state/fold'
import { readKnown } from './storage/known'
import { isOpen } from './storage/tables'
import { compare, type Damage, type Loaded, load, type Stored } from './storage/verdict'

/** Commands that can give a slot to a patient. Before the first one the log is compared with D1’s copy. */
const GIVING: Command['type'][] = [
  'book',
  'book_held',
  'hold',
  'wait',
  'make_wish',
  'join_wish',
  'accept_offer',
  'set_availability',
  'end_absence',
  'walk_in',
  'begin_move',
  'reserve',
]

/** What of a command matters here. */
interface Asked {
  type: Command['type']
  opening?: DayIdentity
}

/**
 * Keeps a damaged day from being used: its storage was changed outside the service, or is not the one that D1
 * has copied. A day that does not see every slot that is taken could give one twice.
 */
export interface Guard {
  /** Throws on a damaged day. */
  day(): Day
  /** Whether the day was used; a damaged day was. */
  isOpen(): boolean
  /** The day has stored something for the first time. */
  opened(): void
  damage(): Damage | null
  /** Whether the day was used, and is not damaged. */
  isSound(): boolean
  /** What the work returns, or a refusal on a damaged day. */
  use<Result>(work: () => Result): Result | Refused
  /** What can be read of any day, damaged or not; `otherwise` where it cannot be read. */
  read<Result, Otherwise>(work: () => Result, otherwise: Otherwise): Result | Otherwise
  /** Compares with what the caller read in D1, or reads it where the command needs it. */
  check(operation: Operation, command: Asked): Promise<Damage | null>
  /** Once in the object’s life: nobody else writes D1’s row of this day. */
  checkOnce(): Promise<Damage | null>
  /** Reads the storage again. */
  reload(): void
}

export function guard(storage: DurableObjectStorage, stored: Stored, database: D1Database): Guard {
  let isCompared = false
  let apart: Damage | null = null
  let isUsed = true
  let loaded = read()

  /** Whatever stops the log from being read, the day must not be used. */
  function read(): Loaded {
    try {
      isUsed = isOpen(stored.sql)
      const found = isUsed
        ? storage.transactionSync(() => load(stored, Date.now()))
        : { ok: true as const, day: emptyDay() }
      if (!found.ok) report(found.reason)
      return found
    } catch (error) {
      isUsed = true
      logFailure('log_damaged', error, { day: stored.name })
      return { ok: false, reason: 'unreadable' }
    }
  }

  function report(reason: Damage): void {
    log('day_damaged', { day: stored.name, reason })
  }

  function compareWith(known: Known | null): Damage | null {
    apart = compare(stored.sql, isUsed, known)
    isCompared ||= apart === null
    if (apart) report(apart)
    return apart
  }

  const damage = () => (loaded.ok ? apart : loaded.reason)

  async function compareOnce(identity: DayIdentity | null): Promise<Damage | null> {
    if (!loaded.ok || !identity || (isCompared && !apart)) return damage()
    return compareNow(identity)
  }

  async function compareNow(identity: DayIdentity): Promise<Damage | null> {
    const before = loaded
    const known = await readKnown(database, identity)
    // A repair has replaced the storage meanwhile: D1 knew the one before.
    return before === loaded ? compareWith(known) : damage()
  }

  return {
    day() {
      if (!loaded.ok) throw new Error(`day_damaged: ${loaded.reason}`)
      return loaded.day
    },
    isOpen: () => isUsed,
    opened() {
      isUsed = true
    },
    damage,
    isSound: () => isUsed && !damage(),
    use(work) {
      if (damage()) return refuse('day_damaged')
      try {
        return work()
      } catch (error) {
        if (!isCorrupt(error)) throw error
        logFailure('log_damaged', error, { day: stored.name })
        loaded = { ok: false, reason: 'unreadable' }
        return refuse('day_damaged')
      }
    },
    read(work, otherwise) {
      try {
        return work()
      } catch (error) {
        logFailure('log_damaged', error, { day: stored.name })
        return otherwise
      }
    },
    async check({ known }, command) {
      if (!loaded.ok) return loaded.reason
      const identity = loaded.day.identity ?? command.opening ?? null
      if (known !== undefined) {
        // The caller may have read it before a repair.
        const isAsked = identity !== null && compare(stored.sql, isUsed, known) !== null
        return isAsked ? compareNow(identity) : compareWith(known)
      }
      return GIVING.includes(command.type) ? compareOnce(identity) : apart
    },
    checkOnce: () => compareOnce(loaded.ok ? loaded.day.identity : null),
    reload() {
      isCompared = false
      apart = null
      loaded = read()
    },
  }
}
