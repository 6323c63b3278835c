import { and, asc, eq, sql } from 'drizzle-orm'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { brokeConstraint } from '../lib/db'
import { MINUTE_MS } from '../lib/time'
import { notFound, Problem } from '../problem'
import { queueUnreachable, sendInTime } from './accept'
import type { Kind } from './kind'
import { importChunks, imports } from './model'
import { watcherOf } from './staging'
import { getImport, type ImportFacts, isJob, type Job, jobOf } from './status'
import { MESSAGES_MAX } from './work/chunk'

/** Far longer than a request may take: until then the watcher stays, even where the job seems to be over. */
const REOPENING_MS_MAX = MINUTE_MS

/**
 * No chunk is begun from now on. One that is worked on at this moment may still end, and counts; all others
 * stay as they are. Again, it changes nothing and says the same.
 */
export async function cancelImport(ctx: Ctx, kind: Kind, jobId: string): Promise<ImportFacts> {
  const { results } = await ctx.once.transact((op) => [
    ctx.db
      .update(imports)
      .set({ state: 'cancelled', completedAt: ctx.now })
      .where(
        and(
          isJob(ctx, kind.name, jobId),
          sql`state IN ('pending', 'processing') AND ${op} = ${ctx.once.opId}`,
        ),
      ),
    audited(ctx, 'import.cancelled', jobId),
    ctx.db
      .select()
      .from(imports)
      .where(isJob(ctx, kind.name, jobId)),
  ])
  const [job] = results[2]
  if (!job) throw notFound('Job')
  if (job.state === 'completed' || job.state === 'failed') throw over(job)
  return getImport(ctx, kind.name, jobId)
}

/**
 * Goes on with what is pending of a job that was cancelled or given up; its clock starts anew. The key is
 * claimed only where the job was so.
 */
export async function resumeImport(ctx: Ctx, kind: Kind, jobId: string): Promise<void> {
  await jobOf(ctx, kind.name, jobId)
  await watchReopened(ctx, jobId)
  const isPending = sql`EXISTS (SELECT 1 FROM import_chunks WHERE job_id = ${jobId} AND state = 'pending')`
  const hasFailed = sql`EXISTS (SELECT 1 FROM import_chunks WHERE job_id = ${jobId} AND failed > 0)`
  await ctx.once
    .transact((op) => [
      ctx.db
        .update(imports)
        .set({
          // NULL, which the column refuses, where there is nothing to resume; then the key stays free.
          state: sql`CASE WHEN state NOT IN ('cancelled', 'failed') THEN NULL WHEN NOT ${isPending}
            THEN 'completed' WHEN started_at IS NULL THEN 'pending' ELSE 'processing' END`,
          startedAt: sql`CASE WHEN started_at IS NULL OR NOT ${isPending} THEN started_at
            ELSE ${ctx.now} END`,
          completedAt: sql`CASE WHEN ${isPending} THEN NULL ELSE ${ctx.now} END`,
          activatedAt: sql`CASE WHEN activated_at IS NULL AND NOT ${isPending} AND NOT ${hasFailed}
            THEN ${ctx.now} ELSE activated_at END`,
          queuedAt: sql`coalesce(queued_at, ${ctx.now})`,
          error: null,
        })
        .where(and(isJob(ctx, kind.name, jobId), sql`${op} = ${ctx.once.opId}`)),
      audited(ctx, 'import.resumed', jobId),
      ctx.db
        .update(importChunks)
        .set({ attempts: 0, notBefore: 0 })
        .where(
          sql`job_id = ${jobId} AND clinic_id = ${ctx.clinic.id} AND state = 'pending' AND changes() > 0`,
        ),
    ])
    .catch(async (error: unknown) => {
      throw isStateRefused(error) ? over(await jobOf(ctx, kind.name, jobId)) : error
    })
  await wakeChunks(ctx, jobId)
}

/**
 * Before the job is reopened, so that a crash right behind it costs no more than one wake, and after it is
 * known to be the clinic's own.
 */
export const watchReopened = (ctx: Ctx, jobId: string): Promise<void> =>
  watcherOf(ctx, jobId).watch(ctx.clinic.id, ctx.now, ctx.now + REOPENING_MS_MAX)

/**
 * The watcher sends what is not sent here. Where the queue is out of reach, a repeated request sends again.
 */
export async function wakeChunks(ctx: Ctx, jobId: string): Promise<void> {
  const pending = await ctx.db
    .select({ chunk: importChunks.chunk })
    .from(importChunks)
    .where(
      and(
        eq(importChunks.clinicId, ctx.clinic.id),
        eq(importChunks.jobId, jobId),
        eq(importChunks.state, 'pending'),
      ),
    )
    .orderBy(asc(importChunks.chunk))
    .limit(MESSAGES_MAX)
  const chunks = pending.map(({ chunk }) => chunk)
  if (!(await sendInTime(ctx.env, jobId, chunks)))
    throw queueUnreachable('The import goes on once the queue can be reached; the same key asks again')
}

/** Whether a statement wrote NULL for the job’s state: its way to refuse, which undoes the whole batch. */
export const isStateRefused = (error: unknown): boolean => brokeConstraint(error, 'imports.state')

const over = ({ state }: Job): Problem =>
  state === 'pending' || state === 'processing'
    ? new Problem('import_not_finished', 'The import is running; there is nothing to resume')
    : new Problem('import_over', `The import is over: it is ${state}`)
