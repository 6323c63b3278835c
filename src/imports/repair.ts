import { createHash } from 'node:crypto'
import { and, sql } from 'drizzle-orm'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { newId } from '../lib/crypto'
import { log } from '../lib/log'
import { type Fault, Problem } from '../problem'
import { contextAfterUpload, reachOf, type Upload } from './accept'
import { isStateRefused, wakeChunks, watchReopened } from './control'
import { type FileNotes, NO_NOTES, ROW_COLUMN as ROW } from './file/header'
import type { Column } from './file/opening'
import { type ArrivingFile, readRows } from './file/rows'
import type { Kind } from './kind'
import { importChunks, imports, stagedRows, UNTRIED } from './model'
import { badRows, discard, hashed, openStaging, receiveUpload, validateRow } from './staging'
import { isJob, jobOf } from './status'

/** Known, so that no answer lists it as ignored: `failed.csv` has it. */
const REASON = 'reason'
const REPAIR_COLUMNS: Column<string>[] = [
  { name: ROW, isRequired: true, json: 'number' },
  { name: REASON, isRequired: false },
]
const ROW_NUMBER = /^[1-9]\d{0,6}$/

/** Faults that the reply lists. */
const FAULTS_MAX = 1_000

/**
 * Runs failed rows again with the cells of the file: `failed.csv`, corrected, or a part of it. The file is
 * staged under its own id first. Then one transaction claims the key, reopens the job and gives those rows
 * their new cells, or changes nothing. Only a completed job can be repaired, so of two repairs at the same
 * time the second is refused until the first has completed. Returns the number of rows.
 */
export async function repairImport(
  ctx: Ctx,
  jobId: string,
  upload: Omit<Upload, 'mode'>,
): Promise<{ rows: number; notes: FileNotes }> {
  const { kind, file } = upload
  await jobOf(ctx, kind.name, jobId)
  const repairId = newId()
  return receiveUpload(ctx, repairId, async () => {
    const { sha256, rows, notes } = await stageRepair(ctx, kind, repairId, file)
    const uploadedCtx = contextAfterUpload(ctx, upload, sha256, repairId)
    await watchReopened(uploadedCtx, jobId)
    await reopen(uploadedCtx, kind, jobId, repairId, rows)
    await discard(uploadedCtx, repairId)
    await wakeChunks(uploadedCtx, jobId)
    return { rows, notes }
  })
}

/** Every row must be valid and must name a row of the job. */
async function stageRepair(ctx: Ctx, kind: Kind, repairId: string, file: ArrivingFile) {
  const hash = createHash('sha256')
  const staged = openStaging(ctx, kind, repairId)
  const schema = kind.row(ctx)
  const shape = { ...kind, columns: [...kind.columns, ...REPAIR_COLUMNS] }
  let notes = NO_NOTES
  const onNotes = (found: FileNotes) => {
    notes = found
  }
  const seen = new Set<number>()
  const faults: Fault[] = []
  for await (const read of readRows(hashed(file, hash), shape, onNotes)) {
    const row = read.fault ? { faults: [read.fault] } : parseRow(schema, read.cells, read.row, seen)
    if ('faults' in row) faults.push(...row.faults.slice(0, FAULTS_MAX - faults.length))
    else if (faults.length === 0) await staged.add(row.number, row.cells)
  }
  if (faults.length > 0) throw badRows(faults, faults.length)
  await staged.flush()
  return { sha256: hash.digest('hex'), rows: seen.size, notes }
}

/** `line` is the record's number in the repair file; the faults name the row of the job. */
function parseRow(
  schema: ReturnType<Kind['row']>,
  cells: Record<string, unknown>,
  line: number,
  seen: Set<number>,
) {
  const given = String(cells[ROW] ?? '').trim()
  if (!ROW_NUMBER.test(given)) {
    const message = `Record ${line}: 'row' must be the number of a row that failed`
    return { faults: [{ row: line, field: ROW, rule: 'row_number', message }] }
  }
  const number = Number(given)
  if (seen.has(number)) return { faults: [rowFault(number, 'unique', 'occurs twice')] }
  seen.add(number)
  const row = validateRow(schema, number, cells)
  return 'faults' in row ? row : { number, cells: row.cells }
}

