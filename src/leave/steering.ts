import { and, eq, inArray, or, type SQL, sql } from 'drizzle-orm'
import { today } from '../access/actions'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { problemOf } from '../doctor-day/refusals'
import { notFound, Problem } from '../problem'
import { dateAfter } from '../slots/model'
import {
  type CancelLeave,
  type LeavePath,
  type LeaveProgress,
  type LeaveStatus,
  leaveDays,
  leaves,
} from './model'
import { isLeave, progressOf, selectCounts, selectLeave, watch } from './records'

/** The job of a leave is paused and resumed, and the leave is cancelled. */

/** The job stops before the next date. The dates that no day was told of stay closed. */
export const pauseLeave = (ctx: Ctx, path: LeavePath): Promise<LeaveProgress> =>
  steer(ctx, path, 'leave.paused', {
    to: 'paused',
    isPossible: eq(leaves.status, 'running'),
    possible: ['paused'],
  })

/** Also tells the days again that could not be told. */
export const resumeLeave = (ctx: Ctx, path: LeavePath): Promise<LeaveProgress> =>
  steer(ctx, path, 'leave.resumed', {
    to: 'running',
    isPossible: or(
      eq(leaves.status, 'paused'),
      and(eq(leaves.status, 'completed'), sql`EXISTS (${failedDates(ctx, path)})`),
    ),
    possible: ['running', 'completed'],
    dates: { state: sql`'pending'`, tries: 0, why: null },
    ofDates: eq(leaveDays.state, 'failed'),
  })

const failedDates = (ctx: Ctx, { leave_id }: LeavePath) =>
  sql`SELECT 1 FROM leave_days WHERE clinic_id = ${ctx.clinic.id} AND leave_id = ${leave_id}
    AND state = 'failed'`

/**
 * Ends the leave on a date and those after it, or on all that are not over. Patients who have moved stay
 * where they are. A leave that still has dates before stays as it was: it is only shorter.
 */
export async function cancelLeave(
  ctx: Ctx,
  path: LeavePath,
  { from = today(ctx) }: CancelLeave,
): Promise<LeaveProgress> {
  const here = today(ctx)
  if (from < here) throw problemOf({ ok: false, refused: 'date_over', dates: { date: from, today: here } })
  const isLater = sql`date >= ${from}`
  // From its first date on, or today, nothing is left of it: the dates before today are over.
  const isWhole = sql`(from_date >= ${from} OR ${from} <= ${here})`
  return steer(ctx, path, 'leave.cancelled', {
    to: sql`CASE WHEN ${isWhole} THEN 'cancelling'
      WHEN status = 'paused' THEN 'paused' ELSE 'running' END`,
    toDate: sql`CASE WHEN ${isWhole} THEN to_date ELSE min(to_date, ${dateAfter(from, -1)}) END`,
    isPossible: inArray(leaves.status, ['running', 'paused', 'completed']),
    possible: ['running', 'paused', 'completed', 'cancelling', 'cancelled'],
    dates: { state: sql`CASE WHEN date >= ${here} THEN 'ending' ELSE 'over' END`, tries: 0, why: null },
    ofDates: or(
      and(inArray(leaveDays.state, ['pending', 'failed', 'told']), isLater),
      and(inArray(leaveDays.state, ['pending', 'failed']), sql`date < ${here}`),
    ),
  })
}

/** `possible`: the statuses after the step; any other means that the leave is beyond it. */
interface Steering {
  to: LeaveStatus | SQL<LeaveStatus>
  toDate?: SQL<string>
  isPossible: SQL | undefined
  possible: LeaveStatus[]
  dates?: { state: SQL; tries: number; why: null }
  ofDates?: SQL | undefined
}

async function steer(ctx: Ctx, path: LeavePath, action: string, steering: Steering): Promise<LeaveProgress> {
  const { to, toDate, isPossible, possible, dates, ofDates } = steering
  const { leave_id: leaveId } = path
  const found = selectLeave(ctx, path)
  const [known] = await found
  if (!known) throw notFound('Leave')
  await watch(ctx, leaveId)
  const { reply, replayed, results } = await ctx.once.transact(
    (op) => {
      const isStep = and(isLeave(ctx, path), isPossible, sql`${op} = ${ctx.once.opId}`)
      return [
        // Before the status changes, on which the change of the dates depends.
        ctx.db
          .update(leaveDays)
          .set(dates ?? { tries: sql`tries` })
          .where(
            and(
              eq(leaveDays.clinicId, ctx.clinic.id),
              eq(leaveDays.leaveId, leaveId),
              dates ? ofDates : sql`false`,
              sql`EXISTS (SELECT 1 FROM leaves WHERE ${isStep})`,
            ),
          ),
        ctx.db
          .update(leaves)
          .set({ status: to, ...(toDate && { toDate }) })
          .where(isStep),
        audited(ctx, action, leaveId),
        ctx.once.keep(sql`SELECT status FROM leaves WHERE ${isLeave(ctx, path)}`),
        found,
        selectCounts(ctx, leaveId),
      ]
    },
    [found],
  )
  const [, , , , [leave], counts] = results
  const progress = progressOf(leave, counts)
  // A retry is refused as the first request was, whatever the status is by then.
  const statusThen = replayed ? reply : progress.status
  if (statusThen !== null && !possible.some((status) => status === statusThen))
    throw new Problem('leave_over', OVER)
  await watch(ctx, leaveId, true)
  return progress
}

const OVER =
  'The leave has ended or was cancelled; GET shows its status. Declare another leave for the dates left'
