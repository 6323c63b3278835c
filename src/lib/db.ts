import { type SQL, sql } from 'drizzle-orm'
import type { BatchItem } from 'drizzle-orm/batch'
import { type DrizzleD1Database, drizzle } from 'drizzle-orm/d1'
import { isOutage } from './outage'
import { writeCursor } from './page'

export type Db = DrizzleD1Database

const databases = new WeakMap<D1Database, Db>()

/** One for each binding: it holds nothing of a request. */
export function databaseOf(binding: D1Database): Db {
  const known = databases.get(binding)
  if (known) return known
  const db = drizzle(binding)
  databases.set(binding, db)
  return db
}

/** A statement for `db.batch`, which runs its statements in one transaction and one round trip. */
export type Statement = BatchItem<'sqlite'>

/** Whether a statement broke a constraint of this `table.column`. drizzle wraps D1's error as its cause. */
export function brokeConstraint(error: unknown, column: string): boolean {
  const cause = error instanceof Error ? (error.cause ?? error) : error
  return cause instanceof Error && cause.message.includes(`constraint failed: ${column}`)
}

/** D1 refuses a value above 2 MB, and a page is one value. The longest record takes 0.6 MB of it. */
const PAGE_BYTES_MAX = 1_500_000

/** Selects at most `limit` rows whose `seq` is greater than `after`, in the order of `seq`. */
export type Select = (of: { after: SQL; limit: number }) => SQL

/**
 * Stands for each quote of a page on its way from D1: an answer of D1 is JSON itself, in which each quote
 * would be escaped, which is most of what a page costs. The query writes a U+007F of the page as `\u007f`.
 */
const MARK = '\x7f'

/** The text in which MARK stands for quotes. */
export const unmarked = (marked: string): string => marked.replaceAll(MARK, '"')

/** The same in UTF-8, where no other character has the byte of MARK. */
export function unmarkedBytes(marked: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Buffer.byteLength(marked))
  new TextEncoder().encodeInto(marked, bytes)
  const [mark, quote] = [MARK.charCodeAt(0), '"'.charCodeAt(0)]
  for (let n = 0; n < bytes.length; n += 1) if (bytes[n] === mark) bytes[n] = quote
  return bytes
}

/** The JSON of an array, with marks, and the cursor of the next page (null on the last page). */
export interface TextPage {
  marked: string
  next: string | null
}

/**
 * Passes on a page that the database writes as JSON: parsed into objects, a thousand rows would cost twice as
 * much. `select` returns `seq` and `json`. A page of large rows has fewer rows than asked for; the next page
 * begins where it ends.
 */
export async function textPage(db: Db, select: Select, size: number, after = 0): Promise<TextPage> {
  const { marked, last, hasMore } = await jsonPage(db, select, size, after)
  return { marked, next: hasMore ? writeCursor([last]) : null }
}

/** `last` is the `seq` of the last row, after which the next page begins. `size` is how many rows fitted. */
export interface JsonPage {
  marked: string
  last: number
  hasMore: boolean
  size: number
}

/** As `textPage`, for a caller who reads on. */
export async function jsonPage(db: Db, select: Select, size: number, after: number): Promise<JsonPage> {
  const page = await queryPage(db, select, size, after).catch((error) => {
    // SQLite builds the whole page before its length is known, and fails if no value may be that long.
    if (size === 1 || isOutage(error)) throw error
    return null
  })
  if (typeof page?.marked !== 'string') {
    if (size === 1) throw new RangeError('One record is longer than a page may be')
    return jsonPage(db, select, Math.ceil(size / 2), after)
  }
  return { marked: page.marked, last: page.last ?? 0, hasMore: Boolean(page.has_more), size }
}

/** Reads the rows once, and no row that follows them but one. */
const queryPage = (db: Db, select: Select, size: number, after: number) =>
  db.get<{ last: number | null; has_more: number; marked: string | null }>(sql`
    SELECT last, marked, EXISTS (${select({ after: sql`last`, limit: 1 })}) AS has_more
    FROM (
      SELECT max(seq) AS last, CASE WHEN coalesce(sum(octet_length(json)), 0) <= ${PAGE_BYTES_MAX}
        THEN replace(replace('[' || coalesce(group_concat(json), '') || ']', char(127), '\\u007f'),
          '"', char(127)) END AS marked
      FROM (${select({ after: sql`${after}`, limit: size })})
    )`)
