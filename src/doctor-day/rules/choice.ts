import { instantAt, localDate } from '../../lib/time'
import type { Choice } from '../commands'
import type { Refused } from '../refused'
import type { Day, Opening } from '../state/day'
import {
  type Alternative,
  beginOf,
  type Slots,
  slotBeginningAt,
  slotNumbers,
  timesOf,
} from '../state/slot-times'
import { slotsOfPlace } from '../state/slots'
import { zoneOf } from './facts'
import { type Begun, firstToGive, freeSlot, placeAmong, slotsOf, untakenSlots } from './free-slots'

/** Which slot a caller gets: the one that was chosen, or else the lowest free one. */

const ALTERNATIVES_MAX = 3

/**
 * `own`: slots that the caller gives up for the new one, so they count as free. `instead`: the slot that the
 * visit has now, which is no alternative.
 */
interface Wanted {
  at: number
  begun?: Begun
  span?: number | undefined
  own?: number[]
  instead?: number
}

/** Without a choice: the lowest free place. A visit of several slots needs neighbours; this is the first. */
export function slotFor(
  day: Day,
  opening: Opening,
  choice: Choice | undefined,
  wanted: Wanted,
): number | Refused {
  if (choice) return chosenSlot(day, opening, choice, wanted)
  return freeSlot(day, slotsOf(day, opening), wanted) ?? { ok: false, refused: 'day_full' }
}

/** The chosen slot, unless it is taken, has begun or is none: then the nearest free ones are named. */
export function chosenSlot(day: Day, opening: Opening, choice: Choice, wanted: Wanted): number | Refused {
  const { at, begun = 'none', span, own = [], instead } = wanted
  const slots = slotsOf(day, opening)
  const { timetable } = slots
  const slot = slotOfChoice(day, opening, choice)
  const first = firstToGive(timetable, at, begun)
  const free = new Set([...untakenSlots(day, slots), ...own])
  const refused = slot === null ? 'no_such_slot' : refusalOf(slot, { slots, first, free, span })
  if (slot !== null && refused === null) return slot
  const place = { date: opening.date, timeZone: zoneOf(day, opening), isTimed: timetable !== null }
  const begins = beginOfChoice(choice, place)
  const away = (other: number) =>
    'slot' in choice ? Math.abs(other - choice.slot) : Math.abs(beginOf(timetable, other) - begins)
  const alternatives = [...free]
    .filter((other) => other >= first && other !== instead && placeAmong(free, span, other) !== null)
    .sort((one, other) => away(one) - away(other) || one - other)
    .slice(0, ALTERNATIVES_MAX)
    .map((other): Alternative => ({ slot: other, ...timesOf(timetable, other, span) }))
  const because = refused === 'no_such_slot' ? reasonOf(choice, place) : undefined
  return { ok: false, refused: refused ?? 'no_such_slot', alternatives, ...(because && { because }) }
}

/** Why none of the day’s slots begins at the chosen time, where it is more than the time. */
function reasonOf(choice: Choice, { date, timeZone, isTimed }: Opened): Refused['because'] {
  if ('startsAt' in choice && localDate(choice.startsAt, timeZone) !== date) return 'another_date'
  return isTimed || 'slot' in choice ? undefined : 'untimed'
}

interface Opened extends Pick<Opening, 'date' | 'timeZone'> {
  isTimed: boolean
}

/** Null where none begins at the chosen time. */
export function slotOfChoice(day: Day, opening: Opening, choice: Choice): number | null {
  if ('slot' in choice) return choice.slot
  const begins = beginOfChoice(choice, { ...opening, timeZone: zoneOf(day, opening) })
  return slotBeginningAt(slotsOf(day, opening).timetable, begins)
}

interface Possible {
  slots: Slots
  /** The first slot that may be given. */
  first: number
  free: Set<number>
  span: number | undefined
}

function refusalOf(slot: number, { slots, first, free, span }: Possible): Refused['refused'] | null {
  const all = new Set(slotNumbers(slots))
  if (placeAmong(all, span, slot) === null) return 'no_such_slot'
  if (slot < first) return 'slot_begun'
  return slotsOfPlace({ slot, span }).every((each) => free.has(each)) ? null : 'slot_taken'
}

/** Not a number where the slot is chosen by its number. */
function beginOfChoice(choice: Choice, { date, timeZone }: Pick<Opening, 'date' | 'timeZone'>): number {
  if ('slot' in choice) return Number.NaN
  return 'time' in choice ? instantAt(date, choice.time, timeZone) : choice.startsAt
}
