import { eq, type SQL, sql } from 'drizzle-orm'
import { today } from '../access/actions'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { problemOf } from '../doctor-day/refusals'
import { selectDoctor } from '../doctors/actions'
import { invalid } from '../http/failure'
import { newId } from '../lib/crypto'
import { notFound, Problem } from '../problem'
import { dateAfter, datesIn } from '../slots/model'
import {
  type DeclareLeave,
  LEAVE_DATES_MAX,
  type LeaveProgress,
  leaveDays,
  leaves,
  toProgress,
} from './model'
import { watch } from './records'

/**
 * A leave counts from the batch that stores it: D1 closes its dates for each request that begins after it.
 * Then the job tells each day, which from then on refuses by itself.
 */
export async function declareLeave(ctx: Ctx, doctorId: string, wanted: DeclareLeave): Promise<LeaveProgress> {
  const dates = datesOf(ctx, doctorId, wanted)
  const { reason, move_to } = wanted
  const id = newId()
  const found = [selectDoctor(ctx, doctorId), selectDoctor(ctx, move_to?.doctor_id ?? doctorId)] as const
  const moveTo = move_to && {
    doctorId: move_to.doctor_id ?? null,
    daysLater: move_to.days_later ?? 0,
  }
  // Before the leave is stored, so that its job runs however this request ends.
  await watch(ctx, id)
  const { opId, results } = await ctx.once.transact(
    (op) => [
      ctx.db
        .insert(leaves)
        .select(
          sql`SELECT ${id}, clinic_id, id, 'leave', ${wanted.from}, ${wanted.to}, ${reason},
            ${moveTo ? JSON.stringify(moveTo) : null}, 'running', ${ctx.actor.keyId}, ${ctx.now}, ${op}
          FROM doctors WHERE clinic_id = ${ctx.clinic.id} AND id = ${doctorId} AND retired_at IS NULL
            AND EXISTS (SELECT 1 FROM doctors AS others WHERE clinic_id = ${ctx.clinic.id}
              AND id = ${move_to?.doctor_id ?? doctorId})
            AND NOT EXISTS (${overlapping(ctx, doctorId, wanted)})`,
        )
        .onConflictDoNothing(),
      audited(ctx, 'leave.declared', id),
      ctx.db.insert(leaveDays).select(
        sql`SELECT leaves.clinic_id, leaves.id, value, leaves.doctor_id, 'pending', 0, NULL, 0, 0, 0, NULL
          FROM leaves CROSS JOIN json_each(${JSON.stringify(dates)})
          WHERE leaves.id = ${id} AND leaves.clinic_id = ${ctx.clinic.id}`,
      ),
      ctx.db.select().from(leaves).where(eq(leaves.opId, op)),
      ...found,
    ],
    found,
  )
  const [, , , [leave], [doctor], [other]] = results
  if (!doctor || !other) throw notFound('Doctor')
  if (leave?.opId !== opId) throw notDeclared(doctor.retiredAt)
  await watch(ctx, leave.id, true)
  const counts = [{ state: 'pending', days: dates.length, moved: 0, waitlisted: 0, toCall: 0 } as const]
  // As it was at first, so that a retry gets the same answer, also once the leave was cut short.
  return toProgress({ ...leave, toDate: wanted.to, status: 'running' }, counts)
}

function notDeclared(retiredAt: number | null): Problem {
  if (retiredAt !== null) return problemOf({ ok: false, refused: 'doctor_retired' })
  return new Problem('leave_overlaps', OVERLAPS)
}

const OVERLAPS =
  'The doctor has a leave on one of these dates already; send other dates, or cancel that leave'

/** A leave that is being cancelled still has to end on its days. */
const overlapping = (ctx: Ctx, doctorId: string, { from, to }: DeclareLeave): SQL =>
  sql`SELECT 1 FROM leave_days CROSS JOIN leaves ON leaves.id = leave_days.leave_id AND leaves.kind = 'leave'
    WHERE leave_days.clinic_id = ${ctx.clinic.id} AND leave_days.doctor_id = ${doctorId}
      AND leave_days.date BETWEEN ${from} AND ${to}
      AND leave_days.state IN ('pending', 'told', 'failed', 'ending')`

/** The dates of the leave, which must not be over, and not too many. */
function datesOf(ctx: Ctx, doctorId: string, { from, to, move_to }: DeclareLeave): string[] {
  const here = today(ctx)
  if (from < here) throw problemOf({ ok: false, refused: 'date_over', dates: { date: from, today: here } })
  const days = datesIn(from, to)
  const wrong = (field: string, message: string) =>
    invalid([{ field, rule: 'range', message: `${field} ${message}` }])
  if (days > LEAVE_DATES_MAX) throw wrong('to', `must be within ${LEAVE_DATES_MAX} dates of from`)
  const isSameDoctor = move_to && (move_to.doctor_id ?? doctorId) === doctorId
  if (isSameDoctor && (move_to.days_later ?? 0) < days)
    throw wrong(
      'move_to.days_later',
      `must be at least ${days}, so that no patient moves to another day of the leave; ` +
        'or send another doctor_id',
    )
  return Array.from({ length: days }, (_, n) => dateAfter(from, n))
}
