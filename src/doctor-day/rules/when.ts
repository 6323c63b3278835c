import { localDate } from '../../lib/time'
import type { Refused } from '../commands'
import type { Day, Opening } from '../state/day'
import { beginOf, firstToBegin, scheduleOf } from '../state/slot-times'

/** What the time of a decision allows: which dates can still be used, and which slots can still be given. */

/** A date further ahead is a typing mistake and not a plan. */
export const YEARS_AHEAD_MAX = 20

/** A date has four digits for its year, so that dates sort as text. */
const LAST_DATE = '9999-12-31'

/** The refusal of a date that is over at the clinic or too far ahead; null where the date can be used. */
export function dateRefusal(
  { date, timeZone }: Pick<Opening, 'date' | 'timeZone'>,
  at: number,
): Refused | null {
  const today = localDate(at, timeZone)
  if (date < today) return { ok: false, refused: 'date_past', dates: { date, today } }
  const year = Number(today.slice(0, 4)) + YEARS_AHEAD_MAX
  const last = year > 9999 ? LAST_DATE : `${year}${today.slice(4)}`
  return date > last ? { ok: false, refused: 'date_too_far', dates: { date, today } } : null
}

/** Whether the date of a day is over at the clinic. Nothing on it can be given any more. */
export const isOver = ({ identity, timeZone }: Day, at: number): boolean =>
  identity !== null && identity.date < localDate(at, timeZone)

export type Timetable = Day['timetable']

/** How many slots a day has, and when they begin. */
export type Slots = Pick<Day, 'capacity' | 'timetable'>

/** An unused day uses its opening. */
export const slotsOf = (day: Day, { date, timeZone, hours, capacity }: Opening): Slots =>
  day.identity ? day : { capacity, timetable: scheduleOf(date, timeZone, hours ?? null).timetable }

export const hasBegun = (timetable: Timetable, slot: number, at: number): boolean =>
  beginOf(timetable, slot) <= at

/** Then no slot can come free any more, so a waiting patient would get none. */
export const allHaveBegun = ({ capacity, timetable }: Slots, at: number): boolean =>
  firstToBegin(timetable, at) > Math.max(1, capacity)

/** Until when a hold or an offer stands: as long as wanted, but not beyond the begin of its slot. */
export const standsUntil = (timetable: Timetable, slot: number, wanted: number): number =>
  Math.min(wanted, beginOf(timetable, slot))

/**
 * The lowest free slot that has not begun (or, with `mayRun`, not ended); null where there is none. Most
 * searches end at the first slot; on a day of 1,000 slots a search looks at 1,000 keys of a Map at most.
 */
export function freeSlot(
  day: Day,
  { capacity, timetable }: Slots,
  at: number,
  mayRun = false,
): number | null {
  const first = firstToBegin(timetable, at)
  let slot = Math.max(day.lowestFreeSlot, mayRun ? first - 1 : first)
  while (day.slots.has(slot)) slot += 1
  return slot <= capacity ? slot : null
}
