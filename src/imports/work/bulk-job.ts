import { DurableObject } from 'cloudflare:workers'
import { and, eq, gt, lte, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import type { Db } from '../../lib/db'
import { log, logFailure } from '../../lib/log'
import { SECOND_MS } from '../../lib/time'
import { importChunks, imports } from '../model'
import { removeUpload } from '../staging'
import { MESSAGES_MAX, sendChunks } from './chunk'

/** Soon enough that a crash costs seconds, late enough that an ordinary import never needs it. */
const FIRST_WAKE_MS = 3 * SECOND_MS
const WAKE_MS_MAX = 30 * SECOND_MS

interface Watch {
  clinicId: string
  uploadUntil: number
  /** Until then a job that is over may be about to be reopened. */
  reopeningUntil: number
  /** Since the job last moved: the watch grows patient only where nothing happens. */
  wakes: number
  /** Of the job's rows, at the last look. */
  settled?: number
}

/**
 * Sees one import through, by its alarm: sends again what a lost message would have woken, and removes the
 * rows of an upload that never became a job. It is named by the job and knows nothing that D1 does not.
 */
export class BulkJob extends DurableObject<Env> {
  async watch(clinicId: string, uploadUntil: number, reopeningUntil = 0): Promise<void> {
    await this.ctx.storage.put<Watch>('watch', { clinicId, uploadUntil, reopeningUntil, wakes: 0 })
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
    const nextWake = Date.now() + Math.min(FIRST_WAKE_MS * 2 ** Math.min(wakes, 10), WAKE_MS_MAX)
    await this.ctx.storage.put<Watch>('watch', { ...watch, wakes })
    await this.ctx.storage.setAlarm(nextWake)
    try {
      const { isOver, hasMoved, settled, freeAt } = await look(this.env, jobId, watch)
      // Whoever called `watch` meanwhile saw a later state than this look.
      const isWatchedAnew = (await this.ctx.storage.get<Watch>('watch'))?.wakes !== wakes
      if (isWatchedAnew) return
      if (isOver) return await this.forget()
      await this.ctx.storage.put<Watch>('watch', { ...watch, wakes: hasMoved ? 0 : wakes, settled })
      const soon = hasMoved ? Date.now() + FIRST_WAKE_MS : nextWake
      // Whoever held the lease may be dead, and for a chunk that rests no message may come.
      await this.ctx.storage.setAlarm(Math.min(soon, freeAt ?? soon))
    } catch (error) {
      logFailure('bulk_job.alarm', error, { clinic: watch.clinicId, job: jobId, wakes })
    }
  }
}

/** Whether nothing is left to watch for, and else when the first is free of the chunks at work or at rest. */
interface Sight {
  isOver: boolean
  hasMoved: boolean
  settled: number
  freeAt: number | null
}

async function look(env: Env, jobId: string, watch: Watch): Promise<Sight> {
  const { clinicId, uploadUntil, reopeningUntil } = watch
  const db = drizzle(env.DB)
  const [job] = await db
    .select({ state: imports.state })
    .from(imports)
    .where(and(eq(imports.clinicId, clinicId), eq(imports.id, jobId)))
  if (!job) return over(Date.now() >= uploadUntil && (await removeUpload(db, jobId)))
  if (job.state !== 'pending' && job.state !== 'processing') return over(Date.now() >= reopeningUntil)
  const { chunks, settled, freeAt } = await unfinished(db, clinicId, jobId, Date.now())
  // While it moves, messages come through; what was lost of them is sent once it has come to a stop.
  const hasMoved = settled > (watch.settled ?? settled)
  if (chunks.length > 0 && !hasMoved) {
    await sendChunks(env, jobId, chunks)
    log('bulk_job.sent_again', { clinic: clinicId, job: jobId, chunks: chunks.length })
  }
  return { isOver: false, hasMoved, settled, freeAt }
}

const over = (isOver: boolean): Sight => ({ isOver, hasMoved: false, settled: 0, freeAt: null })

/** One batch of messages per wake: the rest is next, and a queue that works has less to do by then. */
async function unfinished(db: Db, clinicId: string, jobId: string, now: number) {
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
    db
      .select({ rows: sql<number>`sum(${importChunks.created} + ${importChunks.failed})` })
      .from(importChunks)
      .where(isOfJob),
  ])
  return { chunks: free.map(({ chunk }) => chunk), settled: done?.rows ?? 0, freeAt: busy?.until ?? null }
}
