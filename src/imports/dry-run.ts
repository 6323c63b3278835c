import { type SQL, sql } from 'drizzle-orm'
import * as v from 'valibot'
import type { Ctx } from '../context'
import { newId } from '../lib/crypto'
import { component } from '../lib/schema'
import type { Fault } from '../problem'
import { FILE_NOTES, notesOf } from './file/notes'
import type { ArrivingFile } from './file/rows'
import type { Kind } from './kind'
import { stagedRows } from './model'
import { discard, FAULT, receiveUpload, stage } from './staging'

/** Faults that a dry run lists, for people to read. */
const FAULTS_SHOWN = 1_000

const NO_GOOD_ROW = 'No row of the file can be imported: an upload of it would be refused, in either mode'

/** `create + duplicate + invalid = total`. `faults` has the first 1,000. */
export const DryRun = component('DryRun', {
  create: v.number(),
  duplicate: v.number(),
  invalid: v.number(),
  total: v.number(),
  faults: v.array(v.object({ row: v.optional(v.number()), ...FAULT })),
  ...FILE_NOTES,
})

/**
 * Reports what an import of the file would do now, and keeps nothing: the rows are staged under an id that
 * never becomes a job, then removed; after a crash the BulkJob object removes them.
 */
export function dryRunImport(
  ctx: Ctx,
  kind: Kind,
  file: ArrivingFile,
): Promise<v.InferOutput<typeof DryRun>> {
  const uploadId = newId()
  return receiveUpload(ctx, uploadId, async () => {
    const { notes, rows, invalid, faults } = await stage(ctx, kind, uploadId, file, { keepsBad: true })
    const staged = sql`r.job_id = ${uploadId} AND r.status IS NULL`
    await kind.prepare?.(ctx.db, { clinicId: ctx.clinic.id, rows: staged })
    const isOfUpload = sql`job_id = ${uploadId} AND status IS NULL`
    const repeats = kind.repeats(ctx.clinic.id)
    const isDuplicate = sql`(${repeats} OR ${kind.isKnown(ctx.clinic.id, ctx.now)})`
    const [counted] = await ctx.db
      .select({ duplicate: sql<number>`count(*)` })
      .from(stagedRows)
      .where(sql`${isOfUpload} AND ${isDuplicate}`)
    const conflicts = await conflictsOf(ctx, kind, sql`${isOfUpload} AND NOT ${isDuplicate}`)
    await discard(ctx, uploadId)
    const [duplicate, bad] = [counted?.duplicate ?? 0, invalid + conflicts.count]
    const shown = [...faults, ...conflicts.faults]
      .sort((a, b) => (a.row ?? 0) - (b.row ?? 0))
      .slice(0, FAULTS_SHOWN)
    const warnings = invalid === rows ? [...notes.warnings, NO_GOOD_ROW] : notes.warnings
    const counts = { create: rows - bad - duplicate, duplicate, invalid: bad, total: rows }
    return { ...counts, faults: shown, ...notesOf({ ...notes, warnings }) }
  })
}

/** How many rows an import would refuse although they keep every rule, and the faults of the first. */
async function conflictsOf(ctx: Ctx, kind: Kind, isNew: SQL): Promise<{ count: number; faults: Fault[] }> {
  if (!kind.conflict) return { count: 0, faults: [] }
  const { exists, field, rule, sentence } = kind.conflict(ctx.clinic.id)
  const found = await ctx.db
    .select({ row: stagedRows.row, count: sql<number>`count(*) OVER ()` })
    .from(stagedRows)
    .where(sql`${isNew} AND ${exists}`)
    .orderBy(stagedRows.row)
    .limit(FAULTS_SHOWN)
  const faults = found.map(({ row }) => ({ row, field, rule, message: `Row ${row}: '${field}' ${sentence}` }))
  return { count: found[0]?.count ?? 0, faults }
}
