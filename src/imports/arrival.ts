import { and, eq, type SQL, sql } from 'drizzle-orm'
import type { Ctx } from '../context'
import { logFailure } from '../lib/log'
import { MINUTE_MS } from '../lib/time'
import { imports, stagedRows } from './model'

/** After this an upload that never became a job is taken for dead, and its rows are removed. */
const UPLOAD_MS_MAX = 15 * MINUTE_MS

/**
 * Receives a file under an id that is no job. The object watches from the first row on, so that rows which a
 * crash leaves behind are removed; those of a refused file are removed here.
 */
export async function receiving<Received>(
  ctx: Ctx,
  uploadId: string,
  receive: () => Promise<Received>,
): Promise<Received> {
  await watcherOf(ctx, uploadId).watch(ctx.clinic.id, ctx.now + UPLOAD_MS_MAX)
  try {
    return await receive()
  } catch (error) {
    await discard(ctx, uploadId).catch((failure) => logFailure('import.discard', failure, { job: uploadId }))
    throw error
  }
}

/** Removes rows that no job owns; where a job came of them after all, they stay. */
export async function discard(ctx: Ctx, uploadId: string): Promise<void> {
  const [, job] = await ctx.db.batch([
    removeRows(ctx, uploadId),
    ctx.db.select({ id: imports.id }).from(imports).where(ofClinic(ctx, uploadId)),
  ])
  if (job.length === 0) await watcherOf(ctx, uploadId).forget()
}

export const removeRows = (ctx: Ctx, uploadId: string) =>
  ctx.db.delete(stagedRows).where(sql`job_id = ${uploadId} AND NOT ${exists(uploadId)}`)

export const exists = (jobId: string): SQL => sql`EXISTS (SELECT 1 FROM imports WHERE id = ${jobId})`

export const ofClinic = (ctx: Ctx, jobId: string) =>
  and(eq(imports.clinicId, ctx.clinic.id), eq(imports.id, jobId))

export const watcherOf = (ctx: Ctx, jobId: string) => ctx.env.BULK_JOB.getByName(jobId)
