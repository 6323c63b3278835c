import { type SQL, sql } from 'drizzle-orm'
import type { Db, Statement } from '../lib/db'
import type { Kind } from './kind'
import type { importChunks } from './model'
import type { Upstream } from './upstream'

/**
 * A claimed chunk of an import whose records are made elsewhere, and what the consumer knows of its lease.
 */
export interface Slice {
  db: Db
  env: Env
  kind: Kind
  upstream: Upstream
  chunk: typeof importChunks.$inferSelect
  /** True as long as the lease is ours and the chunk is not done. */
  held: SQL
  /** Ends the job if this chunk, now done, was its last. */
  complete(now: number): Statement
}

export const fenced = ({ jobId, chunk }: Slice['chunk'], held: SQL): SQL =>
  sql`job_id = ${jobId} AND chunk = ${chunk} AND ${held}`

/** What its rows say has become of them. */
export function sumsOf({ jobId, firstRow, lastRow }: Slice['chunk']): { created: SQL; failed: SQL } {
  const count = (status: 'created' | 'failed') => sql`(SELECT count(*) FROM staged_rows r
    WHERE r.job_id = ${jobId} AND r.row BETWEEN ${firstRow} AND ${lastRow} AND r.status = ${status})`
  return { created: count('created'), failed: count('failed') }
}
