import { DurableObject } from 'cloudflare:workers'
import { and, eq, lte, sql } from 'drizzle-orm'
import { type DrizzleD1Database, drizzle } from 'drizzle-orm/d1'
import { log, logFailure } from '../lib/log'
import { SECOND_MS } from '../lib/time'
import { MESSAGES_MAX, sendChunks } from './chunk-messages'
import { importChunks, importRows, imports } from './model'

/** Soon enough that a crash costs seconds, late enough that an ordinary import never needs it. */
const FIRST_WAKE_MS = 3 * SECOND_MS
const WAKE_MS_MAX = 30 * SECOND_MS

interface Watch {
  clinicId: string
  uploadUntil: number
  wakes: number
}

/**
 * Sees one import through, by its alarm: sends again what a lost message would have woken, and removes the
 * rows of an upload that never became a job. It is named by the job and knows nothing that D1 does not.
 */
export class BulkJob extends DurableObject<Env> {
  async watch(clinicId: string, uploadUntil: number): Promise<void> {
    await this.ctx.storage.put<Watch>('watch', { clinicId, uploadUntil, wakes: 0 })
    await this.ctx.storage.setAlarm(Date.now() + FIRST_WAKE_MS)
  }

  /** The upload was removed by who started it. */
  async forget(): Promise<void> {
    await this.ctx.storage.deleteAlarm()
    await this.ctx.storage.deleteAll()
  }

  /** Armed again before the work, so that a crash in the middle cannot end the watch. Never throws. */
  override async alarm(): Promise<void> {
    const watch = await this.ctx.storage.get<Watch>('watch')
    const jobId = this.ctx.id.name
    if (!watch || !jobId) return
    const wakes = watch.wakes + 1
    await this.ctx.storage.put<Watch>('watch', { ...watch, wakes })
    await this.ctx.storage.setAlarm(
      Date.now() + Math.min(FIRST_WAKE_MS * 2 ** Math.min(wakes, 10), WAKE_MS_MAX),
    )
    try {
      const isOver = await look(this.env, jobId, watch)
      if (isOver) await this.forget()
    } catch (error) {
      logFailure('bulk_job.alarm', error, { clinic: watch.clinicId, job: jobId, wakes })
    }
  }
}

/** Whether nothing is left to watch for. */
async function look(env: Env, jobId: string, { clinicId, uploadUntil }: Watch): Promise<boolean> {
  const db = drizzle(env.DB)
  const [job] = await db
    .select({ state: imports.state })
    .from(imports)
    .where(and(eq(imports.clinicId, clinicId), eq(imports.id, jobId)))
  if (!job) return Date.now() >= uploadUntil && (await removeUpload(db, jobId))
  if (job.state === 'completed' || job.state === 'failed') return true
  const chunks = await unfinished(db, jobId)
  if (chunks.length > 0) {
    await sendChunks(env, jobId, chunks)
    log('bulk_job.sent_again', { clinic: clinicId, job: jobId, chunks: chunks.length })
  }
  return false
}

/** One batch of messages per wake: the rest is next, and a queue that works has less to do by then. */
async function unfinished(db: DrizzleD1Database, jobId: string): Promise<number[]> {
  const rows = await db
    .select({ chunk: importChunks.chunk })
    .from(importChunks)
    .where(
      and(
        eq(importChunks.jobId, jobId),
        eq(importChunks.state, 'pending'),
        lte(importChunks.leaseUntil, Date.now()),
      ),
    )
    .orderBy(importChunks.chunk)
    .limit(MESSAGES_MAX)
  return rows.map(({ chunk }) => chunk)
}

/** Not where the upload became a job in this very moment: then the next wake looks after it. */
async function removeUpload(db: DrizzleD1Database, jobId: string): Promise<boolean> {
  const isNoJob = sql`NOT EXISTS (SELECT 1 FROM imports WHERE id = ${jobId})`
  const [, job] = await db.batch([
    db.delete(importRows).where(sql`job_id = ${jobId} AND ${isNoJob}`),
    db.select({ id: imports.id }).from(imports).where(eq(imports.id, jobId)),
  ])
  return job.length === 0
}
