import { DurableObject } from 'cloudflare:workers'
import { and, eq, gt, lte, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import type { Db } from '../../lib/db'
import { log, logFailure } from '../../lib/log'
import { SECOND_MS } from '../../lib/time'
import { importChunks, imports } from '../model'
import { isJobOfClinic, removeUpload } from '../staging'
import { MESSAGES_MAX, sendChunks } from './chunk'

/** Short enough that a crash delays a job by seconds, long enough that an ordinary import needs no alarm. */
const FIRST_WAKE_MS = 3 * SECOND_MS
const WAKE_MS_MAX = 30 * SECOND_MS

/** Claims that are remembered: the newest. A message is delivered four times at most before it is lost. */
const OUTAGES_MAX = 2_000

interface Watch {
  clinicId: string
  uploadUntil: number
  /** Until then a finished job may still be reopened. */
  reopeningUntil: number
  /** Alarms since the last progress: the alarms get rarer only while nothing happens. */
  wakes: number
  /** Rows that were done at the last check. */
  settled?: number
}

/**
 * Watches one import. Its alarm sends messages again for chunks whose message was lost, and removes the rows
 * of an upload that never became a job. The job's id is its name; it stores no fact
 * that D1 does not have, but for the claims that an outage of D1 ended.
 */
export class BulkJob extends DurableObject<Env> {
  async watch(clinicId: string, uploadUntil: number, reopeningUntil = 0): Promise<void> {
    await this.ctx.storage.put<Watch>('watch', { clinicId, uploadUntil, reopeningUntil, wakes: 0 })
    await this.ctx.storage.setAlarm(Date.now() + FIRST_WAKE_MS)
  }

  /** Ends the watch: the request that started the upload has removed it. */
  async forget(): Promise<void> {
    await this.ctx.storage.deleteAlarm()
    await this.ctx.storage.deleteAll()
  }

  /** Keeps the lease of a claim that an outage ended, while D1 cannot be told. */
  async rememberOutage(lease: string): Promise<void> {
    if (await this.ctx.storage.get<Watch>('watch'))
      await this.ctx.storage.put('outages', [...(await this.outages()), lease].slice(-OUTAGES_MAX))
  }

  async outages(): Promise<string[]> {
    return (await this.ctx.storage.get<string[]>('outages')) ?? []
  }

  /** Sets the next alarm before the work, so that a crash cannot end the watch. Never throws. */
  override async alarm(): Promise<void> {
    const watch = await this.ctx.storage.get<Watch>('watch')
    const jobId = this.ctx.id.name
    if (!watch || !jobId) return
    const wakes = watch.wakes + 1
    const nextWake = Date.now() + Math.min(FIRST_WAKE_MS * 2 ** Math.min(wakes, 10), WAKE_MS_MAX)
    await this.ctx.storage.put<Watch>('watch', { ...watch, wakes })
    await this.ctx.storage.setAlarm(nextWake)
    try {
      const { isOver, hasProgress, settled, freeAt } = await checkJob(this.env, jobId, watch)
      // A caller of `watch` during this check saw a later state than the check did.
      const isWatchRenewed = (await this.ctx.storage.get<Watch>('watch'))?.wakes !== wakes
      if (isWatchRenewed) return
      if (isOver) return await this.forget()
      await this.ctx.storage.put<Watch>('watch', { ...watch, wakes: hasProgress ? 0 : wakes, settled })
      const soon = hasProgress ? Date.now() + FIRST_WAKE_MS : nextWake
      // The consumer that holds a lease may be dead, and the message of a postponed chunk may be lost.
      await this.ctx.storage.setAlarm(Math.min(soon, freeAt ?? soon))
    } catch (error) {
      logFailure('bulk_job.alarm', error, { clinic: watch.clinicId, job: jobId, wakes })
    }
  }
}

/** `freeAt`: when the first leased or postponed chunk can be claimed again; null if there is none. */
interface JobCheck {
  isOver: boolean
  hasProgress: boolean
  settled: number
  freeAt: number | null
}

async function checkJob(env: Env, jobId: string, watch: Watch): Promise<JobCheck> {
  const { clinicId, uploadUntil, reopeningUntil } = watch
  const db = drizzle(env.DB)
  const [job] = await db.select({ state: imports.state }).from(imports).where(isJobOfClinic(clinicId, jobId))
  if (!job) return notRunning(Date.now() >= uploadUntil && (await removeUpload(db, clinicId, jobId)))
  if (job.state !== 'pending' && job.state !== 'processing') return notRunning(Date.now() >= reopeningUntil)
  const { chunks, settled, freeAt } = await pendingChunks(db, clinicId, jobId, Date.now())
  // While the job has progress, messages arrive; lost ones are sent again after the progress stops.
  const hasProgress = settled > (watch.settled ?? settled)
  if (chunks.length > 0 && !hasProgress) {
    await sendChunks(env, jobId, chunks)
    log('bulk_job.sent_again', { clinic: clinicId, job: jobId, chunks: chunks.length })
  }
  return { isOver: false, hasProgress, settled, freeAt }
}

const notRunning = (isOver: boolean): JobCheck => ({ isOver, hasProgress: false, settled: 0, freeAt: null })

/** At most one batch of messages per alarm: the next alarm sends the others that are still needed. */
async function pendingChunks(db: Db, clinicId: string, jobId: string, now: number) {
  const isOfJob = and(eq(importChunks.clinicId, clinicId), eq(importChunks.jobId, jobId))
  const isPending = and(isOfJob, eq(importChunks.state, 'pending'))
  const freeAt = sql<number>`max(${importChunks.leaseUntil}, ${importChunks.notBefore})`
  const [free, [busy], [done]] = await db.batch([
    db
      .select({ chunk: importChunks.chunk })
      .from(importChunks)
      .where(and(isPending, lte(freeAt, now)))
      .orderBy(importChunks.chunk)
      .limit(MESSAGES_MAX),
    db
      .select({ until: sql<number | null>`min(${freeAt})` })
      .from(importChunks)
      .where(and(isPending, gt(freeAt, now))),
    db.select({ rows: sql<number>`sum(created + duplicate + failed)` }).from(importChunks).where(isOfJob),
  ])
  return { chunks: free.map(({ chunk }) => chunk), settled: done?.rows ?? 0, freeAt: busy?.until ?? null }
}
