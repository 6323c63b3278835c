import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { sql } from 'drizzle-orm'
import * as v from 'valibot'
import type { Ctx } from '../context'
import { type Fault, Problem } from '../problem'
import { readCsv } from './csv'
import { badFile } from './file'
import type { Kind } from './kind'
import { stagedRows } from './model'

/**
 * A statement takes as many rows as fit in so much of a request to D1, by measurement (bench/tried.md):
 * smaller ones leave more behind, call by call, and from about 380 KiB on they pile up before V8 collects
 * them.
 */
const STAGED_BYTES = 320 * 1024

/** Faults told one by one. A file with more of them is told how many there are. */
const FAULTS_MAX = 10_000

const ROWS_MAX_USUAL = 100_000

/** Of a row that broke a rule: it is nobody's duplicate, and no identity of a kind is empty. */
const NO_IDENTITY = ''

interface Staged {
  sha256: string
  rows: number
  invalid: number
  /** Of the bad rows that were kept, the first FAULTS_MAX. */
  faults: Fault[]
  faultCount: number
}

/**
 * Reads the file once: every row validated, and packed into D1. A bad row is kept as one that failed, or
 * where `keepsBad` is not said, it refuses the file, and nothing behind it is packed. A file that is broken
 * as a file is refused either way.
 */
export async function stage(
  ctx: Ctx,
  kind: Kind,
  jobId: string,
  file: AsyncIterable<Uint8Array>,
  { keepsBad = false } = {},
): Promise<Staged> {
  const rowsMax = Number(ctx.env.BULK_ROWS_MAX) || ROWS_MAX_USUAL
  const hash = createHash('sha256')
  const schema = kind.row(ctx.clinic)
  const staged = stagingOf(ctx, kind, jobId)
  const faults: Fault[] = []
  let [rows, invalid, faultCount, isBroken] = [0, 0, 0, false]
  for await (const read of readCsv(hashed(file, hash), kind.columns)) {
    const row = read.fault ? { faults: [read.fault] } : checked(schema, read.row, read.cells)
    if ('faults' in row) {
      invalid += 1
      faultCount += row.faults.length
      if (faults.length < FAULTS_MAX) faults.push(...row.faults)
      if (!read.cells) isBroken = true
      else if (keepsBad) await staged.addBad(read.row, read.cells, row.faults)
    } else if (keepsBad || faultCount === 0) await staged.add(read.row, row.cells)
    if (++rows > rowsMax) throw badFile('rows', `The file may have at most ${rowsMax} rows`)
  }
  if (isBroken || (faultCount > 0 && !keepsBad)) throw badRows(faults, faultCount)
  await staged.flush()
  return { sha256: hash.digest('hex'), rows, invalid, faults, faultCount }
}

/** SHA-256 of the file's own bytes: what makes a retry the same request, whatever its multipart boundary. */
export async function sha256Of(file: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of file) hash.update(chunk)
  return hash.digest('hex')
}

export async function* hashed(file: AsyncIterable<Uint8Array>, hash: ReturnType<typeof createHash>) {
  for await (const chunk of file) {
    hash.update(chunk)
    yield chunk
  }
}

export function checked(
  schema: ReturnType<Kind['row']>,
  row: number,
  cells: object,
): { cells: object } | { faults: Fault[] } {
  const parsed = v.safeParse(schema, cells, { abortPipeEarly: true })
  if (parsed.success) return { cells: parsed.output }
  const faults = parsed.issues.map((issue) => {
    const field = v.getDotPath(issue) ?? 'file'
    const rule = issue.type === 'non_empty' ? 'required' : issue.type
    return { row, field, rule, message: `Row ${row}: '${field}' ${issue.message}` }
  })
  return { faults }
}

/** Rows gather here until they are worth a statement. One JSON parameter holds them all, as arrays. */
export function stagingOf(ctx: Ctx, kind: Kind, jobId: string) {
  let waiting: string[] = []
  let bytes = 0
  const flush = async () => {
    if (waiting.length === 0) return
    const packed = `[${waiting.join()}]`
    waiting = []
    bytes = 0
    await ctx.db.insert(stagedRows).select(sql`
      SELECT ${jobId}, value->>0, value->>1, value->>2, iif(value->>3 IS NULL, NULL, 'failed'),
        iif(value->>3 IS NULL, NULL, 'invalid'), NULL, value->>3, 0
      FROM json_each(${packed})`)
  }
  const pack = async (row: number, cells: object, identity: string, faults: string | null) => {
    const packed = JSON.stringify([row, JSON.stringify(cells), identity, faults])
    waiting.push(packed)
    bytes += Buffer.byteLength(JSON.stringify(packed))
    if (bytes >= STAGED_BYTES) await flush()
  }
  const add = async (row: number, cells: object) => {
    const staged = kind.stage(cells, ctx.clinic)
    await pack(row, staged.cells, staged.identity, null)
  }
  const addBad = async (row: number, cells: object, faults: Fault[]) => {
    const told = faults.map(({ field, rule, message }) => ({ field, rule, message }))
    await pack(row, cells, NO_IDENTITY, JSON.stringify(told))
  }
  return { add, addBad, flush }
}

export function badRows(all: Fault[], count: number): Problem {
  const faults = all.slice(0, FAULTS_MAX)
  const sentences = faults.map((fault) => fault.message)
  if (count > faults.length) sentences.push(`${count - faults.length} more faults, ${count} in all`)
  return new Problem('invalid_file', sentences.join('; '), { faults })
}
