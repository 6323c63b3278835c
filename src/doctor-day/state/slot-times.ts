import { instantAt, isoAt, MINUTE_MS, type Offset, offsetsBetween } from '../../lib/time'

/** When the slots of a day begin and end. A day without working hours has slots that are only numbered. */

export const SLOTS_MAX = 1_000

/** Wall-clock times of the day's zone, `09:00`; `to` may be `24:00`, the end of the date. */
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
 * All that the time zone database has to say of a day, asked once (epoch ms): the times of a slot are a sum
 * from here on. Plain data, because a day is one.
 */
interface Timetable {
  beginsAt: number
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

/** Reaches as far as a day with every slot there may be, because overtime goes on behind the hours. */
function timetableOf(date: string, timeZone: string, hours: WorkingHours): Timetable {
  const beginsAt = instantAt(date, hours.from, timeZone)
  const slotMs = hours.minutesPerSlot * MINUTE_MS
  return { beginsAt, slotMs, offsets: offsetsBetween(beginsAt, beginsAt + SLOTS_MAX * slotMs, timeZone) }
}

/** Slots follow each other in elapsed time: when clocks change, the slots behind the change show it. */
export function timesOf(timetable: Timetable | null, slot: number): SlotTimes {
  if (!timetable) return { startsAt: null, endsAt: null }
  const { beginsAt, slotMs, offsets } = timetable
  const startsAt = beginsAt + (slot - 1) * slotMs
  return { startsAt: isoAt(startsAt, offsets), endsAt: isoAt(startsAt + slotMs, offsets) }
}

/**
 * How many slots lie wholly within the hours of that very date. A date can have hours that do not exist, so
 * there may be none.
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
