import { asc, type SQL, sql } from 'drizzle-orm'
import { log } from '../../lib/log'
import { SECOND_MS } from '../../lib/time'
import type { UpstreamReply } from '../../upstream/call'
import { type Halt, throughGate } from '../../upstream/gate'
import { importChunks, imports, stagedRows, standsEarlier } from '../model'
import { type Chunk, fenced, rest, type Slice, sumsOf } from './chunk'

const ROW_TRIES_MAX = 3

/** How long one message keeps its consumer; what is left then is another message's. */
const SLICE_MS = 20 * SECOND_MS
const SLICE_ROWS_MAX = 200

/** Calls that one slice has under way at once, so that a slow upstream is still used at its rate. */
const LANES = 4

/**
 * Longer than one row can take: its turn, its call and what is written around them. Renewed with each row.
 */
const ROW_LEASE_MS = 50 * SECOND_MS

const BACKOFF_MS_MIN = 2 * SECOND_MS
const BACKOFF_MS_MAX = 10 * SECOND_MS

const ACTIVATION_TRIES_MAX = 3
const ACTIVATION_RETRY_MS = 5 * SECOND_MS

type Row = Pick<typeof stagedRows.$inferSelect, 'row' | 'cells' | 'tries' | 'reason'> & { batchId: string }

/**
 * Works on a chunk whose rows are created elsewhere, one call each, for as long as a slice may take. All rows
 * get their first try before any gets its second, and between two rounds the chunk rests: that is the
 * backoff.
 */
export async function workRowByRow(slice: Slice): Promise<void> {
  await settleWithoutCall(slice)
  const [round, ...rows] = await openRows(slice)
  const halt = round ? await send(slice, [round, ...rows]) : null
  if (halt) return rest(slice, halt)
  const [next] = await openRows(slice, 1)
  if (next && next.tries === round?.tries) return rest(slice, { until: Date.now(), isClosed: false })
  if (next) return rest(slice, { until: Date.now() + backoffMs(next.tries), isClosed: false })
  const later = await finish(slice)
  if (later) await rest(slice, later.halt, later.attempts)
}

/** What needs no call: hospitals that are there already, and rows whose last try nobody came back from. */
async function settleWithoutCall({ db, kind, chunk, isLeased }: Slice): Promise<void> {
  const isEarlier = standsEarlier('staged_rows')
  await db
    .update(stagedRows)
    .set({
      status: 'failed',
      reason: sql`CASE WHEN tries > 0 THEN reason WHEN ${isEarlier} THEN 'duplicate_in_file'
        ELSE 'duplicate_in_directory' END`,
    })
    .where(sql`${ofChunk(chunk)} AND status IS NULL AND ${isLeased} AND (tries >= ${ROW_TRIES_MAX}
      OR tries = 0 AND (${isEarlier} OR ${kind.isKnown(chunk.clinicId)}))`)
}

/** Those with the fewest tries: one round. */
const openRows = ({ db, chunk }: Slice, max = SLICE_ROWS_MAX): Promise<Row[]> =>
  db
    .select({
      row: stagedRows.row,
      cells: stagedRows.cells,
      tries: stagedRows.tries,
      reason: stagedRows.reason,
      batchId: sql<string>`(SELECT batch_id FROM imports WHERE id = ${chunk.jobId})`,
    })
    .from(stagedRows)
    .where(sql`${ofChunk(chunk)} AND status IS NULL AND tries = (SELECT min(s.tries) FROM staged_rows s
      WHERE s.job_id = ${chunk.jobId} AND s.row BETWEEN ${chunk.firstRow} AND ${chunk.lastRow}
        AND s.status IS NULL)`)
    .orderBy(asc(stagedRows.row))
    .limit(max)

const ofChunk = ({ jobId, firstRow, lastRow }: Chunk) =>
  sql`job_id = ${jobId} AND row BETWEEN ${firstRow} AND ${lastRow}`

/** Every lane has ended when this returns or throws: nobody sends for a chunk that was given back. */
async function send(slice: Slice, rows: Row[]): Promise<Halt | null> {
  const until = Date.now() + SLICE_MS
  let halt: Halt | null = null
  const lane = async () => {
    for (let row = rows.shift(); row && !halt && Date.now() < until; row = rows.shift())
      halt = (await sendRow(slice, row)) ?? halt
  }
  const lanes = await Promise.allSettled(Array.from({ length: LANES }, lane))
  const failure = lanes.find((ended) => ended.status === 'rejected')
  if (failure) throw failure.reason
  return halt
}

