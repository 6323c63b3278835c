import { instantAt, isoAt, MINUTE_MS, type Offset, offsetsBetween } from '../../lib/time'

/** When the slots of a day begin and end. Without working hours, slots have numbers but no times. */

export const SLOTS_MAX = 1_000

/** Wall-clock times in the day’s time zone, `12:30`. */
export interface Break {
  from: string
  to: string
}

/**
 * Why a doctor takes no patients on a date, as D1 knows it. `id`: of the leave, closing or retirement;
 * of a day off, for the availability that its first event sets. `since`: when it was decided (epoch ms).
 */
export interface Off {
  kind: 'day_off' | 'leave' | 'closing' | 'retired'
  id: string
  notes: string
  since: number
}

/** Wall-clock times in the day’s time zone, `09:00`; `to` may be `24:00`, the end of the date. */
export interface WorkingHours {
  from: string
  to: string
  minutesPerSlot: number
  /** By time. A break takes each slot that it touches; the other slots keep their numbers and times. */
  breaks?: Break[]
}

/** ISO 8601 with the offset of the day's zone at that instant; null where the day has no working hours. */
export interface SlotTimes {
  startsAt: string | null
  endsAt: string | null
}

/** A free slot that a caller can have instead. */
export interface Alternative extends SlotTimes {
  slot: number
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
  /** The numbers that breaks take out, ascending: they are no slots. */
  skipped: number[]
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
    skipped: skippedBy(hours.breaks, (time) => (instantAt(date, time, timeZone) - beginsAt) / slotMs),
  }
}

/** `placeOf`: how many slots after the begin of the hours a time is. */
function skippedBy(breaks: Break[] = [], placeOf: (time: string) => number): number[] {
  const numbers = breaks.flatMap(({ from, to }) => {
    const [first, last] = [Math.floor(placeOf(from)) + 1, Math.min(SLOTS_MAX, Math.ceil(placeOf(to)))]
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index)
  })
  return [...new Set(numbers)].sort((one, other) => one - other)
}

/** How many slots a day has, and when they are. */
export interface Slots {
  capacity: number
  timetable: Timetable | null
}

/** The number of the last slot: the capacity, unless breaks take numbers out before it. */
export const lastSlot = ({ capacity, timetable }: Slots): number =>
  (timetable?.skipped ?? []).reduce((last, number) => (number <= last ? last + 1 : last), capacity)

/** The numbers of all slots, ascending. */
export function slotNumbers(slots: Slots): number[] {
  const skipped = new Set(slots.timetable?.skipped)
  const numbers = Array.from({ length: lastSlot(slots) }, (_, index) => index + 1)
  return skipped.size === 0 ? numbers : numbers.filter((number) => !skipped.has(number))
}

/** Whether a break takes this number out. */
export const isSkipped = (timetable: Timetable | null, slot: number): boolean =>
  timetable?.skipped.includes(slot) ?? false

/** The number of the slot that begins at an instant (epoch ms); null where none begins then. */
export function slotBeginningAt(timetable: Timetable | null, at: number): number | null {
  if (!timetable) return null
  const slot = (at - timetable.beginsAt) / timetable.slotMs + 1
  return Number.isInteger(slot) && slot >= 1 && !isSkipped(timetable, slot) ? slot : null
}

/**
 * The number of the slot that a patient waits for, by its time where it has one; null where no slot begins
 * then; undefined where the patient takes any.
 */
export const wishedSlot = (
  timetable: Timetable | null,
  { wish, wishAt }: { wish?: number; wishAt?: number },
): number | null | undefined => (wishAt === undefined ? wish : slotBeginningAt(timetable, wishAt))

/** Slots follow each other in elapsed time: slots after a clock change show the new offset. */
export function timesOf(timetable: Timetable | null, slot: number, span = 1): SlotTimes {
  if (!timetable) return { startsAt: null, endsAt: null }
  const { slotMs, offsets } = timetable
  const startsAt = startOf(timetable, slot)
  return { startsAt: isoAt(startsAt, offsets), endsAt: isoAt(startsAt + span * slotMs, offsets) }
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
  return capacity === 0
    ? 0
    : Math.min(timetable.endsAt, startOf(timetable, lastSlot({ timetable, capacity })))
}

/**
 * How many whole slots fit into the hours on this date. A clock change can skip hours of a date, so there may
 * be none.
 */
export function slotsThatFit(date: string, timeZone: string, hours: WorkingHours): number {
  const beginsAt = instantAt(date, hours.from, timeZone)
  const slotMs = hours.minutesPerSlot * MINUTE_MS
  const placeOf = (time: string) => (instantAt(date, time, timeZone) - beginsAt) / slotMs
  return Math.min(SLOTS_MAX, fitting(hours, placeOf))
}

/** How many slots fit on a date on which no clock changes. */
export const usualSlots = (hours: WorkingHours): number =>
  fitting(hours, (time) => (minutesOf(time) - minutesOf(hours.from)) / hours.minutesPerSlot)

function fitting({ to, breaks }: WorkingHours, placeOf: (time: string) => number): number {
  const last = Math.max(0, Math.floor(placeOf(to)))
  return last - skippedBy(breaks, placeOf).filter((number) => number >= 1 && number <= last).length
}

/** `09:30` → 570 */
export function minutesOf(time: string): number {
  const [hours = Number.NaN, minutes = Number.NaN] = time.split(':').map(Number)
  return hours * 60 + minutes
}
