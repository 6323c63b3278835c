import { asc, sql } from 'drizzle-orm'
import { isOutage } from '../../lib/outage'
import { SECOND_MS } from '../../lib/time'
import type { UpstreamReply } from '../../upstream/call'
import { type Delay, throughGate } from '../../upstream/gate'
import { importChunks, stagedRows, UNTRIED } from '../model'
import { type Chunk, type ClaimedChunk, fenced, postponeChunk, sumsOf } from './chunk'
import { finishChunk } from './finish'

const ROW_TRIES_MAX = 3

/** How long a consumer works on one message; another message continues the rest. */
const WORK_MS = 20 * SECOND_MS
const WORK_ROWS_MAX = 200

/** Calls of one consumer in flight at once, so that a slow upstream is still called at its full rate. */
const LANES = 4

/** Longer than one row can take: its wait at the gate, its call and the writes. Renewed with each row. */
const ROW_LEASE_MS = 50 * SECOND_MS

const BACKOFF_MS_MIN = 2 * SECOND_MS
const BACKOFF_MS_MAX = 10 * SECOND_MS

/** Together six seconds, within the lease of a row. */
const SETTLE_TRIES_MAX = 5
const SETTLE_PAUSE_MS = 0.6 * SECOND_MS

type Row = Pick<typeof stagedRows.$inferSelect, 'row' | 'cells' | 'tries' | 'reason'> & { batchId: string }

/**
 * Works on a chunk whose records an upstream makes, with one call per row, for at most WORK_MS. All rows get
 * their first try before any row gets its second; between two rounds the chunk is postponed: this is the
 * backoff.
 */
export async function workRowByRow(claimed: ClaimedChunk): Promise<void> {
  await settleWithoutCall(claimed)
  const [round, ...rows] = await openRows(claimed)
  const delay = round ? await sendRows(claimed, [round, ...rows]) : null
  if (delay) return postponeChunk(claimed, delay)
  const [next] = await openRows(claimed, 1)
  if (next && next.tries === round?.tries)
    return postponeChunk(claimed, { until: Date.now(), isClosed: false })
  if (next) return postponeChunk(claimed, { until: Date.now() + backoffMs(next.tries), isClosed: false })
  const later = await finishChunk(claimed)
  if (later) await postponeChunk(claimed, later.delay, later.attempts)
}

/** Settles the rows that need no call: duplicates, and rows whose last try has no stored outcome. */
async function settleWithoutCall({ db, kind, chunk, isLeased }: ClaimedChunk): Promise<void> {
  const isRepeat = kind.repeats(chunk.clinicId)
  await db
    .update(stagedRows)
    .set({
      status: 'failed',
      reason: sql`CASE WHEN tries > 0 THEN reason WHEN ${isRepeat} THEN 'duplicate_in_file'
        ELSE 'duplicate_in_directory' END`,
    })
    .where(sql`${ofChunk(chunk)} AND status IS NULL AND ${isLeased} AND (tries >= ${ROW_TRIES_MAX}
      OR tries = 0 AND (${isRepeat} OR ${kind.isKnown(chunk.clinicId, Date.now())}))`)
}

/** The open rows with the fewest tries: one round. */
const openRows = ({ db, chunk }: ClaimedChunk, max = WORK_ROWS_MAX): Promise<Row[]> =>
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

/** Every lane has ended when this returns or throws, so no lane sends rows of a chunk that was released. */
async function sendRows(claimed: ClaimedChunk, rows: Row[]): Promise<Delay | null> {
  const until = Date.now() + WORK_MS
  let delay: Delay | null = null
  const lane = async () => {
    for (let row = rows.shift(); row && !delay && Date.now() < until; row = rows.shift())
      delay = (await sendRow(claimed, row)) ?? delay
  }
  const lanes = await Promise.allSettled(Array.from({ length: LANES }, lane))
  const failure = lanes.find((ended) => ended.status === 'rejected')
  if (failure) throw failure.reason
  return delay
}

async function sendRow(claimed: ClaimedChunk, row: Row): Promise<Delay | null> {
  const { env, upstream, chunk } = claimed
  const passed = await throughGate(env, upstream.gate, async (untilTurn) => {
    if (!(await beginTry(claimed, row))) return null
    await untilTurn()
    const key = `${chunk.jobId}-${row.row}`
    const reply = await upstream.create({ key, batchId: row.batchId, cells: row.cells })
    await throughOutage(() => settleRow(claimed, row, reply))
    return reply
  })
  if ('delay' in passed) return passed.delay
  // The import was cancelled or the lease was lost: the consumer starts no more rows.
  return passed.reply ? null : { until: Date.now(), isClosed: false }
}

/**
 * Counts the try before the call. Until the reply is stored the row says `unknown_outcome`, which is true
 * after a crash during the call. False if the lease is lost or another consumer has begun this try.
 */
async function beginTry({ db, chunk, isLeased }: ClaimedChunk, { row, tries }: Row): Promise<boolean> {
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

/** A reply that is not stored costs the row a try, so a short outage is waited for. The write may repeat. */
async function throughOutage(write: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await write()
    } catch (error) {
      if (attempt === SETTLE_TRIES_MAX || !isOutage(error)) throw error
      await scheduler.wait(SETTLE_PAUSE_MS * attempt)
    }
  }
}

/**
 * Stores the row's outcome, our copy of its record and the chunk's counts in one transaction. A chunk with a
 * newly settled row makes progress, so its failed attempts start at 0 again, even if its consumer dies often.
 */
async function settleRow(
  claimed: ClaimedChunk,
  row: Row,
  reply: UpstreamReply<{ id: string }>,
): Promise<void> {
  const { db, kind, chunk, isLeased } = claimed
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
      .set({ ...sumsOf(chunk), ...(status && UNTRIED) })
      .where(fenced(chunk, isLeased)),
  ])
}

/** If the outcome of an earlier try is unknown, only a success or a refusal of the row itself settles it. */
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
