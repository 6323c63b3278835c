import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { and, eq, type SQL, sql } from 'drizzle-orm'
import * as v from 'valibot'
import type { Ctx } from '../context'
import { ruleOf } from '../http/failure'
import type { Db } from '../lib/db'
import { logFailure } from '../lib/log'
import { MINUTE_MS } from '../lib/time'
import { type Fault, Problem } from '../problem'
import { badFile } from './file/bytes'
import { type FileNotes, NO_NOTES } from './file/header'
import { type ArrivingFile, readRows } from './file/rows'
import { type Kind, rowContext } from './kind'
import { imports, stagedRows } from './model'
import { counted } from './status'
import { type ChunkRange, openChunks } from './work/chunk'

/**
 * The rows of one INSERT as bytes of a request to D1, by measurement (bench/tried.md): smaller statements
 * leave more garbage in all, and from about 380 KiB on they pile up before V8 collects them.
 */
const STAGED_BYTES = 320 * 1024

/** Faults that the reply lists. For a file with more faults it adds their number. */
const FAULTS_MAX = 10_000

const ROWS_MAX_USUAL = 100_000

/** The identity of a row that broke a rule: it duplicates no row, because no kind has empty identities. */
const NO_IDENTITY = ''

export interface Staged {
  sha256: string
  notes: FileNotes
  rows: number
  chunks: ChunkRange[]
  invalid: number
  /** Of the bad rows that were stored, the first FAULTS_MAX. */
  faults: Fault[]
  faultCount: number
}

/**
 * Reads the file once: validates every row and packs it into D1. With `keepsBad` a bad row is stored as a
 * failed row; without it, a bad row refuses the file and no later row is packed. A file with a fault of the
 * whole file, like a missing column, is always refused.
 */
export async function stage(
  ctx: Ctx,
  kind: Kind,
  jobId: string,
  file: ArrivingFile,
  { keepsBad = false } = {},
): Promise<Staged> {
  const rowsMax = Number(ctx.env.BULK_ROWS_MAX) || ROWS_MAX_USUAL
  const hash = createHash('sha256')
  const schema = kind.row(ctx)
  const staged = openStaging(ctx, kind, jobId)
  const faults: Fault[] = []
  const chunks = openChunks()
  let notes = NO_NOTES
  let [rows, invalid, faultCount, isBroken] = [0, 0, 0, false]
  const onNotes = (found: FileNotes) => {
    notes = found
  }
  for await (const read of readRows(hashed(file, hash), kind, onNotes)) {
    let bytes = 0
    const row = read.fault ? { faults: [read.fault] } : validateRow(schema, read.row, read.cells)
    if ('faults' in row) {
      invalid += 1
      faultCount += row.faults.length
      if (faults.length < FAULTS_MAX) faults.push(...row.faults)
      if (!read.cells) isBroken = true
      else if (keepsBad) bytes = await staged.addBad(read.row, read.cells, row.faults)
    } else if (keepsBad || faultCount === 0) bytes = await staged.add(read.row, row.cells)
    chunks.add(read.row, bytes)
    if (++rows > rowsMax) throw badFile('rows', `The file may have at most ${counted(rowsMax, 'rows')}`)
  }
  if (isBroken || (faultCount > 0 && !keepsBad)) throw badRows(faults, faultCount)
  await staged.flush()
  return { sha256: hash.digest('hex'), notes, rows, chunks: chunks.ranges, invalid, faults, faultCount }
}

/** SHA-256 of the file's bytes only: a retry with another multipart boundary is still the same request. */
export async function sha256Of(file: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of file) hash.update(chunk)
  return hash.digest('hex')
}

/** The file, whose bytes are also hashed as they are read. */
export function hashed(file: ArrivingFile, hash: ReturnType<typeof createHash>): ArrivingFile {
  async function* bytes() {
    for await (const chunk of file.bytes) {
      hash.update(chunk)
      yield chunk
    }
  }
  return { ...file, bytes: bytes() }
}

export function validateRow(
  schema: ReturnType<Kind['row']>,
  row: number,
  cells: object,
): { cells: object } | { faults: Fault[] } {
  const parsed = v.safeParse(schema, cells, { abortPipeEarly: true })
  if (parsed.success) return { cells: parsed.output }
  const faults = parsed.issues.map((issue) => {
    const field = v.getDotPath(issue) ?? 'file'
    const [rule, sentence] = ruleOf(issue)
    return { row, field, rule, message: `Row ${row}: '${field}' ${sentence}` }
  })
  return { faults }
}

/**
 * Collects rows until they fill a statement. One JSON parameter holds all of them, as arrays. Answers the
 * bytes of each row there.
 */