async function sendRow(slice: Slice, row: Row): Promise<Halt | null> {
  const { env, upstream, chunk } = slice
  const passed = await throughGate(env, upstream.gate, async (turn) => {
    if (!(await begin(slice, row))) return null
    await turn()
    const key = `${chunk.jobId}-${row.row}`
    const reply = await upstream.create({ key, batchId: row.batchId, cells: row.cells })
    await settle(slice, row, reply)
    return reply
  })
  if ('halt' in passed) return passed.halt
  // Nothing more is begun of an import that was cancelled meanwhile, or by who has lost the lease.
  return passed.reply ? null : { until: Date.now(), isClosed: false }
}

/**
 * Counts the try before it is made. Until an answer is written down the row says `unknown_outcome`, so that a
 * crash in between is told as what it is. False where the lease is lost, or somebody else was here.
 */
async function begin({ db, chunk, isLeased }: Slice, { row, tries }: Row): Promise<boolean> {
  const [begun] = await db.batch([
    db
      .update(stagedRows)
      .set({ tries: tries + 1, reason: 'unknown_outcome' })
      .where(
        sql`job_id = ${chunk.jobId} AND row = ${row} AND status IS NULL AND tries = ${tries} AND ${isLeased}
          AND EXISTS (SELECT 1 FROM imports WHERE id = ${chunk.jobId} AND state = 'processing')`,
      )
      .returning({ row: stagedRows.row }),
    db
      .update(importChunks)
      .set({ leaseUntil: Date.now() + ROW_LEASE_MS })
      .where(fenced(chunk, isLeased)),
  ])
  return begun.length > 0
}

/**
 * The row, our copy of its record and the chunk's sums, in one transaction. A chunk of which a row was
 * settled is none that fails again and again, however often who works on it dies.
 */
async function settle(slice: Slice, row: Row, reply: UpstreamReply<{ id: string }>): Promise<void> {
  const { db, kind, chunk, isLeased } = slice
  const { jobId, clinicId } = chunk
  const isLast = reply.is === 'done' || reply.is === 'refused' || row.tries + 1 >= ROW_TRIES_MAX
  const status = reply.is === 'done' ? 'created' : isLast ? 'failed' : null
  const rows = sql`r.job_id = ${jobId} AND r.row = ${row.row} AND r.status = 'created'`
  await db.batch([
    db
      .update(stagedRows)
      .set({ status, reason: reasonOf(row, reply), recordId: reply.is === 'done' ? reply.body.id : null })
      .where(sql`job_id = ${jobId} AND row = ${row.row} AND status IS NULL AND ${isLeased}`),
    kind.commit(db, { jobId, clinicId, now: Date.now(), rows, isLeased }).statement,
    db
      .update(importChunks)
      .set({ ...sumsOf(chunk), ...(status && { attempts: 0 }) })
      .where(fenced(chunk, isLeased)),
  ])
}

/** Where an earlier try is unaccounted for, only a success or a refusal of the row itself clears it up. */
function reasonOf({ reason }: Row, reply: UpstreamReply<unknown>): string | null {
  if (reply.is === 'done') return null
  const wasUnknown = reason === 'unknown_outcome'
  if (reply.is === 'refused' && reply.status !== 409) return 'refused_by_directory'
  if (reply.is === 'unknown' || wasUnknown) return 'unknown_outcome'
  return reply.is === 'refused' ? 'duplicate_in_directory' : 'directory_unavailable'
}

/** 2–4 s after the first try, 4–8 s after the second. */
function backoffMs(tries: number): number {
  const most = BACKOFF_MS_MIN * 2 ** tries
  return Math.min(BACKOFF_MS_MAX, Math.max(BACKOFF_MS_MIN, (most / 2) * (1 + Math.random())))
}

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
  { db, chunk, isLeased, complete }: Slice,
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
async function activate({ db, env, upstream, chunk, isLeased }: Slice): Promise<Activation> {
  const [job] = await db
    .select({ batchId: imports.batchId, state: imports.state })
    .from(imports)
    .where(sql`id = ${chunk.jobId} AND ${isLeased}`)
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
