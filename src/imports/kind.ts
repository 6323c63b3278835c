import type { SQL } from 'drizzle-orm'
import type * as v from 'valibot'
import type { ActingClinic } from '../context'
import type { Db, Statement } from '../lib/db'
import type { UpstreamReply } from '../upstream/call'
import type { Column } from './csv'
import type { KindName } from './model'

/** A chunk of staged rows whose turn has come. `rows` picks them as `r`; `isLeased` is the lease’s fence. */
interface Turn {
  jobId: string
  clinicId: string
  now: number
  rows: SQL
  isLeased: SQL
}

type Home = Pick<ActingClinic, 'country'>

/** What the machinery has to know of what it imports: a row, and two functions. */
export interface Kind<Cells extends object = object> {
  name: KindName
  columns: readonly Column<string>[]
  /** What a row must be: for some kinds that depends on where the clinic is. */
  row(clinic: Home): v.GenericSchema<unknown, Cells>
  /**
   * What is kept of a row until its turn, each column under its own name, and what makes two rows of a file
   * one (never '').
   */
  stage(cells: Cells, clinic: Home): { cells: object; identity: string }
  /** Makes records of the rows: one statement, and how to tell afterwards what became of a row. */
  commit(db: Db, turn: Turn): { statement: Statement; isCreated: SQL; reason: SQL }
  /** Whether the clinic has what a row of `staged_rows` would make. */
  isKnown(clinicId: string): SQL
  /** The id of the record that became of a row of `staged_rows`. */
  recordId: SQL
  /** Where the records are made, if not here; null where none is configured. */
  upstream?(env: Env): Upstream | null
}

/** A row as it is sent. The key is the same on every try, so that tries make one record. */
interface SentRow {
  key: string
  batchId: string
  cells: string
}

/** Another system that holds the records of a kind. Ours are a copy then. */
export interface Upstream {
  /** Names the gate that all calls pass. */
  gate: string
  create(row: SentRow): Promise<UpstreamReply<{ id: string }>>
  activate(batchId: string, timeoutMs?: number): Promise<UpstreamReply<unknown>>
}
