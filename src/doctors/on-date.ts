import { and, eq, lte, type SQL, sql } from 'drizzle-orm'
import type { Ctx } from '../context'
import type { Off } from '../doctor-day/state/slot-times'
import { weeklyHours } from './model'
import type { Week, WeeklyVersion } from './weekly-hours'

/** What D1 knows of a doctor on a date, beside the doctor’s record: weekly hours, leave, a closed clinic. */

type Cause = Omit<Off, 'kind'>

export interface OnDate {
  weekly: WeeklyVersion | null
  leave: Cause | null
  closing: Cause | null
}

/** The states in which a date of a leave is closed: until the doctor is set present on it again. */
const IN_FORCE = `('pending', 'told', 'failed')`

const CAUSE_OF_LEAVE = `'id', leaves.id, 'notes', leaves.reason, 'since', leaves.created_at`

const OF_DOCTOR = 'clinic_id = doctors.clinic_id AND doctor_id = doctors.id'

/**
 * A row of `doctors` is at hand. Each look-up finds one row by its key, or none. The newest of some rows is
 * asked for only where there are some: it costs a row read even where there are none.
 */
const onDateText = (date: string): string => `json_object(
  'weekly', CASE WHEN EXISTS (SELECT 1 FROM weekly_hours WHERE ${OF_DOCTOR})
    THEN json((SELECT json_object('validFrom', valid_from, 'week', json(week)) FROM weekly_hours
      WHERE ${OF_DOCTOR} AND valid_from <= ${date} ORDER BY valid_from DESC LIMIT 1)) END,
  'leave', json((SELECT json_object(${CAUSE_OF_LEAVE})
    FROM leave_days CROSS JOIN leaves ON leaves.id = leave_days.leave_id
      AND +leaves.clinic_id = leave_days.clinic_id AND +leaves.kind = 'leave'
    WHERE leave_days.clinic_id = doctors.clinic_id AND leave_days.doctor_id = doctors.id
      AND leave_days.date = ${date} AND leave_days.state IN ${IN_FORCE} LIMIT 1)),
  'closing', json((SELECT json_object('id', closings.id, 'notes', closings.reason,
      'since', closings.created_at)
    FROM closings WHERE closings.clinic_id = doctors.clinic_id AND closings.date = ${date})))`

/** For a statement of a lot, whose row names the date. */
export const ON_DATE_OF_SENT = onDateText('sent.date')

/** For a query that selects doctors. */
export function onDate(date: string) {
  const [first = '', ...others] = onDateText('?').split('?')
  const parts: SQL[] = others.flatMap((text) => [sql`${date}`, sql.raw(text)])
  return sql.join([sql.raw(first), ...parts]).mapWith((text: string) => JSON.parse(text) as OnDate)
}

/** As `onDate`, for many doctors on the dates of a range: three queries. */
export async function onDates(ctx: Ctx, doctorIds: string[], from: string, to: string) {
  const searched = sql`json_each(${JSON.stringify(doctorIds)}) AS searched`
  const clinicId = ctx.clinic.id
  const [weekly, leave, closings] = await ctx.db.batch([
    ctx.db
      .select({
        doctorId: weeklyHours.doctorId,
        validFrom: weeklyHours.validFrom,
        week: weeklyHours.week,
      })
      .from(searched)
      .innerJoin(
        weeklyHours,
        and(
          eq(weeklyHours.clinicId, clinicId),
          sql`${weeklyHours.doctorId} = searched.value`,
          lte(weeklyHours.validFrom, to),
        ),
      ),
    ctx.db
      .select({
        name: sql<string>`leave_days.doctor_id || '/' || leave_days.date`,
        cause: causeOf(sql.raw(`json_object(${CAUSE_OF_LEAVE})`)),
      })
      .from(searched)
      .innerJoin(
        sql`leave_days`,
        sql`leave_days.clinic_id = ${clinicId} AND leave_days.doctor_id = searched.value
          AND leave_days.date BETWEEN ${from} AND ${to} AND leave_days.state IN ${sql.raw(IN_FORCE)}`,
      )
      .innerJoin(
        sql`leaves`,
        sql`leaves.id = leave_days.leave_id AND +leaves.clinic_id = ${clinicId} AND +leaves.kind = 'leave'`,
      ),
    ctx.db
      .select({
        date: sql<string>`date`,
        cause: causeOf(sql`json_object('id', id, 'notes', reason, 'since', created_at)`),
      })
      .from(sql`closings`)
      .where(sql`clinic_id = ${clinicId} AND date BETWEEN ${from} AND ${to}`),
  ])
  const versions = Map.groupBy(weekly, ({ doctorId }) => doctorId)
  const leaves = new Map(leave.map(({ name, cause }) => [name, cause]))
  const closed = new Map(closings.map(({ date, cause }) => [date, cause]))
  return (doctorId: string, date: string): OnDate => ({
    weekly: newestOn(versions.get(doctorId) ?? [], date),
    leave: leaves.get(`${doctorId}/${date}`) ?? null,
    closing: closed.get(date) ?? null,
  })
}

const causeOf = (json: SQL) => sql<Cause>`${json}`.mapWith((text: string) => JSON.parse(text) as Cause)

function newestOn(versions: { validFrom: string; week: Week }[], date: string): WeeklyVersion | null {
  const valid = versions.filter(({ validFrom }) => validFrom <= date)
  return valid.sort((one, other) => (one.validFrom < other.validFrom ? 1 : -1))[0] ?? null
}
