import { instantAt, isoAt, MINUTE_MS, type Offset, offsetsBetween } from '../../lib/time'

/** When the slots of a day begin and end. Without working hours, slots have numbers but no times. */

export const SLOTS_MAX = 1_000

/** Wall-clock times in the day’s time zone, `09:00`; `to` may be `24:00`, the end of the date. */
export interface WorkingHours {
  from: string
  to: string
  minutesPerSlot: number
}

/** ISO 8601 with the offset of the day's zone at that instant; null where the day has no working hours. */
export interface SlotTimes {
  startsAt: string | null
  endsAt: string | null
}

/**
 * What the time zone database says about a day (epoch ms), read once: the times of a slot are then additions.
 * Plain data, as all of a day’s state.
 */
interface Timetable {
  beginsAt: number
  /** The end of the working hours; slots beyond it are overtime. */
  endsAt: number
  slotMs: number
  offsets: Offset[]
}

export interface Schedule {
  hours: WorkingHours | null
  timetable: Timetable | null
}

export const scheduleOf = (date: string, timeZone: string, hours: WorkingHours | null): Schedule => ({
  hours,
  timetable: hours && timetableOf(date, timeZone, hours),
})

/** Covers `SLOTS_MAX` slots, because slots beyond the working hours (overtime) have times too. */
function timetableOf(date: string, timeZone: string, hours: WorkingHours): Timetable {
  const beginsAt = instantAt(date, hours.from, timeZone)
  const endsAt = instantAt(date, hours.to, timeZone)
  const slotMs = hours.minutesPerSlot * MINUTE_MS
  return {
    beginsAt,
    endsAt,
    slotMs,
    offsets: offsetsBetween(beginsAt, beginsAt + SLOTS_MAX * slotMs, timeZone),
  }
}

/** Slots follow each other in elapsed time: slots after a clock change show the new offset. */
export function timesOf(timetable: Timetable | null, slot: number): SlotTimes {
  if (!timetable) return { startsAt: null, endsAt: null }
  const { slotMs, offsets } = timetable
  const startsAt = startOf(timetable, slot)
  return { startsAt: isoAt(startsAt, offsets), endsAt: isoAt(startsAt + slotMs, offsets) }
}

const startOf = ({ beginsAt, slotMs }: Timetable, slot: number): number => beginsAt + (slot - 1) * slotMs

/** When a slot begins (epoch ms). Where slots have no times, none ever begins. */
export const beginOf = (timetable: Timetable | null, slot: number): number =>
  timetable ? startOf(timetable, slot) : Number.POSITIVE_INFINITY

/** The first slot that has not begun at an instant. The slot before it is the running one, or the last. */
export const firstToBegin = (timetable: Timetable | null, at: number): number =>
  timetable ? Math.max(1, Math.floor((at - timetable.beginsAt) / timetable.slotMs) + 2) : 1

/** From when on a day takes no more patients: its hours are over, or each slot has begun. Null: never. */
export function closesAt(timetable: Timetable | null, capacity: number): number | null {
  if (!timetable) return null
  return capacity === 0 ? 0 : Math.min(timetable.endsAt, startOf(timetable, capacity))
}

/**
 * How many whole slots fit into the hours on this date. A clock change can skip hours of a date, so there may
 * be none.
 */
export function slotsThatFit(date: string, timeZone: string, hours: WorkingHours): number {
  const spanMs = instantAt(date, hours.to, timeZone) - instantAt(date, hours.from, timeZone)
  return Math.min(SLOTS_MAX, Math.max(0, Math.floor(spanMs / (hours.minutesPerSlot * MINUTE_MS))))
}

/** How many slots fit on a date on which no clock changes. */
export const usualSlots = ({ from, to, minutesPerSlot }: WorkingHours): number =>
  Math.floor((minutesOf(to) - minutesOf(from)) / minutesPerSlot)

/** `09:30` → 570 */
export function minutesOf(time: string): number {
  const [hours = Number.NaN, minutes = Number.NaN] = time.split(':').map(Number)
  return hours * 60 + minutes
}
