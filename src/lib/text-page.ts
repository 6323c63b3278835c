import { type SQL, sql } from 'drizzle-orm'
import type { Db } from './db'
import { type Page, writeCursor } from './page'

/** D1 refuses a value above 2 MB, and a page is one. The longest record takes 0.6 MB of it. */
const PAGE_BYTES_MAX = 1_500_000

/**
 * A page whose rows the database writes as JSON, passed on as they are: as objects, a thousand rows would
 * cost twice as much. `select(count)` gives the first `count` rows behind the cursor, as `seq` and `json`,
 * in the order of `seq`. A page of large rows is shorter than it may be; the next one begins where it ends.
 */
export async function textPage(db: Db, select: (count: number) => SQL, size: number): Promise<Page<string>> {
  const found = await db.get<{ found: number; last: number | null; text: string | null }>(sql`
    WITH found AS MATERIALIZED (${select(size + 1)}),
    page AS MATERIALIZED (SELECT * FROM found ORDER BY seq LIMIT ${size})
    SELECT (SELECT count(*) FROM found) AS found, max(seq) AS last,
      CASE WHEN coalesce(sum(octet_length(json)), 0) <= ${PAGE_BYTES_MAX}
        THEN (SELECT coalesce(group_concat(json, ',' ORDER BY seq), '') FROM page) END AS text
    FROM page`)
  if (found.text === null) return textPage(db, select, Math.ceil(size / 2))
  return { rows: [found.text], next: found.found > size ? writeCursor([found.last]) : null }
}
