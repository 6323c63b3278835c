import { sql } from 'drizzle-orm'
import * as v from 'valibot'
import { cursor, limit } from '../lib/page'
import { iso, SECOND_MS } from '../lib/time'
import { imports, MODES } from './model'

const ofChunks = (column: 'created' | 'failed') =>
  sql<number>`(SELECT coalesce(sum(${sql.raw(column)}), 0) FROM import_chunks WHERE job_id = ${imports.id})`

/** What is known of a job: its row and the sums over its chunks. */
export const IMPORT_FACTS = { job: imports, created: ofChunks('created'), failed: ofChunks('failed') }
export interface ImportFacts {
  job: typeof imports.$inferSelect
  created: number
  failed: number
}

/** What every status of a job tells, whatever its rows are. Each kind adds its counts under its own name. */
export const PROGRESS = {
  job_id: v.string(),
  status: v.picklist(['pending', 'processing', 'completed', 'failed', 'cancelled']),
  progress_percentage: v.number(),
  started_at: v.nullable(v.string()),
  completed_at: v.nullable(v.string()),
  error: v.nullable(v.string()),
}

export const toProgress = ({ job, created, failed }: ImportFacts) => ({
  job_id: job.id,
  status: job.state,
  progress_percentage: percentage(job.totalRows, created + failed),
  started_at: isoOrNull(job.startedAt),
  completed_at: isoOrNull(job.completedAt),
  error: job.error,
})

/** Rounded down: 100 is said only when it is so. */
const percentage = (total: number, done: number): number => Math.floor((done / total) * 10_000) / 100

export const isoOrNull = (ms: number | null): string | null => (ms === null ? null : iso(ms))

/** A pause that is over needs nobody to clear it. */
export const pausedUntil = ({ state, pausedUntil: until }: ImportFacts['job'], now: number): number | null =>
  state === 'processing' && until !== null && until > now ? until : null

/** `now` ends the clock of a job that is still running. */
export const processingSeconds = ({ startedAt, completedAt }: ImportFacts['job'], now: number) =>
  startedAt === null ? null : Math.max(0, (completedAt ?? now) - startedAt) / SECOND_MS

/** `records`: what rows become. */
export function sentence({ job, created, failed }: ImportFacts, records: string): string {
  const done = `${created} ${records} created, ${failed} rows failed`
  if (job.state === 'pending') return 'The import waits for its turn'
  if (job.state === 'processing') return `The import is running: ${done} of ${job.totalRows} rows so far`
  if (job.state === 'failed')
    return `The import was given up because a part of it failed again and again: ${done}`
  if (job.state === 'cancelled')
    return `The import was cancelled: ${done}, ${job.totalRows - created - failed} rows are not done`
  return `The import is completed: ${done}`
}

/** Of a row that broke a rule. */
export const RowFaults = v.array(v.object({ field: v.string(), rule: v.string(), message: v.string() }))

/** `mode`: what becomes of a file with bad rows. `dry_run`: only tell what the import would do. */
export const UploadOptions = v.object({
  mode: v.optional(v.picklist(MODES), 'strict'),
  dry_run: v.optional(
    v.pipe(
      v.picklist(['true', 'false']),
      v.transform((text) => text === 'true'),
    ),
    'false',
  ),
})

/** What an import would do: `create + duplicate + invalid = total`; of the faults the first 1,000. */
export const DryRun = v.pipe(
  v.object({
    create: v.number(),
    duplicate: v.number(),
    invalid: v.number(),
    total: v.number(),
    faults: v.array(
      v.object({
        row: v.optional(v.number()),
        field: v.string(),
        rule: v.string(),
        message: v.string(),
      }),
    ),
  }),
  v.metadata({ ref: 'DryRun' }),
)

/** `?rows=`: of a completed job's rows, a page of those. Without it, all of them at once. */
export const ListRows = v.object({
  rows: v.optional(v.picklist(['failed', 'created', 'all'])),
  limit: limit(100),
  cursor: cursor(v.number()),
})
export type ListRows = v.InferOutput<typeof ListRows>

export const ListImports = v.object({ limit: limit(100), cursor: cursor(v.string()) })
export type ListImports = v.InferOutput<typeof ListImports>
