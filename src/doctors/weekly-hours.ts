import * as v from 'valibot'
import type { WorkingHours as DayHours } from '../doctor-day/state/slot-times'
import { component } from '../lib/schema'
import { DayDate } from '../lib/time'
import { toDayHours, toWorkingHours, WorkingHours } from './working-hours'

/** The working hours of a doctor by weekday, valid from a date until a later version. */

const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const
type Weekday = (typeof WEEKDAYS)[number]

/** Null: a day off. */
export type Week = Record<Weekday, DayHours | null>

/** As D1 stores it. */
export interface WeeklyVersion {
  validFrom: string
  week: Week
}

/**
 * A version beyond them removes the oldest of those before that of today, which only unused days of the past
 * know. Where there is none, it is refused.
 */
export const VERSIONS_MAX = 20

const DAY = v.nullable(WorkingHours)
const WEEK = { mon: DAY, tue: DAY, wed: DAY, thu: DAY, fri: DAY, sat: DAY, sun: DAY }

/** Each weekday is sent, so that none is a day off by mistake. `valid_from`: today unless it is sent. */
export const SetWeeklyHours = component('SetWeeklyHours', { valid_from: v.optional(DayDate), ...WEEK })
export type SetWeeklyHours = v.InferOutput<typeof SetWeeklyHours>

export const WeeklyHours = component('WeeklyHours', { valid_from: v.string(), ...WEEK })
export type WeeklyHours = v.InferOutput<typeof WeeklyHours>

export const toWeek = (wanted: SetWeeklyHours): Week =>
  weekOf((weekday) => {
    const hours = wanted[weekday]
    return hours && toDayHours(hours)
  })

export const toWeeklyHours = ({ validFrom, week }: WeeklyVersion): WeeklyHours => ({
  valid_from: validFrom,
  ...weekOf((weekday) => {
    const hours = week[weekday]
    return hours && toWorkingHours(hours)
  }),
})

/** In the order in which a week is written. */
const weekOf = <Hours>(hours: (weekday: Weekday) => Hours): Record<Weekday, Hours> => ({
  mon: hours('mon'),
  tue: hours('tue'),
  wed: hours('wed'),
  thu: hours('thu'),
  fri: hours('fri'),
  sat: hours('sat'),
  sun: hours('sun'),
})

/** The hours of a date by its weekday in the calendar, whatever the clocks do then; null: a day off. */
export const hoursOf = (week: Week, date: string): DayHours | null =>
  week[WEEKDAYS[new Date(`${date}T00:00:00Z`).getUTCDay()] ?? 'sun']