export function openStaging(ctx: Ctx, kind: Kind, jobId: string) {
  const at = rowContext(ctx)
  let packedRows: string[] = []
  let bytes = 0
  const flush = async () => {
    if (packedRows.length === 0) return
    const packed = `[${packedRows.join()}]`
    packedRows = []
    bytes = 0
    await ctx.db.insert(stagedRows).select(sql`
      SELECT ${jobId}, value->>0, value->>1, value->>2, iif(value->>3 IS NULL, NULL, 'failed'),
        iif(value->>3 IS NULL, NULL, 'invalid'), NULL, value->>3, 0
      FROM json_each(${packed})`)
  }
  const pack = async (row: number, cells: object, identity: string, faults: string | null) => {
    const packed = JSON.stringify([row, JSON.stringify(cells), identity, faults])
    const packedBytes = Buffer.byteLength(JSON.stringify(packed))
    packedRows.push(packed)
    bytes += packedBytes
    if (bytes >= STAGED_BYTES) await flush()
    return packedBytes
  }
  const add = async (row: number, cells: object) => {
    const staged = kind.stage(cells, at)
    return pack(row, staged.cells, staged.identity, null)
  }
  const addBad = async (row: number, cells: Record<string, unknown>, faults: Fault[]) => {
    const kept = trimmed(kind, row, cells)
    const stored = [...faults, ...kept.faults].map(({ field, rule, message }) => ({ field, rule, message }))
    return pack(row, kept.cells, NO_IDENTITY, JSON.stringify(stored))
  }
  return { add, addBad, flush }
}

/** Bad cells are kept for people who correct them; a cell beyond this length is none of ours. */
const KEPT_CHARACTERS_MAX_USUAL = 2_000

function trimmed({ columns }: Kind, row: number, cells: Record<string, unknown>) {
  const faults: Fault[] = []
  const kept = Object.entries(cells).map(([field, value]) => {
    const max = columns.find(({ name }) => name === field)?.keptCharactersMax ?? KEPT_CHARACTERS_MAX_USUAL
    const cell = typeof value === 'string' ? value.toWellFormed() : JSON.stringify(value)
    if (cell.length <= max) return [field, cell]
    const message = `Row ${row}: of '${field}' only the first ${max} characters were kept`
    faults.push({ row, field, rule: 'trimmed', message })
    return [field, cell.slice(0, max).replace(HALF_CHARACTER, '')]
  })
  return { cells: Object.fromEntries(kept) as Record<string, string>, faults }
}

/** What is left of a character that was cut in two, like an emoji. */
const HALF_CHARACTER = /[\uD800-\uDBFF]$/

/** `opening` stands before the faults, and is no fault itself. */
export function badRows(all: Fault[], count: number, ...opening: string[]): Problem {
  const faults = all.slice(0, FAULTS_MAX)
  const sentences = [...opening, ...faults.map((fault) => fault.message)]
  if (count > faults.length)
    sentences.push(`${counted(count - faults.length, 'more faults')}, ${count} in all`)
  return new Problem('invalid_file', sentences.join('; '), { faults })
}

/** An upload that is no job after this time counts as dead, and its rows are removed. */
const UPLOAD_MS_MAX = 15 * MINUTE_MS

/**
 * Receives a file under an id that is no job. The BulkJob object watches from the first row on, so that it
 * removes the rows after a crash; the rows of a refused file are removed here.
 */
export async function receiveUpload<Received>(
  ctx: Ctx,
  uploadId: string,
  receive: () => Promise<Received>,
): Promise<Received> {
  await watcherOf(ctx, uploadId).watch(ctx.clinic.id, ctx.now + UPLOAD_MS_MAX)
  try {
    return await receive()
  } catch (error) {
    await discard(ctx, uploadId).catch((failure) => logFailure('import.discard', failure, { job: uploadId }))
    throw error
  }
}

/** Removes rows that no job owns, and ends the watch of the upload. */
export async function discard(ctx: Ctx, uploadId: string): Promise<void> {
  if (await removeUpload(ctx.db, ctx.clinic.id, uploadId)) await watcherOf(ctx, uploadId).forget()
}

/** Whether the upload was removed. If it has just become a job, its rows stay. */
export async function removeUpload(db: Db, clinicId: string, uploadId: string): Promise<boolean> {
  const [, job] = await db.batch([
    removeRows(db, uploadId),
    db.select({ id: imports.id }).from(imports).where(isJobOfClinic(clinicId, uploadId)),
  ])
  return job.length === 0
}

export const removeRows = (db: Db, uploadId: string) =>
  db.delete(stagedRows).where(sql`job_id = ${uploadId} AND NOT ${jobExists(uploadId)}`)

export const jobExists = (jobId: string): SQL => sql`EXISTS (SELECT 1 FROM imports WHERE id = ${jobId})`

export const isJobOfClinic = (clinicId: string, jobId: string) =>
  and(eq(imports.clinicId, clinicId), eq(imports.id, jobId))

export const watcherOf = (ctx: Ctx, jobId: string) => ctx.env.BULK_JOB.getByName(jobId)

export const FAULT = { field: v.string(), rule: v.string(), message: v.string() }
