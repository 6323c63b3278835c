import type { Command } from '../commands'
import type { Refusal } from '../refused'
import type { Day } from '../state/day'

/**
 * How long the log of a day may become. An object reads its whole log when it wakes, so a log without a limit
 * ends as one that no object can read.
 */
export const EVENTS_MAX = 20_000

/** One key alone cannot use up a day. A day of 1,000 slots takes some 6,000 events. */
export const KEY_EVENTS_MAX = 10_000

/** Patients who wait for one day. Each of them adds a few events beyond `EVENTS_MAX` at most. */
export const WAITLIST_MAX = 500

/**
 * Commands that begin something, or that can be repeated without end. All others end or serve what exists, so
 * they add at most some thousand events to a day that has reached its limit: they are never refused for it.
 */
const BEGINNING: Command['type'][] = [
  'book',
  'hold',
  'wait',
  'set_availability',
  'declare_absence',
  'walk_in',
  'begin_move',
  'reserve',
  'undo',
  'make_wish',
  'join_wish',
  'begin_claim',
  'set_texts',
]
const REPEATABLE = ['requeue', 'recall']

/** Why the log of the day must not grow by this command of this API key. */
export function limitOf(day: Day, command: Command, actor: string): Refusal | null {
  const isLimited =
    command.type === 'step' ? REPEATABLE.includes(command.step) : BEGINNING.includes(command.type)
  if (!isLimited) return null
  if (day.version >= EVENTS_MAX) return 'day_log_full'
  return (day.eventsOf.get(actor) ?? 0) >= KEY_EVENTS_MAX ? 'key_log_full' : null
}
