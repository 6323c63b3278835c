import { createHash } from 'node:crypto'
import { sql } from 'drizzle-orm'
import * as v from 'valibot'
import type { Ctx } from '../context'
import { type Fault, Problem } from '../problem'
import { readCsv } from './csv'
import { badFile } from './file'
import type { Kind } from './kind'
import { stagedRows } from './model'

/** A statement takes this many rows, or as many as fit in so much JSON: D1 refuses parameters above 2 MB. */
const STAGED_ROWS = 500
const STAGED_CHARACTERS = 256 * 1024

/** Faults told one by one. A file with more of them is told how many there are. */
const FAULTS_MAX = 10_000

const ROWS_MAX_USUAL = 100_000

/** Reads the file once: every row validated, and packed into D1 as long as the file has no fault. */
export async function stage(
  ctx: Ctx,
  kind: Kind,
  jobId: string,
  file: AsyncIterable<Uint8Array>,
): Promise<{ sha256: string; rows: number }> {
  const rowsMax = Number(ctx.env.BULK_ROWS_MAX) || ROWS_MAX_USUAL
  const hash = createHash('sha256')
  const schema = kind.row(ctx.clinic)
  const staged = stagingOf(ctx, kind, jobId)
  const faults: Fault[] = []
  let [rows, faultCount] = [0, 0]
  for await (const read of readCsv(hashed(file, hash), kind.columns)) {
    const row = 'fault' in read ? { faults: [read.fault] } : checked(schema, read.row, read.cells)
    if ('faults' in row) {
      faultCount += row.faults.length
      if (faults.length < FAULTS_MAX) faults.push(...row.faults)
    } else if (faultCount === 0) await staged.add(read.row, row.cells)
    if (++rows > rowsMax) throw badFile('rows', `The file may have at most ${rowsMax} rows`)
  }
  if (faultCount > 0) throw badRows(faults.slice(0, FAULTS_MAX), faultCount)
  await staged.flush()
  return { sha256: hash.digest('hex'), rows }
}

/** SHA-256 of the file's own bytes: what makes a retry the same request, whatever its multipart boundary. */
export async function sha256Of(file: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of file) hash.update(chunk)
  return hash.digest('hex')
}

async function* hashed(file: AsyncIterable<Uint8Array>, hash: ReturnType<typeof createHash>) {
  for await (const chunk of file) {
    hash.update(chunk)
    yield chunk
  }
}

function checked(
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
function stagingOf(ctx: Ctx, kind: Kind, jobId: string) {
  let waiting: string[] = []
  let characters = 0
  const flush = async () => {
    if (waiting.length === 0) return
    const packed = `[${waiting.join()}]`
    waiting = []
    characters = 0
    await ctx.db.insert(stagedRows).select(sql`
      SELECT ${jobId}, value->>0, value->>1, value->>2, NULL, NULL, NULL, NULL, 0
      FROM json_each(${packed})`)
  }
  const add = async (row: number, cells: object) => {
    const staged = kind.stage(cells, ctx.clinic)
    const packed = JSON.stringify([row, JSON.stringify(staged.cells), staged.identity])
    waiting.push(packed)
    characters += packed.length
    if (waiting.length >= STAGED_ROWS || characters >= STAGED_CHARACTERS) await flush()
  }
  return { add, flush }
}

function badRows(faults: Fault[], count: number): Problem {
  const sentences = faults.map((fault) => fault.message)
  if (count > faults.length) sentences.push(`${count - faults.length} more faults, ${count} in all`)
  return new Problem('invalid_file', sentences.join('; '), { faults })
}
