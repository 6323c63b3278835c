import * as v from 'valibot'
import { component, text } from '../lib/schema'
import { DAY_MS, iso, LocalDate, MINUTE_MS } from '../lib/time'

const DATES_MAX = 366

/** `doctor`: a row for each doctor; `date`: for each date; `doctor_date`: for each doctor’s day. */
const By = v.picklist(['doctor', 'date', 'doctor_date'])
export type By = v.InferOutput<typeof By>

const datesFrom = (from: string, to: string): number => (Date.parse(to) - Date.parse(from)) / DAY_MS + 1

/** `from` and `to` are dates, both included. */
export const AskReport = v.pipe(
  v.object({
    from: LocalDate,
    to: LocalDate,
    doctor_id: v.optional(text(100)),
    by: v.optional(By, 'doctor'),
  }),
  v.forward(
    v.check(({ from, to }) => from <= to, 'must not be after to'),
    ['from'],
  ),
  v.forward(
    v.check(({ from, to }) => datesFrom(from, to) <= DATES_MAX, `must be within ${DATES_MAX} dates of from`),
    ['to'],
  ),
)
export type AskReport = v.InferOutput<typeof AskReport>

/** Minutes to one decimal; null where no wait has ended. */
const Minutes = v.nullable(v.number())

/** docs/reports.md says what counts as what. booked = kept + no_show + cancelled + open. */
const figures = {
  booked: v.number(),
  kept: v.number(),
  no_show: v.number(),
  cancelled: v.number(),
  open: v.number(),
  walk_ins: v.number(),
  waits: v.object({ count: v.number(), p50_minutes: Minutes, p90_minutes: Minutes }),
}

export const DayFigures = component('DayFigures', {
  doctor_id: v.nullable(v.string()),
  doctor_name: v.nullable(v.string()),
  date: v.nullable(v.string()),
  ...figures,
})
export type DayFigures = v.InferOutput<typeof DayFigures>

/** `as_of`: when D1’s copy of the days was read; it may lag behind the days. */
export const DayReport = component('DayReport', {
  from: v.string(),
  to: v.string(),
  by: By,
  as_of: v.string(),
  total: v.object(figures),
  rows: v.array(DayFigures),
})
export type DayReport = v.InferOutput<typeof DayReport>

/**
 * A group as the database counts it, or the total of all groups. What the group has not in common is an empty
 * text. Sums of nothing are null; the waits are in milliseconds.
 */
export interface Counted {
  isTotal: 0 | 1
  doctorId: string
  doctorName: string | null
  date: string
  booked: number
  kept: number | null
  noShow: number | null
  cancelled: number | null
  walkIns: number | null
  waitCount: number | null
  p50: number | null
  p90: number | null
}

const minutes = (ms: number | null): number | null =>
  ms === null ? null : Math.round((ms / MINUTE_MS) * 10) / 10

export function toFigures(counted: Counted | undefined): DayReport['total'] {
  const booked = counted?.booked ?? 0
  const [kept, noShow, cancelled] = [counted?.kept ?? 0, counted?.noShow ?? 0, counted?.cancelled ?? 0]
  return {
    booked,
    kept,
    no_show: noShow,
    cancelled,
    open: booked - kept - noShow - cancelled,
    walk_ins: counted?.walkIns ?? 0,
    waits: {
      count: counted?.waitCount ?? 0,
      p50_minutes: minutes(counted?.p50 ?? null),
      p90_minutes: minutes(counted?.p90 ?? null),
    },
  }
}

export const toReport = (
  { from, to, by }: AskReport,
  asOf: number,
  total: DayReport['total'],
  rows: DayFigures[],
): DayReport => ({ from, to, by, as_of: iso(asOf), total, rows })
