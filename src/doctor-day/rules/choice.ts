import { instantAt, localDate } from '../../lib/time'
import type { Choice, Near } from '../commands'
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
import { type Begun, firstToGive, fits, freeSlot, slotsOf, untakenSlots } from './free-slots'

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
  const slots = slotsOf(day, opening)
  return freeSlot(day, slots, wanted) ?? dayFull(day, slots, wanted)
}

/** There is no room for the visit. Where that is so for its length alone, the refusal says it. */
export function dayFull(day: Day, slots: Slots, { span = 1, ...wanted }: Wanted): Refused {
  const isForLength = span > 1 && freeSlot(day, slots, wanted) !== null
  return { ok: false, refused: 'day_full', ...(isForLength && { span }) }
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
  const alternatives = nearestFirst({ slots, first, free, span }, distanceTo(day, opening, choice))
    .filter((other) => other !== instead)
    .slice(0, ALTERNATIVES_MAX)
    .map((other): Alternative => ({ slot: other, ...timesOf(timetable, other, span) }))
  const because =
    refused === 'no_such_slot'
      ? reasonOf(choice, { date: opening.date, timeZone: zoneOf(day, opening), isTimed: timetable !== null })
      : undefined
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

/** The free place that is nearest to where a visit was on another day; null where there is none. */
export function nearestSlot(day: Day, opening: Opening, near: Near, { at, span }: Wanted): number | null {
  const slots = slotsOf(day, opening)
  const hasTimes = slots.timetable !== null && near.time !== undefined
  const away = distanceTo(day, opening, hasTimes ? { time: near.time ?? '' } : { slot: near.slot })
  const free = new Set(untakenSlots(day, slots))
  const first = firstToGive(slots.timetable, at, 'none')
  const [nearest] = nearestFirst({ slots, first, free, span }, away)
  return nearest === undefined || (near.isExact && away(nearest) > 0) ? null : nearest
}

/** How far a slot is from the chosen one: in time, or in slots where one is chosen by its number. */
function distanceTo(day: Day, opening: Opening, choice: Choice): (slot: number) => number {
  const { timetable } = slotsOf(day, opening)
  const begins = beginOfChoice(choice, { ...opening, timeZone: zoneOf(day, opening) })
  return (slot) =>
    'slot' in choice ? Math.abs(slot - choice.slot) : Math.abs(beginOf(timetable, slot) - begins)
}

/** The slots at which the visit can begin; of two that are as near, the earlier one first. */
const nearestFirst = ({ first, free, span }: Possible, away: (slot: number) => number): number[] =>
  [...free]
    .filter((slot) => slot >= first && fits(free, slot, span))
    .sort((one, other) => away(one) - away(other) || one - other)

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
  if (!fits(all, slot, span)) return 'no_such_slot'
  if (slot < first) return 'slot_begun'
  return slotsOfPlace({ slot, span }).every((each) => free.has(each)) ? null : 'slot_taken'
}

/** Not a number where the slot is chosen by its number. */
function beginOfChoice(choice: Choice, { date, timeZone }: Pick<Opening, 'date' | 'timeZone'>): number {
  if ('slot' in choice) return Number.NaN
  return 'time' in choice ? instantAt(date, choice.time, timeZone) : choice.startsAt
}
