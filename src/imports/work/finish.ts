import { type SQL, sql } from 'drizzle-orm'
import { log } from '../../lib/log'
import { SECOND_MS } from '../../lib/time'
import { type Delay, throughGate } from '../../upstream/gate'
import { importChunks, imports } from '../model'
import { type ClaimedChunk, fenced, sumsOf } from './chunk'

const ACTIVATION_TRIES_MAX = 3
const ACTIVATION_RETRY_MS = 5 * SECOND_MS

/**
 * Ends a chunk whose rows are all settled. The last chunk of a job without failures first activates the batch
 * in the upstream, so that after a crash the chunk is claimed again. Returns when to retry a failed
 * activation, and the attempts so far.
 */
export async function finishChunk(claimed: ClaimedChunk): Promise<Postponed | null> {
  if (await endChunk(claimed, sql`(${othersAreOpen(claimed)} OR ${someFailed(claimed)})`)) return null
  const activation = await activateUpstream(claimed)
  if (activation.is === 'later') return activation
  await endChunk(claimed, sql`true`, activation.is === 'active')
  return null
}

const othersAreOpen = ({ chunk: { jobId, chunk } }: ClaimedChunk) =>
  sql`EXISTS (SELECT 1 FROM import_chunks o WHERE o.job_id = ${jobId} AND o.chunk <> ${chunk}
    AND o.state = 'pending')`

const someFailed = ({ chunk: { jobId } }: ClaimedChunk) =>
  sql`EXISTS (SELECT 1 FROM staged_rows f WHERE f.job_id = ${jobId} AND f.status = 'failed')`

/** Whether the chunk is done now. One statement checks and writes, so exactly one chunk is the last. */
async function endChunk(
  { db, chunk, isLeased, completeJob }: ClaimedChunk,
  mayEnd: SQL,
  isActive = true,
): Promise<boolean> {
  const { jobId, lease } = chunk
  const now = Date.now()
  const [ended] = await db.batch([
    db
      .update(importChunks)
      .set({ state: 'done', ...sumsOf(chunk) })
      .where(sql`${fenced(chunk, isLeased)} AND ${mayEnd}`)
      .returning({ chunk: importChunks.chunk }),
    completeJob(now),
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

interface Postponed {
  delay: Delay
  attempts: number
}

type Activation = { is: 'active' } | { is: 'inactive' } | ({ is: 'later' } & Postponed)

/** A batch that the upstream does not activate stays inactive here until a client activates it. */
async function activateUpstream({ db, env, upstream, chunk, isLeased }: ClaimedChunk): Promise<Activation> {
  const [job] = await db
    .select({ batchId: imports.batchId, state: imports.state })
    .from(imports)
    .where(sql`id = ${chunk.jobId} AND ${isLeased}`)
  if (!job) return { is: 'inactive' }
  // The import was cancelled: if a client resumes it, this chunk activates the batch then.
  if (job.state !== 'processing')
    return { is: 'later', delay: { until: Date.now(), isClosed: false }, attempts: chunk.attempts - 1 }
  const passed = await throughGate(env, upstream.gate, async (untilTurn) => {
    await untilTurn()
    return upstream.activate(job.batchId)
  })
  if ('delay' in passed) return { is: 'later', delay: passed.delay, attempts: chunk.attempts - 1 }
  if (passed.reply?.is === 'done') return { is: 'active' }
  if (passed.reply?.is === 'refused' || chunk.attempts >= ACTIVATION_TRIES_MAX) return { is: 'inactive' }
  const delay = { until: Date.now() + ACTIVATION_RETRY_MS, isClosed: false }
  return { is: 'later', delay, attempts: chunk.attempts }
}
