import { and, eq, isNull, sql } from 'drizzle-orm'
import { mayUse } from '../access/permissions'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { newId } from '../lib/crypto'
import { brokeConstraint } from '../lib/db'
import { log } from '../lib/log'
import { withTimeout } from '../lib/outage'
import { MINUTE_MS } from '../lib/time'
import { type Fingerprint, once } from '../once'
import { Problem } from '../problem'
import { idempotencyKeys } from '../recorder/model'
import type { FileNotes } from './file/header'
import type { ArrivingFile } from './file/rows'
import type { Kind } from './kind'
import { importChunks, imports, type Mode } from './model'
import {
  badRows,
  discard,
  isJobOfClinic,
  jobExists,
  receiveUpload,
  removeRows,
  type Staged,
  stage,
} from './staging'
import { MESSAGES_MAX, sendChunks } from './work/chunk'

const IMPORT_KEY_TTL_MS = 5 * MINUTE_MS

export interface Upload {
  kind: Kind
  mode: Mode
  key: string
  file: ArrivingFile
  /** Equal for a retry of the same request, given the digest of its file. */
  fingerprint(sha256: string): Fingerprint
}

/** Every retry of the request gets the same values. */
export interface Accepted {
  jobId: string
  rows: number
  notes: FileNotes
}

/**
 * Stages the whole file first, under an id that is no job yet. Then one transaction claims the key and makes
 * the upload a job with chunks, unless an equal request has already done so. The BulkJob object watches from
 * the first row on: after a crash it removes rows without a job and sends the missing messages of a job.
 */
export async function startImport(ctx: Ctx, upload: Upload): Promise<Accepted> {
  const jobId = newId()
  return receiveUpload(ctx, jobId, async () => {
    const staged = await stage(ctx, upload.kind, jobId, upload.file, { keepsBad: upload.mode === 'partial' })
    if (staged.invalid === staged.rows)
      throw badRows(staged.faults, staged.faultCount, 'No row of the file can be imported')
    const uploadedCtx = contextAfterUpload(ctx, upload, staged.sha256, jobId)
    const owner = await accept(uploadedCtx, upload, jobId, staged)
    if (owner !== jobId) await discard(uploadedCtx, jobId)
    return { ...(await queueJob(uploadedCtx, owner, staged.chunks.length)), notes: staged.notes }
  })
}

/**
 * The request's context with the time after the upload. An upload can take minutes: a key whose lifetime
 * started before it could expire before it is stored.
 */
export function contextAfterUpload(
  ctx: Ctx,
  upload: Omit<Upload, 'mode'>,
  sha256: string,
  opId: string,
): Ctx {
  const acting = { ...ctx, now: Date.now() }
  const fingerprint = upload.fingerprint(sha256)
  return { ...acting, once: once(acting, { key: upload.key, fingerprint, ttlMs: IMPORT_KEY_TTL_MS, opId }) }
}

/** The id of the job that owns the key: this job, or the job of an equal request that came first. */
async function accept(
  ctx: Ctx,
  { kind, mode }: Upload,
  jobId: string,
  { rows, chunks }: Pick<Staged, 'rows' | 'chunks'>,
): Promise<string> {
  const { opId } = await ctx.once
    .transact((op) => [
      ctx.db.insert(imports).select(sql`
        SELECT ${jobId}, ${ctx.clinic.id}, ${newId()}, 'pending', ${ifAllStaged(jobId, rows)}, ${ctx.now},
          NULL, NULL, NULL, NULL, NULL, ${kind.name}, ${mode}, NULL, ${reachOf(ctx)}
        WHERE ${op} = ${jobId}`),
      audited(ctx, 'import.accepted', jobId),
      ctx.db.insert(importChunks).select(sql`
        SELECT ${jobId}, value->>0, ${ctx.clinic.id}, value->>1, value->>2, 'pending', NULL, 0, 0, 0,
          (SELECT count(*) FROM staged_rows r WHERE r.job_id = ${jobId}
            AND r.row BETWEEN value->>1 AND value->>2 AND r.status = 'failed'), ${kind.name}, 0, '[]', 0
        FROM json_each(${JSON.stringify(chunks)})
        WHERE ${jobExists(jobId)}`),
    ])
    .catch(refuseIncomplete)
  if (opId === jobId) log('import.accepted', { clinic: ctx.clinic.id, job: jobId, rows })
  return opId
}

