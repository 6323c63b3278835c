import { and, asc, eq, sql } from 'drizzle-orm'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { brokeConstraint } from '../lib/db'
import { MINUTE_MS } from '../lib/time'
import { notFound, Problem } from '../problem'
import { queueUnreachable, sendInTime } from './accept'
import type { Kind } from './kind'
import { importChunks, imports, UNTRIED } from './model'
import { watcherOf } from './staging'
import { getImport, type ImportFacts, isJob, type Job, jobOf } from './status'
import { MESSAGES_MAX } from './work/chunk'

/** Far longer than a request may take: until then the watcher stays, even if the job is over. */
const REOPENING_MS_MAX = MINUTE_MS

/**
 * No new chunk starts after this. A chunk in flight may still finish, and its rows count; all other chunks
 * stay as they are. A repeated cancel changes nothing and gets the same answer.
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
  if (job.state === 'completed' || job.state === 'failed') throw jobOver(job)
  return getImport(ctx, kind.name, jobId)
}

/**
 * Continues the pending chunks of a cancelled or failed job and restarts its clock. A job in any other state
 * is refused and the key stays unclaimed.
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
          // NULL, which the column refuses, if there is nothing to resume: then the key stays unclaimed.
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
        .set({ ...UNTRIED, notBefore: 0 })
        .where(
          sql`job_id = ${jobId} AND clinic_id = ${ctx.clinic.id} AND state = 'pending'
            AND ${op} = ${ctx.once.opId}`,
        ),
    ])
    .catch(async (error: unknown) => {
      throw isStateRefused(error) ? jobOver(await jobOf(ctx, kind.name, jobId)) : error
    })
  await wakeChunks(ctx, jobId)
}

/**
 * Call it before the job is reopened, so that a crash right after that only delays the job until the next
 * alarm, and after the job is known to belong to the clinic.
 */
export const watchReopened = (ctx: Ctx, jobId: string): Promise<void> =>
  watcherOf(ctx, jobId).watch(ctx.clinic.id, ctx.now, ctx.now + REOPENING_MS_MAX)

/** The watcher sends what is not sent here. If the queue is out of reach, a retry of the request sends it. */
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
    throw queueUnreachable(
      'The queue is out of reach, so the import continues later; retry with the same key',
    )
}

/** Whether a statement wrote NULL as the job’s state: so it refuses, and the whole batch is undone. */
export const isStateRefused = (error: unknown): boolean => brokeConstraint(error, 'imports.state')

const jobOver = ({ state }: Job): Problem =>
  state === 'pending' || state === 'processing'
    ? new Problem('import_not_finished', 'The import is running; there is nothing to resume')
    : new Problem('import_over', `The import is over: it is ${state}`)
