import { DurableObject } from 'cloudflare:workers'
import { together } from './together'

/**
 * D1 on one machine: the protocol of D1's binding over the SQLite database of one object. The databases of
 * `wrangler dev` are objects of the same key and names, so both open the same file.
 */

type Value = string | number | null

interface Query {
  sql: string
  /** An array is a blob, a number for each byte. */
  params?: (Value | number[])[] | null
}

interface Answer {
  success: true
  results: { columns: string[]; rows: unknown[][] } | Record<string, unknown>[]
  meta: Meta
}

interface Meta {
  served_by: string
  served_by_primary: true
  total_attempts: 1
  timings: { sql_duration_ms: number }
  duration: number
  changes: number
  last_row_id: number
  changed_db: boolean
  size_after: number
  rows_read: number
  rows_written: number
}

/** What SQLite has counted since the object woke. */
interface Counts {
  changes: number
  rowId: number
  size: number
}

const COUNTS = 'SELECT total_changes() AS changes, last_insert_rowid() AS rowId'

/** The header by which a session asks for at least the state it has seen. */
const BOOKMARK = 'x-cf-d1-session-commit-token'

const SERVED_BY = 'doctorday'

/**
 * A constraint that SQLite checks at the commit, or a conflict that takes the whole transaction back, would
 * fail all that commits together. A statement or a schema that has such words is committed alone.
 */
const ALONE = /defer|rollback/i
const HAS_ALONE = `SELECT 1 FROM sqlite_schema WHERE sql LIKE '%defer%' OR sql LIKE '%rollback%' LIMIT 1`

export class D1DatabaseObject extends DurableObject<{ DATABASES: DurableObjectNamespace }> {
  readonly #together = together()
  readonly #sql = this.ctx.storage.sql
  /** Within a transaction, after its last write. */
  #counts: Counts | undefined
  #lastRowId = 0
  #isAlone = this.#commitsAlone()

  /** One query, or a batch of them, which is one transaction. */
  override async fetch(request: Request): Promise<Response> {
    const body = await request.json<Query | Query[]>()
    const queries = (Array.isArray(body) ? body : [body]).filter(({ sql }) => !isEmpty(sql))
    const asObjects = !request.url.includes('ROWS_AND_COLUMNS')
    const headers = new Headers()
    try {
      if (queries.length === 0) throw new Error('No SQL statements detected.')
      const answers = await this.#transaction(
        () => queries.map((query) => this.#execute(query, asObjects)),
        queries,
      )
      if (request.headers.has(BOOKMARK)) headers.set(BOOKMARK, await this.ctx.storage.getCurrentBookmark())
      return Response.json(answers, { headers })
    } catch (error) {
      return Response.json({ success: false, error: error instanceof Error ? error.message : String(error) })
    }
  }

  /** What SQLite writes by itself at a commit counts for no query. */
  async #transaction<Result>(work: () => Result, queries: Query[]): Promise<Result> {
    const counting = () => {
      this.#counts = undefined
      return work()
    }
    const { storage } = this.ctx
    // What only reads shares no commit, and waits for none.
    if (queries.every(({ sql }) => READS.test(sql))) return work()
    if (this.#isAlone || queries.some(({ sql }) => ALONE.test(sql))) return this.#alone(counting)
    return this.#together.run(() => storage.transactionSync(counting))
  }

  /** A request that ran meanwhile would be a part of this transaction, and of its failure. */
  async #alone<Result>(work: () => Result): Promise<Result> {
    // The object would be reset if this threw.
    const outcome = await this.ctx.blockConcurrencyWhile(async () => {
      try {
        return { result: await this.ctx.storage.transaction(async () => work()) }
      } catch (error) {
        return { error }
      }
    })
    if ('error' in outcome) throw outcome.error
    return outcome.result
  }

  #execute({ sql, params }: Query, asObjects: boolean): Answer {
    const before = READS.test(sql) ? null : (this.#counts ?? this.#counted())
    const startedAt = performance.now()
    const cursor = this.#sql.exec<Record<string, SqlStorageValue>>(sql, ...(params ?? []).map(bound))
    const columns = cursor.columnNames
    const rows = Array.from(cursor.raw(), answered)
    const duration = performance.now() - startedAt
    if (ALONE.test(sql)) this.#isAlone = this.#commitsAlone()
    const { rowsRead, rowsWritten } = cursor
    return {
      success: true,
      results: asObjects ? rows.map((row) => objectOf(columns, row)) : { columns, rows },
      meta: {
        ...metaOf(duration),
        ...this.#changesSince(before),
        rows_read: rowsRead,
        rows_written: rowsWritten,
      },
    }
  }

  #changesSince(before: Counts | null) {
    const size_after = this.#sql.databaseSize
    if (!before) return { changes: 0, last_row_id: this.#lastRowId, changed_db: false, size_after }
    const now = this.#counted()
    this.#counts = now
    this.#lastRowId = now.rowId
    return {
      changes: now.changes - before.changes,
      last_row_id: now.rowId,
      changed_db: now.changes !== before.changes || now.rowId !== before.rowId || now.size !== before.size,
      size_after,
    }
  }

  #counted(): Counts {
    const { changes, rowId } = this.#sql.exec<{ changes: number; rowId: number }>(COUNTS).one()
    return { changes, rowId, size: this.#sql.databaseSize }
  }

  #commitsAlone(): boolean {
    return this.#sql.exec(HAS_ALONE).toArray().length > 0
  }
}

/** A text that can change nothing: no second statement follows. */
const READS = /^\s*SELECT\b[^;]*;?\s*$/i

const isEmpty = (sql: string): boolean => sql.replace(/^\s+--.*/gm, '').trim().length === 0

const bound = (value: Value | number[]): Value | ArrayBuffer =>
  Array.isArray(value) ? Uint8Array.from(value).buffer : value

/** JSON has no blobs: they are arrays of bytes. */
const answered = (row: SqlStorageValue[]): unknown[] =>
  row.some((value) => value instanceof ArrayBuffer)
    ? row.map((value) => (value instanceof ArrayBuffer ? Array.from(new Uint8Array(value)) : value))
    : row

const objectOf = (columns: string[], row: unknown[]) =>
  Object.fromEntries(columns.map((name, index) => [name, row[index]]))

const metaOf = (duration: number) => ({
  served_by: SERVED_BY,
  served_by_primary: true as const,
  total_attempts: 1 as const,
  timings: { sql_duration_ms: duration },
  duration,
})

/** Names the database that the binding means. */
export default {
  fetch(request: Request, env: { DATABASES: DurableObjectNamespace; NAME: string }): Promise<Response> {
    return env.DATABASES.get(env.DATABASES.idFromName(env.NAME)).fetch(request)
  },
}
