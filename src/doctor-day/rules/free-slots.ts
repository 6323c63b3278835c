import type { Day, Opening } from '../state/day'
import { beginOf, firstToBegin, scheduleOf } from '../state/slot-times'

/** Which slots are free, and can still be given. */

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

/** The slots that are not booked, held or offered, whether or not they have begun. */
export const untakenSlots = (day: Day, capacity: number): number[] =>
  Array.from({ length: capacity }, (_, index) => index + 1).filter((slot) => !day.slots.has(slot))
