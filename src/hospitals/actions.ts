import { and, asc, eq, gt, isNotNull, isNull, notInArray, type SQL, sql } from 'drizzle-orm'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { imports } from '../imports/model'
import { cutPage, type Page } from '../lib/page'
import { foldName } from '../lib/text'
import { SECOND_MS } from '../lib/time'
import { notFound, Problem } from '../problem'
import { throughGate } from '../upstream/gate'
import { directoryOf } from './directory'
import { type ActivatedBatch, type Hospital, hospitals, type ListHospitals, toHospital } from './model'

/** The active hospitals in which every word of `q` occurs, in the order they were imported. */
export async function listHospitals(ctx: Ctx, wanted: ListHospitals): Promise<Page<Hospital>> {
  const words = [...new Set(foldName(wanted.q ?? '').split(' '))].filter(Boolean)
  const rows = await ctx.db
    .select({ hospital: hospitals, activatedAt: imports.activatedAt })
    .from(hospitals)
    .innerJoin(imports, ofBatch)
    .where(
      and(
        eq(hospitals.clinicId, ctx.clinic.id),
        gt(hospitals.id, wanted.cursor?.[0] ?? ''),
        isNotNull(imports.activatedAt),
        // No LIKE: D1 allows patterns of 50 bytes only, and % and _ in a caller's word are not wildcards.
        sql`NOT EXISTS (SELECT 1 FROM json_each(${JSON.stringify(words)})
          WHERE instr(${hospitals.folded}, value) = 0)`,
      ),
    )
    .orderBy(asc(hospitals.id))
    .limit(wanted.limit + 1)
  return cutPage(
    rows.map((row) => toHospital(row.hospital, row.activatedAt)),
    wanted.limit,
    (hospital) => [hospital.id],
  )
}

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
