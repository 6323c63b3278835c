import type { SQL } from 'drizzle-orm'
import type * as v from 'valibot'
import type { ActingClinic, Ctx } from '../context'
import type { Db, Statement } from '../lib/db'
import { localDate } from '../lib/time'
import type { UpstreamReply } from '../upstream/call'
import type { FileShape } from './file/rows'
import type { KindName } from './model'

/** Rows to make records of. `rows` selects them as `r`; `isLeased` is true while the caller has the lease. */
interface RowsToCommit {
  jobId: string
  clinicId: string
  now: number
  rows: SQL
  isLeased: SQL
}

/** What the rules of a row depend on: the country of phones, and the date at the clinic. */
export interface RowContext {
  country: ActingClinic['country']
  today: string
}

export const rowContext = ({ clinic, now }: Pick<Ctx, 'clinic' | 'now'>): RowContext => ({
  country: clinic.country,
  today: localDate(now, clinic.timeZone),
})

/** What the import code must know about a kind of records: its rows, and how they become records. */
export interface Kind<Cells extends object = object> extends FileShape {
  name: KindName
  /** The rules of a row. For some kinds they depend on the clinic of the key, or on what the key may do. */
  row(ctx: Ctx): v.GenericSchema<unknown, Cells>
  /**
   * `cells`: what is stored of a row until it is imported, each column under its own name. `identity`: equal
   * for two rows of a file that mean the same record (never '').
   */
  stage(cells: Cells, at: RowContext): { cells: object; identity: string }
  /**
   * One statement that makes records of the rows. After it a row `isCreated`, or has a `reason` why it made
   * no record; if `isDuplicate`, that is no failure.
   */
  commit(db: Db, rows: RowsToCommit): { statement: Statement; isCreated: SQL; isDuplicate?: SQL; reason: SQL }
  /**
   * Whether a row of `staged_rows` means the same record as an earlier row of the file. The first row counts,
   * in any order of chunks.
   */
  repeats(clinicId: string): SQL
  /** Whether the clinic already has the record that a row of `staged_rows` would make. */
  isKnown(clinicId: string, now: number): SQL
  /** Why a row of `staged_rows` that keeps every rule and is new would fail all the same, in a dry run. */
  conflict?(clinicId: string): { exists: SQL; field: string; rule: string; sentence: string }
  /**
   * Prepares rows, selected as `r`, and the records that they may meet. Runs before `commit` and `isKnown`.
   */
  prepare?(db: Db, rows: Pick<RowsToCommit, 'clinicId' | 'rows'>): Promise<void>
  /** Columns of which the key may not read the cells. */
  hidden?(ctx: Ctx): readonly string[]
  /** The column that names a row in lists. */
  title: string
  /** The column that names the clinic of a row, for kinds whose rows can belong to several. */
  clinicColumn?: string
  /** The id of the record made from a row of `staged_rows`. */
  recordId: SQL
  /** The other system that makes the records; null if none is configured: then they are made here. */
  upstream?(env: Env): Upstream | null
}

/** A row as it is sent. Every try carries the same key, so that all tries together make one record. */
interface SentRow {
  key: string
  batchId: string
  cells: string
}

/** Another system that owns the records of a kind. Our own table is then a copy. */
export interface Upstream {
  /** The name of the UpstreamGate that all calls must pass. */
  gate: string
  create(row: SentRow): Promise<UpstreamReply<{ id: string }>>
  activate(batchId: string, timeoutMs?: number): Promise<UpstreamReply<unknown>>
}
