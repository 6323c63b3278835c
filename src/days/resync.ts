import { and, asc, eq, sql } from 'drizzle-orm'
import { clinics } from '../access/model'
import { requireClinic } from '../access/permissions'
import { auditedOnce } from '../audit/model'
import type { Ctx } from '../context'
import { notRefused, onDay, operation } from '../doctor-day/client'
import { dayKey } from '../doctor-day/storage/address'
import { days } from '../doctors/model'
import { cutPage } from '../lib/page'
import { notFound, Problem } from '../problem'
import type { ResyncClinic, ResyncedClinic } from './model'

/** Each day is an object that has to wake, and all of these do so at once. */
const DAYS_PER_CALL = 50

type DayRow = { doctorId: string; date: string }

/** Each day that D1 knows copies its log again. A day that refuses stops none of the others. */
export async function resyncClinic(
  ctx: Ctx,
  clinicId: string,
  cursor: ResyncClinic['cursor'],
): Promise<ResyncedClinic> {
  requireClinic(ctx, clinicId)
  const { opId, results } = await ctx.once.transact((op) => [
    auditedOnce(ctx, op, 'clinic.resynced', clinicId),
    ctx.db.select({ id: clinics.id }).from(clinics).where(eq(clinics.id, clinicId)),
    selectDays(ctx, clinicId, cursor),
  ])
  const [, [clinic], found] = results
  if (!clinic) throw notFound('Clinic')
  const { rows, next } = cutPage(found, DAYS_PER_CALL, ({ doctorId, date }) => [doctorId, date])
  const copied = await Promise.all(rows.map((day) => resyncDay(ctx, clinicId, day, opId)))
  return {
    days: rows.length,
    events: copied.reduce((sum, { events }) => sum + events, 0),
    not_copied: copied.flatMap(({ notCopied }) => notCopied ?? []),
    next,
  }
}

const selectDays = (ctx: Ctx, clinicId: string, cursor: ResyncClinic['cursor']) =>
  ctx.db
    .select({ doctorId: days.doctorId, date: days.date })
    .from(days)
    .where(
      and(
        eq(days.clinicId, clinicId),
        cursor && sql`(${days.doctorId}, ${days.date}) > (${cursor[0]}, ${cursor[1]})`,
      ),
    )
    .orderBy(asc(days.doctorId), asc(days.date))
    .limit(DAYS_PER_CALL + 1)

async function resyncDay(ctx: Ctx, clinicId: string, { doctorId, date }: DayRow, opId: string) {
  const key = dayKey(clinicId, doctorId, date)
  try {
    const answer = await onDay(ctx.env, key, (day) => day.resync(operation(ctx, `${opId}:${key}`)))
    return { events: notRefused(answer) }
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return { events: 0, notCopied: { doctor_id: doctorId, date, why: error.code } }
  }
}
