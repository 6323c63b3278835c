import type { Day, Opening } from '../state/day'
import {
  beginOf,
  firstToBegin,
  isSkipped,
  lastSlot,
  type Slots,
  scheduleOf,
  slotNumbers,
} from '../state/slot-times'
import { slotsOfPlace } from '../state/slots'

/** Which slots are free, and can still be given. */

export type Timetable = Day['timetable']

/** An unused day uses its opening. */
export const slotsOf = (day: Day, { date, timeZone, hours, capacity }: Opening): Slots =>
  day.identity ? day : { capacity, timetable: scheduleOf(date, timeZone, hours ?? null).timetable }

export const hasBegun = (timetable: Timetable, slot: number, at: number): boolean =>
  beginOf(timetable, slot) <= at

/** Then no slot can come free any more, so a waiting patient would get none. */
export const allHaveBegun = (slots: Slots, at: number): boolean =>
  firstToBegin(slots.timetable, at) > Math.max(1, lastSlot(slots))

/** Until when a hold or an offer stands: as long as wanted, but not beyond the begin of its slot. */
export const standsUntil = (timetable: Timetable, slot: number, wanted: number): number =>
  Math.min(wanted, beginOf(timetable, slot))

/**
 * Which slots may be given though they have begun: none; the running one, to a patient who is there; or any,
 * to record a visit afterwards.
 */
export type Begun = 'none' | 'running' | 'any'

/** The first slot that may be given at an instant. */
export function firstToGive(timetable: Timetable, at: number, begun: Begun): number {
  if (begun === 'any') return 1
  const first = firstToBegin(timetable, at)
  return begun === 'running' ? Math.max(1, first - 1) : first
}

/** `own`: slots that are given up for the one that is searched, so they count as free. */
interface Search {
  at: number
  begun?: Begun
  span?: number | undefined
  own?: number[]
}

/**
 * The lowest free slot that may be given, or the first of `span` neighbouring ones; null where there is none.
 * Most searches end at the first slot; on a day of 1,000 slots a search looks at 1,000 keys of a Map at most.
 */
export function freeSlot(day: Day, slots: Slots, search: Search): number | null {
  const { at, begun = 'none', span = 1, own = [] } = search
  const { timetable } = slots
  const last = lastSlot(slots)
  let first = Math.max(Math.min(day.lowestFreeSlot, ...own), firstToGive(timetable, at, begun))
  for (let slot = first; slot <= last; slot += 1) {
    if ((day.slots.has(slot) && !own.includes(slot)) || isSkipped(timetable, slot)) first = slot + 1
    else if (slot - first + 1 === span) return first
  }
  return null
}

/** The slots at which a visit of `span` slots can begin, ascending. */
export function freeOf(slots: Slots, taken: ReadonlySet<number>, { at, begun = 'none', span = 1 }: Search) {
  const first = firstToGive(slots.timetable, at, begun)
  const free = slotNumbers(slots).filter((slot) => slot >= first && !taken.has(slot))
  return free.filter((slot, index) => hasNeighbours(free, index, slot, span))
}

/** Of slots that ascend, without one twice, the last of `span` neighbours is `span - 1` places further. */
const hasNeighbours = (ascending: number[], index: number, slot: number, span: number): boolean =>
  ascending[index + span - 1] === slot + span - 1

/** The slots that are not booked, held or offered, whether or not they have begun. */
export const untakenSlots = (day: Day, slots: Slots): number[] =>
  slotNumbers(slots).filter((slot) => !day.slots.has(slot))

/** Whether this slot and as many neighbours as a visit needs are all among these. */
export function fits(free: ReadonlySet<number>, slot: number, span = 1): boolean {
  for (let next = slot; next < slot + span; next += 1) if (!free.has(next)) return false
  return true
}

/**
 * Gives places among these slots, one after another. Where none is left for a visit, one as long gets none
 * either: hundreds may wait for long visits on a day on which every other slot is free.
 */
export function placesAmong(slots: Iterable<number>) {
  const free = new Set(slots)
  const ascending = [...free].sort((one, other) => one - other)
  let tooLong = Number.POSITIVE_INFINITY
  const lowest = (span: number): number | null => {
    if (span >= tooLong) return null
    const slot = ascending.find((each, index) => hasNeighbours(ascending, index, each, span)) ?? null
    if (slot === null) tooLong = span
    return slot
  }
  return {
    isEmpty: () => free.size === 0,
    /** The first slot of the lowest place, or of the one that is wished for; null where it is not free. */
    take(span = 1, wish?: number): number | null {
      if (wish !== undefined && !fits(free, wish, span)) return null
      const slot = wish ?? lowest(span)
      if (slot === null) return null
      for (const given of slotsOfPlace({ slot, span })) free.delete(given)
      ascending.splice(ascending.indexOf(slot), span)
      return slot
    },
  }
}
