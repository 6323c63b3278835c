import { and, eq, isNull, sql } from 'drizzle-orm'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { newId } from '../lib/crypto'
import { brokeConstraint } from '../lib/db'
import { log } from '../lib/log'
import { inTime } from '../lib/outage'
import { MINUTE_MS } from '../lib/time'
import { idempotencyKeys, once } from '../once'
import { Problem } from '../problem'
import type { Kind } from './kind'
import { FIRST_ROW, importChunks, imports, type Mode } from './model'
import { badRows, discard, exists, ofClinic, receiving, removeRows, stage } from './staging'
import { CHUNK_ROWS, MESSAGES_MAX, sendChunks } from './work/chunk'

const IMPORT_KEY_TTL_MS = 5 * MINUTE_MS

export interface Upload {
  kind: Kind
  mode: Mode
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
  return receiving(ctx, jobId, async () => {
    const { sha256, rows, invalid, faults, faultCount } = await stage(ctx, upload.kind, jobId, upload.file, {
      keepsBad: upload.mode === 'partial',
    })
    if (invalid === rows) throw badRows(faults, faultCount)
    const arrived = onceUploaded(ctx, upload, sha256, jobId)
    const owner = await accept(arrived, upload, jobId, rows)
    if (owner !== jobId) await discard(arrived, jobId)
    return await announce(arrived, owner)
  })
}

/**
 * The request as of now. An upload can take minutes; a key that counted from its beginning could be born
 * expired.
 */
export function onceUploaded(ctx: Ctx, upload: Omit<Upload, 'mode'>, sha256: string, opId: string): Ctx {
  const acting = { ...ctx, now: Date.now() }
  const fingerprint = upload.fingerprint(sha256)
  return { ...acting, once: once(acting, { key: upload.key, fingerprint, ttlMs: IMPORT_KEY_TTL_MS, opId }) }
}

/** The id of the job that owns the key: this one, or that of an equal request which came first. */
async function accept(ctx: Ctx, { kind, mode }: Upload, jobId: string, rows: number): Promise<string> {
  const { opId } = await ctx.once
    .transact((op) => [
      ctx.db.insert(imports).select(sql`
        SELECT ${jobId}, ${ctx.clinic.id}, ${newId()}, 'pending', ${ifAllStaged(jobId, rows)}, ${ctx.now},
          NULL, NULL, NULL, NULL, NULL, ${kind.name}, ${mode}, NULL
        WHERE ${op} = ${jobId}`),
      audited(ctx, 'import.accepted', jobId),
      ctx.db.insert(importChunks).select(sql`
        SELECT ${jobId}, value->>0, ${ctx.clinic.id}, value->>1, value->>2, 'pending', NULL, 0, 0, 0,
          (SELECT count(*) FROM staged_rows r WHERE r.job_id = ${jobId}
            AND r.row BETWEEN value->>1 AND value->>2 AND r.status = 'failed'), ${kind.name}, 0
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
  throw brokeConstraint(error, 'imports.total_rows')
    ? new Problem('unavailable', 'The upload took too long; send the file again')
    : error
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
  if (!job) throw withdrawn()
  if (job.state !== 'pending' || job.queuedAt !== null) return { jobId: job.id, rows: job.totalRows }
  const chunks = chunksOf(job.totalRows).map(([chunk]) => chunk)
  const isQueued = await sendInTime(ctx.env, jobId, chunks)
  const stays = isQueued ? await markQueued(ctx, jobId) : !(await withdraw(ctx, jobId))
  if (!stays) throw withdrawn()
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
    removeRows(ctx.db, jobId),
  ])
  log('import.queue_unreachable', { clinic: ctx.clinic.id, job: jobId, withdrawn: left.length === 0 })
  return left.length === 0
}

const withdrawn = () =>
  queueUnreachable('The import could not be queued and nothing was kept; send the file again')

/**
 * How long the queue may take before it counts as out of reach. The caller hears of it within two seconds.
 */
const QUEUE_WAIT_MS = 1_200
const RETRY_AFTER_SECONDS = 5

/** Whether the queue took the first messages in time. What it does later is nobody's concern any more. */
export async function sendInTime(env: Env, jobId: string, chunks: readonly number[]): Promise<boolean> {
  const sent = sendChunks(env, jobId, chunks.slice(0, MESSAGES_MAX))
  return inTime(sent, QUEUE_WAIT_MS).then(
    () => true,
    () => false,
  )
}

export const queueUnreachable = (sentence: string) =>
  new Problem('unavailable', sentence, { retryAfterSeconds: RETRY_AFTER_SECONDS })
