import { type SQL, sql } from 'drizzle-orm'
import { log } from '../lib/log'
import { SECOND_MS } from '../lib/time'
import { type Halt, throughGate } from '../upstream/through-gate'
import { importChunks, imports } from './model'
import { fenced, type Slice, sumsOf } from './slice'

const ACTIVATION_TRIES_MAX = 3
const ACTIVATION_RETRY_MS = 5 * SECOND_MS

/**
 * Every row of the chunk is settled. The last chunk of a job without failures activates the batch there
 * before it is done, so that a crash leaves it to be claimed again. Otherwise: when to come back for that,
 * and how often it was tried.
 */
export async function finish(slice: Slice): Promise<Later | null> {
  if (await endChunk(slice, sql`(${othersAreOpen(slice)} OR ${someFailed(slice)})`)) return null
  const activation = await activate(slice)
  if (activation.is === 'later') return activation
  await endChunk(slice, sql`true`, activation.is === 'active')
  return null
}

const othersAreOpen = ({ chunk: { jobId, chunk } }: Slice) =>
  sql`EXISTS (SELECT 1 FROM import_chunks o WHERE o.job_id = ${jobId} AND o.chunk <> ${chunk}
    AND o.state = 'pending')`

const someFailed = ({ chunk: { jobId } }: Slice) =>
  sql`EXISTS (SELECT 1 FROM staged_rows f WHERE f.job_id = ${jobId} AND f.status = 'failed')`

/**
 * Whether the chunk is done now. One statement looks and writes, so of two chunks one knows it is the last.
 */
async function endChunk(
  { db, chunk, held, complete }: Slice,
  mayEnd: SQL,
  isActive = true,
): Promise<boolean> {
  const { jobId, lease } = chunk
  const now = Date.now()
  const [ended] = await db.batch([
    db
      .update(importChunks)
      .set({ state: 'done', ...sumsOf(chunk) })
      .where(sql`${fenced(chunk, held)} AND ${mayEnd}`)
      .returning({ chunk: importChunks.chunk }),
    complete(now),
    db
      .update(imports)
      .set({ activatedAt: null })
      .where(sql`${!isActive} AND id = ${jobId} AND state = 'completed' AND activated_at = ${now} AND EXISTS
        (SELECT 1 FROM import_chunks c WHERE c.job_id = ${jobId} AND c.chunk = ${chunk.chunk}
          AND c.lease = ${lease} AND c.state = 'done')`),
  ])
  if (ended.length > 0) log('import.chunk_done', { clinic: chunk.clinicId, job: jobId, chunk: chunk.chunk })
  return ended.length > 0
}

interface Later {
  halt: Halt
  attempts: number
}

type Activation = { is: 'active' } | { is: 'inactive' } | ({ is: 'later' } & Later)

/** What cannot be activated there stays inactive here, until somebody asks for it. */
async function activate({ db, env, upstream, chunk, held }: Slice): Promise<Activation> {
  const [job] = await db
    .select({ batchId: imports.batchId, state: imports.state })
    .from(imports)
    .where(sql`id = ${chunk.jobId} AND ${held}`)
  if (!job) return { is: 'inactive' }
  // Whoever resumes a cancelled import activates its batch.
  if (job.state !== 'processing')
    return { is: 'later', halt: { until: Date.now(), isClosed: false }, attempts: chunk.attempts - 1 }
  const passed = await throughGate(env, upstream.gate, async (turn) => {
    await turn()
    return upstream.activate(job.batchId)
  })
  if ('halt' in passed) return { is: 'later', halt: passed.halt, attempts: chunk.attempts - 1 }
  if (passed.reply?.is === 'done') return { is: 'active' }
  if (passed.reply?.is === 'refused' || chunk.attempts >= ACTIVATION_TRIES_MAX) return { is: 'inactive' }
  const halt = { until: Date.now() + ACTIVATION_RETRY_MS, isClosed: false }
  return { is: 'later', halt, attempts: chunk.attempts }
}
