import { and, asc, count, eq, gt, isNotNull, isNull, notInArray, type SQL, sql } from 'drizzle-orm'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { imports } from '../imports/model'
import { cutPage, type Page, writeCursor } from '../lib/page'
import { SECOND_MS } from '../lib/time'
import { notFound, Problem } from '../problem'
import { throughGate } from '../upstream/gate'
import { directoryOf } from './directory'
import { type ActivatedBatch, type Hospital, hospitals, type ListHospitals, toHospital } from './model'
import { FOUND_MAX, indexed, occurs, wordsOf } from './search'

/**
 * Rows that one page may read; if they hold too few hospitals, the page is shorter and the next one goes on.
 */
const ROWS_READ_MAX = 20_000

/** The active hospitals in which every word of `q` occurs, in the order they were imported. */
export async function listHospitals(ctx: Ctx, wanted: ListHospitals): Promise<Page<Hospital>> {
  const spellings = wordsOf(wanted.q ?? '')
  const found = indexed(ctx.clinic.id, spellings)
  return (found && (await pageOfFound(ctx, wanted, spellings, found))) ?? pageInOrder(ctx, wanted, spellings)
}

/** Null if the index finds more than FOUND_MAX rows. */
async function pageOfFound(ctx: Ctx, wanted: ListHospitals, spellings: string[][], found: SQL) {
  // The plus keeps SQLite from reading the clinic in order instead of the rows that were found.
  const isNext = sql`+${hospitals.clinicId} = ${ctx.clinic.id} AND +${hospitals.id} > ${startOf(wanted)}`
  const [[counted], rows] = await ctx.db.batch([
    ctx.db.select({ found: count() }).from(found),
    selectActive(ctx, sql`${hospitals}.rowid IN ${found} AND ${isNext} AND ${occurs(spellings)}`, wanted),
  ])
  return (counted?.found ?? 0) > FOUND_MAX ? null : toPage(rows, wanted)
}

async function pageInOrder(ctx: Ctx, wanted: ListHospitals, spellings: string[][]): Promise<Page<Hospital>> {
  const isNext = and(eq(hospitals.clinicId, ctx.clinic.id), gt(hospitals.id, startOf(wanted)))
  const lastRead = ctx.db
    .select({ id: hospitals.id })
    .from(hospitals)
    .where(isNext)
    .orderBy(asc(hospitals.id))
    .limit(1)
    .offset(ROWS_READ_MAX)
  const isRead = sql`${hospitals.id} <= coalesce(${lastRead}, ${AFTER_ALL_IDS})`
  const [[last], rows] = await ctx.db.batch([
    lastRead,
    selectActive(ctx, sql`${isNext} AND ${isRead} AND ${occurs(spellings)}`, wanted),
  ])
  const page = toPage(rows, wanted)
  return page.next === null && last ? { ...page, next: writeCursor([last.id]) } : page
}

const AFTER_ALL_IDS = '\u{10ffff}'

const startOf = ({ cursor }: ListHospitals): string => cursor?.[0] ?? ''

/** One row more than the page has shows that another page follows. */
const selectActive = (ctx: Ctx, condition: SQL, { limit }: ListHospitals) =>
  ctx.db
    .select({ hospital: hospitals, activatedAt: imports.activatedAt })
    .from(hospitals)
    .innerJoin(imports, ofBatch)
    .where(and(condition, isNotNull(imports.activatedAt)))
    .orderBy(asc(hospitals.id))
    .limit(limit + 1)

const toPage = (rows: Awaited<ReturnType<typeof selectActive>>, { limit }: ListHospitals) =>
  cutPage(
    rows.map((row) => toHospital(row.hospital, row.activatedAt)),
    limit,
    (hospital) => [hospital.id],
  )

/** One hospital of the directory, active or not. */
export async function getHospital(ctx: Ctx, id: string): Promise<Hospital> {
  const [found] = await ctx.db
    .select({ hospital: hospitals, activatedAt: imports.activatedAt })
    .from(hospitals)
    .innerJoin(imports, ofBatch)
    .where(and(eq(hospitals.clinicId, ctx.clinic.id), eq(hospitals.id, id)))
  if (!found) throw notFound('Hospital')
  return toHospital(found.hospital, found.activatedAt)
}

const ofBatch = and(eq(imports.clinicId, hospitals.clinicId), eq(imports.batchId, hospitals.batchId))

/**
 * Changes one row, which activates every hospital of the batch; an upstream must activate the batch first.
 * A repeated call changes nothing and gets the same answer.
 */
export async function activateBatch(ctx: Ctx, batchId: string): Promise<ActivatedBatch> {
  const ofBatchId = and(
    eq(imports.clinicId, ctx.clinic.id),
    eq(imports.kind, 'hospitals'),
    eq(imports.batchId, batchId),
  )
  await activateInDirectory(ctx, ofBatchId)
  const [, , [job]] = await ctx.db.batch([
    ctx.db
      .update(imports)
      .set({ activatedAt: ctx.now })
      .where(
        and(ofBatchId, isNull(imports.activatedAt), notInArray(imports.state, ['pending', 'processing'])),
      ),
    audited(ctx, 'batch.activated', batchId),
    ctx.db.select().from(imports).where(ofBatchId),
  ])
  if (!job) throw notFound('Batch')
  if (job.activatedAt === null)
    throw new Problem('import_not_finished', 'The batch can be activated once its import has finished')
  const message = 'The hospitals of the batch are active'
  return { batch_id: batchId, activated: true, message, error_message: null }
}

/** A request has ten seconds in all and may wait five of them at the gate. */
const ACTIVATION_MS_MAX = 4 * SECOND_MS
const RETRY_AFTER_SECONDS = 5

/** Does nothing without an upstream, or for a batch that is active, unknown or not finished. */
async function activateInDirectory(ctx: Ctx, ofBatchId: SQL | undefined): Promise<void> {
  const directory = directoryOf(ctx.env)
  if (!directory) return
  const isEnded = notInArray(imports.state, ['pending', 'processing'])
  const [job] = await ctx.db
    .select({ batchId: imports.batchId })
    .from(imports)
    .where(and(ofBatchId, isNull(imports.activatedAt), isEnded))
  if (!job) return
  const passed = await throughGate(ctx.env, directory.gate, async (untilTurn) => {
    await untilTurn()
    return directory.activate(job.batchId, ACTIVATION_MS_MAX)
  })
  if ('reply' in passed && passed.reply?.is === 'done') return
  const waitMs = 'delay' in passed ? passed.delay.until - Date.now() : 0
  throw new Problem('unavailable', 'The directory of hospitals did not activate the batch; try again', {
    retryAfterSeconds: Math.max(RETRY_AFTER_SECONDS, Math.ceil(waitMs / SECOND_MS)),
  })
}