const rowFault = (row: number, rule: string, sentence: string): Fault => ({
  row,
  field: ROW,
  rule,
  message: `Row ${row}: ${sentence}`,
})

/**
 * Does nothing if an equal request has already reopened the job. The chunks that hold the rows are pending
 * again; their other rows stay as they are and stay counted.
 */
async function reopen(ctx: Ctx, kind: Kind, jobId: string, repairId: string, rows: number) {
  const { opId } = await ctx.once
    .transact((op) => {
      const ownsKey = sql`${op} = ${repairId}`
      return [
        ctx.db
          .update(imports)
          .set({
            // NULL, which the column refuses, undoes the batch: then the key stays unclaimed.
            state: sql`CASE WHEN state = 'completed' AND ${rows} = ${failedRows(jobId, repairId)}
              THEN 'processing' END`,
            startedAt: ctx.now,
            completedAt: null,
            reach: reachOf(ctx) === 'any' ? 'any' : sql`reach`,
          })
          .where(and(isJob(ctx, kind.name, jobId), ownsKey)),
        audited(ctx, 'import.repaired', jobId),
        ctx.db
          .update(stagedRows)
          .set({
            cells: newValueOf('cells', repairId),
            identity: newValueOf('identity', repairId),
            status: null,
            reason: null,
            faults: null,
            recordId: null,
            tries: 0,
          })
          .where(
            sql`job_id = ${jobId} AND ${ownsKey}
              AND row IN (SELECT n.row FROM staged_rows n WHERE n.job_id = ${repairId})`,
          ),
        ctx.db
          .update(importChunks)
          .set({
            state: 'pending',
            lease: null,
            leaseUntil: 0,
            ...UNTRIED,
            notBefore: 0,
            failed: STILL_FAILED,
          })
          .where(
            sql`job_id = ${jobId} AND clinic_id = ${ctx.clinic.id} AND ${ownsKey} AND EXISTS
              (SELECT 1 FROM staged_rows n WHERE n.job_id = ${repairId}
                AND n.row BETWEEN import_chunks.first_row AND import_chunks.last_row)`,
          ),
      ]
    })
    .catch(async (error: unknown) => {
      throw isStateRefused(error) ? await refusalOf(ctx, kind, jobId, repairId) : error
    })
  if (opId === repairId) log('import.repaired', { clinic: ctx.clinic.id, job: jobId, rows })
}

const newValueOf = (column: 'cells' | 'identity', repairId: string) =>
  sql`(SELECT n.${sql.raw(column)} FROM staged_rows n
    WHERE n.job_id = ${repairId} AND n.row = staged_rows.row)`

const STILL_FAILED = sql`(SELECT count(*) FROM staged_rows r WHERE r.job_id = import_chunks.job_id
  AND r.row BETWEEN import_chunks.first_row AND import_chunks.last_row AND r.status = 'failed')`

const failedRows = (jobId: string, repairId: string) =>
  sql`(SELECT count(*) FROM staged_rows n JOIN staged_rows r ON r.job_id = ${jobId} AND r.row = n.row
    WHERE n.job_id = ${repairId} AND r.status = 'failed')`

/** Why nothing was repaired: the job is not completed, rows did not fail in it, or the upload was removed. */
async function refusalOf(ctx: Ctx, kind: Kind, jobId: string, repairId: string): Promise<Problem> {
  const { state } = await jobOf(ctx, kind.name, jobId)
  if (state !== 'completed')
    return new Problem('import_not_finished', `Only a completed import can be repaired; this one is ${state}`)
  const notFailed = await ctx.db
    .select({ row: stagedRows.row })
    .from(stagedRows)
    .where(
      sql`job_id = ${repairId} AND NOT EXISTS (SELECT 1 FROM staged_rows r
        WHERE r.job_id = ${jobId} AND r.row = staged_rows.row AND r.status = 'failed')`,
    )
    .orderBy(stagedRows.row)
    .limit(FAULTS_MAX)
  const faults = notFailed.map(({ row }) => rowFault(row, 'failed_row', 'is not a failed row of this import'))
  if (faults.length > 0) return badRows(faults, faults.length)
  return new Problem('unavailable', 'The upload took too long; send the file again')
}
