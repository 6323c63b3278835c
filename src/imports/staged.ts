import { type SQL, sql } from 'drizzle-orm'

/** The same thing on an earlier row of the file. The first one counts, whatever order chunks run in. */
export const standsEarlier = (row: 'r' | 'staged_rows'): SQL =>
  sql.raw(`EXISTS (SELECT 1 FROM staged_rows e
    WHERE e.job_id = ${row}.job_id AND e.identity = ${row}.identity AND e.row < ${row}.row)`)
