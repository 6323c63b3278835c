import { type SQL, sql } from 'drizzle-orm'
import type { BatchItem } from 'drizzle-orm/batch'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import { isOutage } from './outage'
import { writeCursor } from './page'

export type Db = DrizzleD1Database

/** What `db.batch` takes: all of them in one transaction and one round trip. */
export type Statement = BatchItem<'sqlite'>

/** Whether a statement broke a constraint of this `table.column`. drizzle wraps what D1 says as a cause. */
export function brokeConstraint(error: unknown, column: string): boolean {
  const cause = error instanceof Error ? (error.cause ?? error) : error
  return cause instanceof Error && cause.message.includes(`constraint failed: ${column}`)
}

/** D1 refuses a value above 2 MB, and a page is one. The longest record takes 0.6 MB of it. */
const PAGE_BYTES_MAX = 1_500_000

type Select = (of: { limit: number; offset: number }) => SQL

/** A page as the JSON of an array, and the place where the next one starts (none on the last page). */
export interface TextPage {
  text: string
  next: string | null
}

/**
 * A page that the database writes as JSON, passed on as it is: as objects, a thousand rows would cost twice
 * as much. `select` gives the rows behind the cursor, as `seq` and `json`, in the order of `seq`. A page of
 * large rows is shorter than it may be; the next one begins where it ends.
 */
export async function textPage(db: Db, select: Select, size: number): Promise<TextPage> {
  const page = await writtenPage(db, select, size).catch((error) => {
    // SQLite puts all of a page together before its length is known, and fails where no value may be as long.
    if (size === 1 || isOutage(error)) throw error
    return null
  })
  if (typeof page?.text !== 'string') {
    if (size === 1) throw new RangeError('One record is longer than a page may be')
    return textPage(db, select, Math.ceil(size / 2))
  }
  return { text: page.text, next: page.has_more ? writeCursor([page.last]) : null }
}

/** One pass over the rows. Of a row that only has to be there SQLite writes no JSON. */
const writtenPage = (db: Db, select: Select, size: number) =>
  db.get<{ last: number | null; has_more: number; text: string | null }>(sql`
    SELECT max(seq) AS last, EXISTS (${select({ limit: 1, offset: size })}) AS has_more,
      CASE WHEN coalesce(sum(octet_length(json)), 0) <= ${PAGE_BYTES_MAX}
        THEN '[' || coalesce(group_concat(json), '') || ']' END AS text
    FROM (${select({ limit: size, offset: 0 })})`)
