import { and, asc, eq, gt, inArray, type SQL, sql } from 'drizzle-orm'
import { today } from '../access/actions'
import type { Ctx } from '../context'
import { selectDoctor } from '../doctors/actions'
import { onObject } from '../lib/outage'
import { cutPage, type Page } from '../lib/page'
import { notFound } from '../problem'
import {
  type Count,
  type Leave,
  type LeaveDate,
  type LeavePath,
  type LeaveProgress,
  type LeaveRow,
  type ListLeaveDates,
  type ListLeaves,
  leaveDays,
  leaves,
  toLeave,
  toLeaveDate,
  toProgress,
} from './model'

/** The leaves of a doctor as they are stored, and how far their jobs have come. */

export async function listLeaves(
  ctx: Ctx,
  doctorId: string,
  { limit, cursor }: ListLeaves,
): Promise<Page<Leave>> {
  const [[doctor], rows] = await ctx.db.batch([
    selectDoctor(ctx, doctorId),
    ctx.db
      .select()
      .from(leaves)
      .where(
        and(
          eq(leaves.clinicId, ctx.clinic.id),
          eq(leaves.doctorId, doctorId),
          eq(leaves.kind, 'leave'),
          gt(leaves.id, cursor?.[0] ?? ''),
        ),
      )
      .orderBy(asc(leaves.id))
      .limit(limit + 1),
  ])
  if (!doctor) throw notFound('Doctor')
  return cutPage(rows.map(toLeave), limit, (leave) => [leave.leave_id])
}

export const isLeave = (ctx: Ctx, { id, leave_id }: LeavePath) =>
  and(
    eq(leaves.clinicId, ctx.clinic.id),
    eq(leaves.id, leave_id),
    eq(leaves.doctorId, id),
    eq(leaves.kind, 'leave'),
  )

export const selectLeave = (ctx: Ctx, path: LeavePath) =>
  ctx.db.select().from(leaves).where(isLeave(ctx, path))

export const selectCounts = (ctx: Ctx, leaveId: string) =>
  ctx.db
    .select({
      state: leaveDays.state,
      days: sql<number>`count(*)`,
      moved: sql<number>`sum(moved)`,
      waitlisted: sql<number>`sum(waitlisted)`,
      toCall: sql<number>`sum(to_call)`,
    })
    .from(leaveDays)
    .where(and(eq(leaveDays.clinicId, ctx.clinic.id), eq(leaveDays.leaveId, leaveId)))
    .groupBy(leaveDays.state)

export async function getLeave(ctx: Ctx, path: LeavePath): Promise<LeaveProgress> {
  const [[leave], counts] = await ctx.db.batch([selectLeave(ctx, path), selectCounts(ctx, path.leave_id)])
  return progressOf(leave, counts)
}

export function progressOf(leave: LeaveRow | undefined, counts: Count[]): LeaveProgress {
  if (!leave) throw notFound('Leave')
  return toProgress(leave, counts)
}

/** By date. */
export async function listLeaveDates(
  ctx: Ctx,
  path: LeavePath,
  { limit, cursor }: ListLeaveDates,
): Promise<Page<LeaveDate>> {
  const [[leave], rows] = await ctx.db.batch([
    selectLeave(ctx, path),
    ctx.db
      .select()
      .from(leaveDays)
      .where(
        and(
          eq(leaveDays.clinicId, ctx.clinic.id),
          eq(leaveDays.leaveId, path.leave_id),
          eq(leaveDays.doctorId, path.id),
          gt(leaveDays.date, cursor?.[0] ?? ''),
        ),
      )
      .orderBy(asc(leaveDays.date))
      .limit(limit + 1),
  ])
  if (!leave) throw notFound('Leave')
  return cutPage(rows.map(toLeaveDate), limit, (row) => [row.date])
}

/**
 * The job of a leave looks after it. Call it before the leave is stored or changed, so that no crash leaves
 * it alone, and again afterwards with `isReady`: then the job begins at once.
 */
export const watch = (ctx: Ctx, leaveId: string, isReady = false): Promise<void> =>
  onObject(ctx.env.LEAVE_JOB, leaveId, (job) => job.watch(ctx.clinic.id, isReady))

/** The days that were told are opened again; those of the past stay as they were. `when`: SQL. */
export const endDays = (ctx: Ctx, leaveId: string, when: SQL) =>
  ctx.db
    .update(leaveDays)
    .set({ state: sql`CASE WHEN date >= ${today(ctx)} THEN 'ending' ELSE 'over' END`, tries: 0 })
    .where(
      and(
        eq(leaveDays.clinicId, ctx.clinic.id),
        eq(leaveDays.leaveId, leaveId),
        inArray(leaveDays.state, ['pending', 'told', 'failed']),
        when,
      ),
    )