export const reachOf = (ctx: Ctx): 'own' | 'any' => (mayUse(ctx, 'clinics:*') ? 'any' : 'own')

/** NULL, which the column refuses, if rows are missing: the object removed them as those of a dead upload. */
const ifAllStaged = (jobId: string, rows: number) =>
  sql`(SELECT CASE WHEN count(*) = ${rows} THEN ${rows} END FROM staged_rows WHERE job_id = ${jobId})`

function refuseIncomplete(error: unknown): never {
  throw brokeConstraint(error, 'imports.total_rows')
    ? new Problem('unavailable', 'The upload took too long; send the file again')
    : error
}

/**
 * A caller gets a job only after the queue has taken its first messages. Equal requests all come through
 * here: if one of them marks the job as queued first, the job stays; if one withdraws the job first, all of
 * them fail. Equal files have equal chunks.
 */
async function queueJob(ctx: Ctx, jobId: string, chunkCount: number): Promise<Omit<Accepted, 'notes'>> {
  const [job] = await ctx.db.select().from(imports).where(isJobOfClinic(ctx.clinic.id, jobId))
  if (!job) throw withdrawn()
  if (job.state !== 'pending' || job.queuedAt !== null) return { jobId: job.id, rows: job.totalRows }
  const chunks = [...Array(chunkCount).keys()]
  const isQueued = await sendInTime(ctx.env, jobId, chunks)
  const isKept = isQueued ? await markQueued(ctx, jobId) : !(await withdraw(ctx, jobId))
  if (!isKept) throw withdrawn()
  ctx.later(sendChunks(ctx.env, jobId, chunks.slice(MESSAGES_MAX)).catch(() => {}))
  return { jobId: job.id, rows: job.totalRows }
}

async function markQueued(ctx: Ctx, jobId: string): Promise<boolean> {
  const marked = await ctx.db
    .update(imports)
    .set({ queuedAt: ctx.now })
    .where(isJobOfClinic(ctx.clinic.id, jobId))
    .returning({ id: imports.id })
  return marked.length > 0
}

/** Whether the job and its key were deleted. A job that a late message has already started stays. */
async function withdraw(ctx: Ctx, jobId: string): Promise<boolean> {
  const [, , , , left] = await ctx.db.batch([
    ctx.db
      .delete(imports)
      .where(
        and(isJobOfClinic(ctx.clinic.id, jobId), eq(imports.state, 'pending'), isNull(imports.queuedAt)),
      ),
    audited(ctx, 'import.withdrawn', jobId),
    ctx.db.delete(idempotencyKeys).where(
      sql`clinic_id = ${ctx.clinic.id} AND key = ${ctx.once.key} AND op_id = ${jobId}
          AND NOT ${jobExists(jobId)}`,
    ),
    ctx.db.delete(importChunks).where(sql`job_id = ${jobId} AND NOT ${jobExists(jobId)}`),
    ctx.db.select({ id: imports.id }).from(imports).where(isJobOfClinic(ctx.clinic.id, jobId)),
    removeRows(ctx.db, jobId),
  ])
  log('import.queue_unreachable', { clinic: ctx.clinic.id, job: jobId, withdrawn: left.length === 0 })
  return left.length === 0
}

const withdrawn = () =>
  queueUnreachable('The import could not be queued and nothing was kept; send the file again')

/** A queue that takes longer counts as out of reach, so that the caller gets an answer within two seconds. */
const QUEUE_WAIT_MS = 1_200
const RETRY_AFTER_SECONDS = 5

/** Whether the queue took the first messages in time. A later success or failure is ignored. */
export async function sendInTime(env: Env, jobId: string, chunks: readonly number[]): Promise<boolean> {
  const sent = sendChunks(env, jobId, chunks.slice(0, MESSAGES_MAX))
  return withTimeout(sent, QUEUE_WAIT_MS).then(
    () => true,
    () => false,
  )
}

export const queueUnreachable = (sentence: string) =>
  new Problem('unavailable', sentence, { retryAfterSeconds: RETRY_AFTER_SECONDS })
