import { type SQL, sql } from 'drizzle-orm'
import * as v from 'valibot'
import type { Db, Statement } from '../../lib/db'
import { log } from '../../lib/log'
import { SECOND_MS } from '../../lib/time'
import type { Delay } from '../../upstream/gate'
import type { Kind, Upstream } from '../kind'
import { importChunks, imports, UNTRIED } from '../model'

export type Chunk = typeof importChunks.$inferSelect

/** Whether the chunk still has its lease. After a cancel a leased chunk may finish; `claim` starts none. */
export const leased = ({ jobId, chunk, lease }: Chunk, state: Chunk['state']): SQL =>
  sql`EXISTS (SELECT 1 FROM import_chunks c JOIN imports j ON j.id = c.job_id
    WHERE c.job_id = ${jobId} AND c.chunk = ${chunk} AND c.lease = ${lease}
      AND j.state IN ('processing', 'cancelled') AND c.state = ${state})`

/** A claimed chunk of an import whose records an upstream makes. */
export interface ClaimedChunk {
  db: Db
  env: Env
  kind: Kind
  upstream: Upstream
  chunk: Chunk
  /** True while the consumer holds the lease and the chunk is not done. */
  isLeased: SQL
  /** Completes the job if this chunk was its last pending one. */
  completeJob(now: number): Statement
}

export const fenced = ({ jobId, chunk }: Chunk, isLeased: SQL): SQL =>
  sql`job_id = ${jobId} AND chunk = ${chunk} AND ${isLeased}`

/** Counts over the chunk's rows. */
export function sumsOf({ jobId, firstRow, lastRow }: Chunk): { created: SQL; failed: SQL } {
  const count = (status: 'created' | 'failed') => sql`(SELECT count(*) FROM staged_rows r
    WHERE r.job_id = ${jobId} AND r.row BETWEEN ${firstRow} AND ${lastRow} AND r.status = ${status})`
  return { created: count('created'), failed: count('failed') }
}

/** Rows per chunk: one statement imports them, and the largest default file needs one batch of messages. */
const CHUNK_ROWS = 1_000

/** What the rows of a chunk may take, or one row more: one transaction writes them, within a lease. */
const CHUNK_BYTES = 4 * 1024 * 1024

/** `[chunk, first row, last row]`; between its rows there may be empty ones, which are not stored. */
export type ChunkRange = [number, number, number]

/** Cuts the rows of a file into chunks, as the rows arrive. */
export function openChunks() {
  const ranges: ChunkRange[] = []
  let [rows, bytes] = [0, 0]
  const add = (row: number, rowBytes: number) => {
    if (ranges.length === 0 || rows === CHUNK_ROWS || bytes >= CHUNK_BYTES) {
      ranges.push([ranges.length, row, row])
      ;[rows, bytes] = [0, 0]
    }
    ranges.at(-1)?.splice(2, 1, row)
    rows += 1
    bytes += rowBytes
  }
  return { add, ranges }
}

/** The most messages that sendBatch takes. */
export const MESSAGES_MAX = 100

/** Wakes a consumer. It is only a hint: import_chunks says what is to be done. */
export const ChunkMessage = v.object({ job_id: v.string(), chunk: v.number() })
export type ChunkMessage = v.InferOutput<typeof ChunkMessage>

/** Sends at most MESSAGES_MAX at a time, the first batch first. */
export async function sendChunks(
  env: Env,
  jobId: string,
  chunks: readonly number[],
  delaySeconds = 0,
): Promise<void> {
  for (let from = 0; from < chunks.length; from += MESSAGES_MAX) {
    const some = chunks.slice(from, from + MESSAGES_MAX)
    await env.IMPORT_CHUNKS.sendBatch(
      some.map((chunk) => ({ body: { job_id: jobId, chunk } })),
      { delaySeconds },
    )
  }
}

/**
 * Releases the chunk until `until`. A delayed message wakes it then; if the upstream is closed to all calls,
 * or the message is lost, the job's alarm does. Work that ended without an error is not a failed attempt.
 */
export async function postponeChunk(
  { db, env, chunk, isLeased }: ClaimedChunk,
  { until, isClosed }: Delay,
  attempts = 0,
): Promise<void> {
  const now = Date.now()
  const { jobId } = chunk
  await db.batch([
    db.update(imports).set({ pausedUntil: until }).where(sql`${isClosed} AND id = ${jobId} AND ${isLeased}`),
    db
      .update(importChunks)
      .set({ leaseUntil: 0, notBefore: until, ...UNTRIED, attempts })
      .where(fenced(chunk, isLeased)),
  ])
  log('import.chunk_rests', { job: jobId, chunk: chunk.chunk, seconds: (until - now) / SECOND_MS })
  if (isClosed) return
  const delaySeconds = Math.max(0, Math.ceil((until - now) / SECOND_MS))
  await sendChunks(env, jobId, [chunk.chunk], delaySeconds).catch(() => {})
}
