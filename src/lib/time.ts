import { Temporal } from 'temporal-polyfill'
import * as v from 'valibot'
import { dateFault, instantFault } from './iso-faults'

export const SECOND_MS = 1_000
export const MINUTE_MS = 60 * SECOND_MS
export const HOUR_MS = 60 * MINUTE_MS
export const DAY_MS = 24 * HOUR_MS

/** Epoch milliseconds → `2026-11-20T08:15:30.000Z`. */
export const iso = (ms: number): string => new Date(ms).toISOString()

const dateIn = (ms: number, timeZone: string): string =>
  Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(timeZone).toPlainDate().toString()

/** By zone, what was asked last: Temporal takes as long as a write, and bookings ask for the same again. */
const lastDates = new Map<string, { second: number; date: string }>()
const lastEnds = new Map<string, { date: string; end: number }>()

/**
 * The calendar date of an instant in an IANA zone, `YYYY-MM-DD`. It is remembered for a second, because no
 * clock has ever changed within one.
 */
export function localDate(ms: number, timeZone: string): string {
  const second = Math.floor(ms / SECOND_MS)
  const last = lastDates.get(timeZone)
  if (last?.second === second) return last.date
  const date = dateIn(ms, timeZone)
  lastDates.set(timeZone, { second, date })
  return date
}

/** The instant, in epoch ms, at which a date ends in a zone. */
export function endOf(date: string, timeZone: string): number {
  const last = lastEnds.get(timeZone)
  if (last?.date === date) return last.end
  const end = instantAt(date, '24:00', timeZone)
  lastEnds.set(timeZone, { date, end })
  return end
}

/**
 * The instant, in epoch ms, at which a zone's clocks show `HH:MM` on a date. A time that the clocks skip is
 * moved later by the length of the gap; of a time that they show twice, the first counts (Temporal's
 * `compatible`). 00:00 is the beginning of the date and 24:00 its end, whatever the clocks show. No result is
 * after that end: a date that a zone skipped (30 December 2011 in Apia) begins and ends at one instant.
 */
export function instantAt(date: string, time: string, timeZone: string): number {
  const day = Temporal.PlainDate.from(date)
  const end = () => day.add({ days: 1 }).toZonedDateTime(timeZone)
  if (time === '24:00') return end().epochMilliseconds
  const at =
    time === '00:00' ? day.toZonedDateTime(timeZone) : day.toZonedDateTime({ timeZone, plainTime: time })
  return (at.toPlainDate().equals(day) ? at : end()).epochMilliseconds
}

/** How far clocks are ahead of UTC, since which instant (epoch ms), and how ISO 8601 writes it: `-04:00`. */
export interface Offset {
  since: number
  aheadMs: number
  written: string
}

/** The offset at `from` and each later one until `until`. Each change of the clocks costs one search. */
export function offsetsBetween(from: number, until: number, timeZone: string): Offset[] {
  const offsets: Offset[] = []
  let at: Temporal.ZonedDateTime | null =
    Temporal.Instant.fromEpochMilliseconds(from).toZonedDateTimeISO(timeZone)
  while (at && at.epochMilliseconds <= until) {
    const aheadMs = at.offsetNanoseconds / 1_000_000
    offsets.push({ since: at.epochMilliseconds, aheadMs, written: writtenOffset(aheadMs) })
    at = at.getTimeZoneTransition('next')
  }
  return offsets
}

/** Rounded to minutes: local mean time, before 1940, had seconds that ISO 8601 cannot write. */
function writtenOffset(aheadMs: number): string {
  const minutes = Math.round(Math.abs(aheadMs) / MINUTE_MS)
  const parts = [Math.floor(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, '0'))
  return `${aheadMs < 0 ? '-' : '+'}${parts.join(':')}`
}

/** Local time to the second: `2026-03-08T09:00:00-04:00`. Before the first offset it is UTC. */
export function isoAt(ms: number, offsets: Offset[]): string {
  const offset = offsets.findLast(({ since }) => since <= ms)
  return offset ? iso(ms + offset.aheadMs).slice(0, -'.000Z'.length) + offset.written : iso(ms)
}

const accepts = (parse: () => unknown): boolean => {
  try {
    parse()
    return true
  } catch {
    return false
  }
}

/** Whole years from one date to a later one. Who was born on 29 February is a year older on 1 March. */
export const yearsBetween = (from: string, to: string): number =>
  Number(to.slice(0, 4)) - Number(from.slice(0, 4)) - (to.slice(4) < from.slice(4) ? 1 : 0)

/** `date` and the dates before and after it. */
export const around = (date: string): string[] =>
  [-DAY_MS, 0, DAY_MS].map((ms) => iso(Date.parse(date) + ms).slice(0, date.length))

/** A date that exists, `YYYY-MM-DD`. */
export const LocalDate = v.pipe(
  v.string(),
  v.regex(/^\d{4}-\d{2}-\d{2}$/, ({ input }) => dateFault(input)),
  v.check((text) => accepts(() => Temporal.PlainDate.from(text)), 'must be a date that exists'),
)

const YEAR_MIN = 1900
/** A date further ahead is a typing mistake and not a plan. */
const YEARS_AHEAD_MAX = 30

/** The date of a doctor’s day, which may be used or asked for. */
export const DayDate = v.pipe(
  LocalDate,
  v.check(
    (date) => Number(date.slice(0, 4)) >= YEAR_MIN,
    `must not be before the year ${YEAR_MIN}; send the year with four digits`,
  ),
  v.check(
    (date) => Number(date.slice(0, 4)) <= new Date().getUTCFullYear() + YEARS_AHEAD_MAX,
    `must be at most ${YEARS_AHEAD_MAX} years ahead; send an earlier date`,
  ),
)

/** A name of the IANA time zone database, `Asia/Kolkata`. Offsets are refused: they have no summer time. */
export const TimeZone = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z]/, 'must be an IANA time zone like Europe/Berlin'),
  v.check(
    (text) => accepts(() => Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(text)),
    'must be an IANA time zone like Europe/Berlin',
  ),
)

const YEAR = String.raw`\d{4}`
const LEAP_YEAR = String.raw`(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)`
const DATE = [
  String.raw`${YEAR}-(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])`,
  String.raw`${YEAR}-(?:0[469]|11)-(?:0[1-9]|[12]\d|30)`,
  String.raw`${YEAR}-02-(?:0[1-9]|1\d|2[0-8])`,
  `${LEAP_YEAR}-02-29`,
].join('|')
const TIME = String.raw`(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d{1,9})?)?`
const ZONE = String.raw`(?:[Zz]|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)`

/** A year before it is a mistake, like that of a clock that was never set, or of two digits. */
const TOO_OLD = '0|1[0-8]'

/** Date, time and zone, ISO 8601. The pattern includes the calendar, so that a JSON Schema can express it. */
const ISO_INSTANT = new RegExp(`^(?!${TOO_OLD})(?:${DATE})[Tt ]${TIME}${ZONE}$`)

export const IsoInstant = v.pipe(
  v.string(),
  v.regex(ISO_INSTANT, ({ input }) => instantFault(input)),
)

/** One spelling for one instant, to the nanosecond: `…T12:30:00+05:30` → `…T07:00:00Z`. */
export const instantOf = (text: string): string => Temporal.Instant.from(text.toUpperCase()).toString()

/** `?at=` in epoch milliseconds; null where the caller asks for now. */
export const askedInstant = (at: string | undefined): number | null =>
  at === undefined ? null : Date.parse(instantOf(at))
