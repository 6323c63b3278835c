import { and, eq, isNull, type SQL, sql } from 'drizzle-orm'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { newId } from '../lib/id'
import { log, logFailure } from '../lib/log'
import { MINUTE_MS } from '../lib/time'
import { idempotencyKeys, once } from '../once'
import { Problem } from '../problem'
import { CHUNK_ROWS, MESSAGES_MAX, sendChunks } from './chunk-messages'
import type { Kind } from './kind'
import { FIRST_ROW, importChunks, imports, stagedRows } from './model'
import { stage } from './staging'

const IMPORT_KEY_TTL_MS = 5 * MINUTE_MS

/** After this an upload that never became a job is taken for dead, and its rows are removed. */
const UPLOAD_MS_MAX = 15 * MINUTE_MS

/**
 * How long the queue may take before it counts as out of reach. The caller hears of it within two seconds.
 */
const QUEUE_WAIT_MS = 1_200
const RETRY_AFTER_SECONDS = 5

export interface Upload {
  kind: Kind
  key: string
  file: AsyncIterable<Uint8Array>
  /** What makes a retry the same request, given the digest of its file. */
  fingerprint(sha256: string): string
}

/** The same for every retry: nothing in it changes. */
export interface Accepted {
  jobId: string
  rows: number
}

/**
 * The whole file is staged first, under an id that is no job yet. Then one transaction claims the key and
 * makes it a job with chunks, or finds that an equal request did so before. The object watches from the first
 * row on: what a crash leaves behind, rows without a job or a job without messages, is its to clear or to
 * finish.
 */
export async function startImport(ctx: Ctx, upload: Upload): Promise<Accepted> {
  const jobId = newId()
  await watcherOf(ctx, jobId).watch(ctx.clinic.id, ctx.now + UPLOAD_MS_MAX)
  try {
    const { sha256, rows } = await stage(ctx, upload.kind, jobId, upload.file)
    // An upload can take minutes. The request's instant is when it was complete, or its key would be born
    // expired.
    ctx.now = Date.now()
    const { key } = upload
    const fingerprint = upload.fingerprint(sha256)
    ctx.once = once(ctx, { key, fingerprint, ttlMs: IMPORT_KEY_TTL_MS, opId: jobId })
    const owner = await accept(ctx, upload.kind, jobId, rows)
    if (owner !== jobId) await discard(ctx, jobId)
    return await announce(ctx, owner)
  } catch (error) {
    await discard(ctx, jobId).catch((failure) => logFailure('import.discard', failure, { job: jobId }))
    throw error
  }
}

/** The id of the job that owns the key: this one, or that of an equal request which came first. */
async function accept(ctx: Ctx, kind: Kind, jobId: string, rows: number): Promise<string> {
  const { opId } = await ctx.once
    .transact((op) => [
      ctx.db.insert(imports).select(sql`
        SELECT ${jobId}, ${ctx.clinic.id}, ${newId()}, 'pending', ${ifAllStaged(jobId, rows)}, ${ctx.now},
          NULL, NULL, NULL, NULL, NULL, ${kind.name}, 'strict', NULL
        WHERE ${op} = ${jobId}`),
      audited(ctx, 'import.accepted', jobId),
      ctx.db.insert(importChunks).select(sql`
        SELECT ${jobId}, value->>0, ${ctx.clinic.id}, value->>1, value->>2, 'pending', NULL, 0, 0, 0, 0,
          ${kind.name}, 0
        FROM json_each(${JSON.stringify(chunksOf(rows))})
        WHERE ${exists(jobId)}`),
    ])
    .catch(refuseIncomplete)
  if (opId === jobId) log('import.accepted', { clinic: ctx.clinic.id, job: jobId, rows })
  return opId
}

/** NULL, which the column refuses, where rows are missing: then the object took the upload for dead. */
const ifAllStaged = (jobId: string, rows: number) =>
  sql`(SELECT CASE WHEN count(*) = ${rows} THEN ${rows} END FROM staged_rows WHERE job_id = ${jobId})`

function refuseIncomplete(error: unknown): never {
  const cause = error instanceof Error ? (error.cause ?? error) : error
  const isIncomplete =
    cause instanceof Error && cause.message.includes('constraint failed: imports.total_rows')
  throw isIncomplete ? new Problem('unavailable', 'The upload took too long; send the file again') : error
}

