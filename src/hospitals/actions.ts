import { and, asc, count, desc, eq, gt, isNotNull, isNull, lt, notInArray, sql } from 'drizzle-orm'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { cancelImport } from '../imports/control'
import { imports } from '../imports/model'
import { cutPage, type Page } from '../lib/page'
import { foldName } from '../lib/text'
import { notFound, Problem } from '../problem'
import { HOSPITALS } from './bulk'
import {
  type ActivatedBatch,
  IMPORT_FACTS,
  type ImportFacts,
  type ImportStatus,
  type ImportSummary,
  type ListImports,
  toStatus,
  toSummary,
} from './job'
import { type Hospital, hospitals, type ListHospitals, toHospital } from './model'

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
        // No LIKE: D1 takes patterns of 50 bytes only, and in a word of the caller's % and _ mean themselves.
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

export async function getImport(ctx: Ctx, jobId: string): Promise<ImportFacts> {
  const [facts] = await ctx.db
    .select(IMPORT_FACTS)
    .from(imports)
    .where(and(eq(imports.clinicId, ctx.clinic.id), eq(imports.id, jobId)))
  if (!facts) throw notFound('Job')
  return facts
}

export async function listImports(
  ctx: Ctx,
  wanted: ListImports,
): Promise<{ total: number; page: Page<ImportSummary> }> {
  const ofClinic = eq(imports.clinicId, ctx.clinic.id)
  const before = wanted.cursor?.[0]
  const [[counted], rows] = await ctx.db.batch([
    ctx.db.select({ total: count() }).from(imports).where(ofClinic),
    ctx.db
      .select(IMPORT_FACTS)
      .from(imports)
      .where(and(ofClinic, before === undefined ? undefined : lt(imports.id, before)))
      .orderBy(desc(imports.id))
      .limit(wanted.limit + 1),
  ])
  const page = cutPage(rows.map(toSummary), wanted.limit, (summary) => [summary.job_id])
  return { total: counted?.total ?? 0, page }
}

/** One row changes and with it every hospital of the batch. Again, it changes nothing and says the same. */
export async function activateBatch(ctx: Ctx, batchId: string): Promise<ActivatedBatch> {
  const ofBatchId = and(eq(imports.clinicId, ctx.clinic.id), eq(imports.batchId, batchId))
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
  return { batch_id: batchId, activated: true, message: 'The hospitals of the batch are active' }
}

/** Again, it says the same. A retry that comes after somebody resumed the import cancels nothing. */
export async function cancelHospitals(ctx: Ctx, jobId: string): Promise<ImportStatus> {
  await cancelImport(ctx, HOSPITALS, jobId)
  return { ...toStatus(await getImport(ctx, jobId), ctx.now), result: null }
}
