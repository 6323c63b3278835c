import { and, eq, lte, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import * as v from 'valibot'
import { newId } from '../../lib/crypto'
import type { Db } from '../../lib/db'
import { log, logFailure } from '../../lib/log'
import { isOutage } from '../../lib/outage'
import { SECOND_MS } from '../../lib/time'
import type { Kind } from '../kind'
import { importChunks, imports, type KindName, stagedRows } from '../model'
import { recounted, takeBack } from './attempts'
import { type Chunk, ChunkMessage, leased } from './chunk'
import { workRowByRow } from './row-by-row'

/** Longer than any chunk takes. Work after the lease writes nothing, so this only limits a crash's delay. */
const LEASE_MS = 10 * SECOND_MS

/** After this many failed attempts the chunk fails the job. */
export const CHUNK_ATTEMPTS_MAX = 5

const RETRY_SECONDS = 5

/** All kinds by their names. */
type Kinds = Record<KindName, Kind>

/** The queue's consumer. It never throws: a throw would deliver finished messages again. */
export const consumerOf =
  (kinds: Kinds) =>
  async (batch: MessageBatch<unknown>, env: Env): Promise<void> => {
    const db = drizzle(env.DB)
    for (const message of batch.messages) {
      const parsed = v.safeParse(ChunkMessage, message.body)
      if (!parsed.success || (await importChunk(db, env, kinds, parsed.output))) message.ack()
      else message.retry({ delaySeconds: RETRY_SECONDS })
    }
  }

/** False asks for a retry. A message that arrives twice, late or after its job is gone does no harm. */
async function importChunk(db: Db, env: Env, kinds: Kinds, message: ChunkMessage): Promise<boolean> {
  const facts = { job: message.job_id, chunk: message.chunk }
  const lease = newId()
  let chunk: Chunk | undefined
  try {
    chunk = await claim(db, message, lease, Date.now())
    if (!chunk) return true
    chunk = await recounted(db, env, chunk)
    if (chunk.attempts > CHUNK_ATTEMPTS_MAX) await giveUp(db, chunk, Date.now())
    else await work(db, env, kinds[chunk.kind], chunk)
    return true
  } catch (error) {
    const isCounted = !isOutage(error)
    logFailure('import.chunk', error, { ...facts, attempts: chunk?.attempts, counted: isCounted })
    if (isCounted) return await afterFailure(db, chunk)
    await takeBack(db, env, { jobId: message.job_id, chunk: message.chunk, lease })
    return false
  }
}

/** One statement decides which consumer gets the chunk. The second starts the job with its first chunk. */
async function claim(
  db: Db,
  { job_id, chunk }: ChunkMessage,
  lease: string,
  now: number,
): Promise<Chunk | undefined> {
  const [[claimed]] = await db.batch([
    db
      .update(importChunks)
      .set({
        lease,
        leaseUntil: now + LEASE_MS,
        attempts: sql`attempts + 1`,
        claims: sql`json_insert(claims, '$[#]', ${lease})`,
      })
      .where(
        and(
          eq(importChunks.jobId, job_id),
          eq(importChunks.chunk, chunk),
          eq(importChunks.state, 'pending'),
          lte(importChunks.leaseUntil, now),
          lte(importChunks.notBefore, now),
          sql`EXISTS (SELECT 1 FROM imports WHERE id = ${job_id} AND state IN ('pending', 'processing'))`,
        ),
      )
      .returning(),
    db
      .update(imports)
      .set({ state: 'processing', startedAt: now })
      .where(
        sql`id = ${job_id} AND state = 'pending' AND EXISTS
          (SELECT 1 FROM import_chunks WHERE job_id = ${job_id} AND chunk = ${chunk} AND lease = ${lease})`,
      ),
  ])
  return claimed
}

/** All rows at once if the records are made here, one by one if an upstream makes them. */
async function work(db: Db, env: Env, kind: Kind, chunk: Chunk): Promise<void> {
  const upstream = kind.upstream?.(env)
  if (!upstream) return workAtOnce(db, kind, chunk, Date.now())
  const [isLeased, complete] = [leased(chunk, 'pending'), (now: number) => completeJob(db, chunk, now)]
  return workRowByRow({ db, env, kind, upstream, chunk, isLeased, completeJob: complete })
}

/**
 * One transaction: the records, the status of each row, the chunk's counts, and the job's end if this was the
 * last chunk. Each statement checks the lease, so a consumer that lost it changes nothing.
 */
async function workAtOnce(db: Db, kind: Kind, chunk: Chunk, now: number): Promise<void> {
  const { jobId, clinicId } = chunk
  const isLeased = leased(chunk, 'pending')
  const rows = sql`r.job_id = ${jobId} AND r.row BETWEEN ${chunk.firstRow} AND ${chunk.lastRow}`
  const count = (status: 'created' | 'duplicate' | 'failed') =>
    sql`(SELECT count(*) FROM staged_rows r WHERE ${rows} AND r.status = ${status})`
  const open = sql`${rows} AND r.status IS NULL`
  await kind.prepare?.(db, { clinicId, rows: open })
  const committed = kind.commit(db, { jobId, clinicId, now, rows: open, isLeased })
  const { statement, isCreated, isDuplicate = sql`false`, reason } = committed
  const [, , ended] = await db.batch([
    statement,
    db
      .update(stagedRows)
      .set({
        status: sql`CASE WHEN ${isCreated} THEN 'created' WHEN ${isDuplicate} THEN 'duplicate'
          ELSE 'failed' END`,
        reason: sql`CASE WHEN ${isCreated} THEN NULL ELSE ${reason} END`,
      })
      .where(
        sql`job_id = ${jobId} AND row BETWEEN ${chunk.firstRow} AND ${chunk.lastRow} AND status IS NULL
          AND ${isLeased}`,
      ),
    db
      .update(importChunks)
      .set({
        state: 'done',
        created: count('created'),
        duplicate: count('duplicate'),
        failed: count('failed'),
      })
      .where(sql`job_id = ${jobId} AND chunk = ${chunk.chunk} AND ${isLeased}`)
      .returning({ chunk: importChunks.chunk }),
    completeJob(db, chunk, now),
  ])
  if (ended.length === 0) return
  log('import.chunk_done', { clinic: clinicId, job: jobId, chunk: chunk.chunk, attempts: chunk.attempts })
}

/** The last chunk completes the job; if no row failed, this activates the batch too. */
const completeJob = (db: Db, chunk: Chunk, now: number) =>
  db
    .update(imports)
    .set({
      state: 'completed',
      completedAt: now,
      activatedAt: sql`CASE WHEN EXISTS
        (SELECT 1 FROM import_chunks WHERE job_id = ${chunk.jobId} AND failed > 0)
        THEN activated_at ELSE coalesce(activated_at, ${now}) END`,
    })
    .where(
      sql`id = ${chunk.jobId} AND clinic_id = ${chunk.clinicId} AND state = 'processing'
        AND ${leased(chunk, 'done')} AND NOT EXISTS
          (SELECT 1 FROM import_chunks WHERE job_id = ${chunk.jobId} AND state = 'pending')`,
    )

/** Releases the chunk for the next message, or fails the job after the last attempt. */
async function afterFailure(db: Db, chunk: Chunk | undefined): Promise<boolean> {
  if (!chunk) return false
  try {
    if (chunk.attempts >= CHUNK_ATTEMPTS_MAX) {
      await giveUp(db, chunk, Date.now())
      return true
    }
    await db
      .update(importChunks)
      .set({ leaseUntil: 0 })
      .where(sql`job_id = ${chunk.jobId} AND chunk = ${chunk.chunk} AND ${leased(chunk, 'pending')}`)
  } catch (error) {
    logFailure('import.release', error, { job: chunk.jobId, chunk: chunk.chunk })
  }
  return false
}

/** Fails the job and releases the lease, so that a resumed import need not wait for the lease to expire. */
async function giveUp(db: Db, chunk: Chunk, now: number): Promise<void> {
  await db.batch([
    db
      .update(importChunks)
      .set({ leaseUntil: 0 })
      .where(sql`job_id = ${chunk.jobId} AND chunk = ${chunk.chunk} AND ${leased(chunk, 'pending')}`),
    db
      .update(imports)
      .set({ state: 'failed', error: 'chunk_failed', completedAt: now })
      .where(
        sql`id = ${chunk.jobId} AND clinic_id = ${chunk.clinicId} AND state = 'processing'
          AND ${leased(chunk, 'pending')}`,
      ),
  ])
  log('import.failed', { clinic: chunk.clinicId, job: chunk.jobId, chunk: chunk.chunk })
}