/** `[chunk, first row, last row]`. */
function chunksOf(rows: number): [number, number, number][] {
  const lastRow = FIRST_ROW + rows - 1
  return Array.from({ length: Math.ceil(rows / CHUNK_ROWS) }, (_, chunk) => {
    const firstRow = FIRST_ROW + chunk * CHUNK_ROWS
    return [chunk, firstRow, Math.min(firstRow + CHUNK_ROWS - 1, lastRow)]
  })
}

/**
 * A job is only ever promised once the queue has taken its first messages. Equal requests all come through
 * here: whoever marks the job as queued first decides that it stays, whoever withdraws it first that all of
 * them fail.
 */
async function announce(ctx: Ctx, jobId: string): Promise<Accepted> {
  const [job] = await ctx.db.select().from(imports).where(ofClinic(ctx, jobId))
  if (!job) throw queueUnreachable()
  if (job.state !== 'pending' || job.queuedAt !== null) return { jobId: job.id, rows: job.totalRows }
  const chunks = chunksOf(job.totalRows).map(([chunk]) => chunk)
  const isQueued = await within(QUEUE_WAIT_MS, sendChunks(ctx.env, jobId, chunks.slice(0, MESSAGES_MAX)))
  const stays = isQueued ? await markQueued(ctx, jobId) : !(await withdraw(ctx, jobId))
  if (!stays) throw queueUnreachable()
  ctx.later(sendChunks(ctx.env, jobId, chunks.slice(MESSAGES_MAX)).catch(() => {}))
  return { jobId: job.id, rows: job.totalRows }
}

async function markQueued(ctx: Ctx, jobId: string): Promise<boolean> {
  const marked = await ctx.db
    .update(imports)
    .set({ queuedAt: ctx.now })
    .where(ofClinic(ctx, jobId))
    .returning({ id: imports.id })
  return marked.length > 0
}

/** Whether the job is gone, and its key with it. It stays where a message came through after all. */
async function withdraw(ctx: Ctx, jobId: string): Promise<boolean> {
  const [, , , , left] = await ctx.db.batch([
    ctx.db
      .delete(imports)
      .where(and(ofClinic(ctx, jobId), eq(imports.state, 'pending'), isNull(imports.queuedAt))),
    audited(ctx, 'import.withdrawn', jobId),
    ctx.db.delete(idempotencyKeys).where(
      sql`clinic_id = ${ctx.clinic.id} AND key = ${ctx.once.key} AND op_id = ${jobId}
          AND NOT ${exists(jobId)}`,
    ),
    ctx.db.delete(importChunks).where(sql`job_id = ${jobId} AND NOT ${exists(jobId)}`),
    ctx.db.select({ id: imports.id }).from(imports).where(ofClinic(ctx, jobId)),
    removeRows(ctx, jobId),
  ])
  log('import.queue_unreachable', { clinic: ctx.clinic.id, job: jobId, withdrawn: left.length === 0 })
  return left.length === 0
}

/** Removes rows that no job owns; where a job came of them after all, they stay. */
async function discard(ctx: Ctx, jobId: string): Promise<void> {
  const [, job] = await ctx.db.batch([
    removeRows(ctx, jobId),
    ctx.db.select({ id: imports.id }).from(imports).where(ofClinic(ctx, jobId)),
  ])
  if (job.length === 0) await watcherOf(ctx, jobId).forget()
}

const removeRows = (ctx: Ctx, jobId: string) =>
  ctx.db.delete(stagedRows).where(sql`job_id = ${jobId} AND NOT ${exists(jobId)}`)

const exists = (jobId: string): SQL => sql`EXISTS (SELECT 1 FROM imports WHERE id = ${jobId})`

const ofClinic = (ctx: Ctx, jobId: string) => and(eq(imports.clinicId, ctx.clinic.id), eq(imports.id, jobId))

const watcherOf = (ctx: Ctx, jobId: string) => ctx.env.BULK_JOB.getByName(jobId)

/** Whether `work` succeeds in time. What it does later is nobody's concern any more. */
async function within(waitMs: number, work: Promise<void>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), waitMs)
  })
  const done = work.then(
    () => true,
    () => false,
  )
  return Promise.race([done, late]).finally(() => clearTimeout(timer))
}

const queueUnreachable = () =>
  new Problem('unavailable', 'The import could not be queued and nothing was kept; send the file again', {
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  })
