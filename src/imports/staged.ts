import { type SQL, sql } from 'drizzle-orm'

/** The same thing on an earlier row of the file. The first one counts, whatever order chunks run in. */
export const standsEarlier = (row: 'r' | 'staged_rows'): SQL =>
  sql.raw(`EXISTS (SELECT 1 FROM staged_rows e
    WHERE e.job_id = ${row}.job_id AND e.identity = ${row}.identity AND e.row < ${row}.row)`)

/** What is made of a row gets this id. Padded, so that a list by id is a list by import and row. */
export const newRecordId = (row: 'r' | 'staged_rows'): SQL =>
  sql.raw(`${row}.job_id || printf('-%07d', ${row}.row)`)
