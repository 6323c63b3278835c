import { type SQL, sql } from 'drizzle-orm'
import type { Db } from './db'
import { type Page, writeCursor } from './page'

/** D1 refuses a value above 2 MB, and a page is one. The longest record takes 0.6 MB of it. */
const PAGE_BYTES_MAX = 1_500_000

type Select = (of: { limit: number; offset: number }) => SQL

/**
 * A page whose rows the database writes as JSON, passed on as they are: as objects, a thousand rows would
 * cost twice as much. `select` gives the rows behind the cursor, as `seq` and `json`, in the order of `seq`.
 * A page of large rows is shorter than it may be; the next one begins where it ends.
 */
export async function textPage(db: Db, select: Select, size: number): Promise<Page<string>> {
  // Of a row that only has to be there SQLite writes no JSON. It keeps the order in which group_concat reads.
  const page = await db.get<{ last: number | null; has_more: number; text: string | null }>(sql`
    WITH page AS MATERIALIZED (${select({ limit: size, offset: 0 })})
    SELECT max(seq) AS last, EXISTS (${select({ limit: 1, offset: size })}) AS has_more,
      CASE WHEN coalesce(sum(octet_length(json)), 0) <= ${PAGE_BYTES_MAX}
        THEN (SELECT coalesce(group_concat(json), '') FROM (SELECT json FROM page ORDER BY seq)) END AS text
    FROM page`)
  if (page.text === null) return textPage(db, select, Math.ceil(size / 2))
  return { rows: [page.text], next: page.has_more ? writeCursor([page.last]) : null }
}
