import { sql } from 'drizzle-orm'
import * as v from 'valibot'
import { imports, MODES } from '../imports/model'
import type { Accepted } from '../imports/upload'
import { cursor, limit } from '../lib/page'
import { iso, SECOND_MS } from '../lib/time'

const ofChunks = (column: 'created' | 'failed') =>
  sql<number>`(SELECT coalesce(sum(${sql.raw(column)}), 0) FROM import_chunks WHERE job_id = ${imports.id})`

/** What is known of a job: its row and the sums over its chunks. */
export const IMPORT_FACTS = { job: imports, created: ofChunks('created'), failed: ofChunks('failed') }
export interface ImportFacts {
  job: typeof imports.$inferSelect
  created: number
  failed: number
}

export const AcceptedImport = v.pipe(
  v.object({
    job_id: v.string(),
    status: v.literal('pending'),
    message: v.string(),
    total_hospitals: v.number(),
  }),
  v.metadata({ ref: 'AcceptedImport' }),
)
export type AcceptedImport = v.InferOutput<typeof AcceptedImport>

/** Depends on nothing that changes, so that every retry reads the same bytes. */
export const toAccepted = ({ jobId, rows }: Accepted): AcceptedImport => ({
  job_id: jobId,
  status: 'pending',
  message: `Import accepted. Use the job_id to check status at /api/v1/hospitals/status/${jobId}`,
  total_hospitals: rows,
})

/** Depends on nothing that changes, as AcceptedImport. */
export const ReopenedImport = v.pipe(
  v.object({ job_id: v.string(), status: v.literal('processing'), message: v.string() }),
  v.metadata({ ref: 'ReopenedImport' }),
)

export const toReopened = (jobId: string, what: string): v.InferOutput<typeof ReopenedImport> => ({
  job_id: jobId,
  status: 'processing',
  message: `${what}. Use the job_id to check status at /api/v1/hospitals/status/${jobId}`,
})

const State = v.picklist(['pending', 'processing', 'completed', 'failed', 'cancelled'])

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

const REASONS = ['duplicate_in_file', 'duplicate_in_directory', 'invalid'] as const

/** `reason` stands with failed rows only, `faults` with those of a partial import that broke a rule. */
export const ImportedRow = v.pipe(
  v.object({
    row: v.number(),
    name: v.string(),
    status: v.picklist(['created', 'created_and_activated', 'failed']),
    reason: v.optional(v.picklist(REASONS)),
    faults: v.optional(v.array(v.object({ field: v.string(), rule: v.string(), message: v.string() }))),
  }),
  v.metadata({ ref: 'ImportedRow' }),
)

const ImportResult = v.pipe(
  v.object({
    batch_id: v.string(),
    total_hospitals: v.number(),
    processed_hospitals: v.number(),
    failed_hospitals: v.number(),
    processing_time_seconds: v.nullable(v.number()),
    batch_activated: v.boolean(),
    hospitals: v.array(ImportedRow),
  }),
  v.metadata({ ref: 'ImportResult' }),
)

/** `processed_hospitals` counts rows that became hospitals; `result` is there once the job is completed. */
export const ImportStatus = v.pipe(
  v.object({
    job_id: v.string(),
    status: State,
    total_hospitals: v.number(),
    processed_hospitals: v.number(),
    failed_hospitals: v.number(),
    progress_percentage: v.number(),
    message: v.string(),
    started_at: v.nullable(v.string()),
    completed_at: v.nullable(v.string()),
    processing_time_seconds: v.nullable(v.number()),
    result: v.nullable(ImportResult),
    error: v.nullable(v.string()),
  }),
  v.metadata({ ref: 'ImportStatus' }),
)
export type ImportStatus = v.InferOutput<typeof ImportStatus>

const ImportSummary = v.pipe(
  v.object({
    job_id: v.string(),
    batch_id: v.string(),
    status: State,
    total_hospitals: v.number(),
    processed_hospitals: v.number(),
    failed_hospitals: v.number(),
    progress_percentage: v.number(),
    batch_activated: v.boolean(),
    created_at: v.string(),
    started_at: v.nullable(v.string()),
    completed_at: v.nullable(v.string()),
    error: v.nullable(v.string()),
  }),
  v.metadata({ ref: 'ImportSummary' }),
)
export type ImportSummary = v.InferOutput<typeof ImportSummary>

export const ImportJobs = v.pipe(
  v.object({ total_jobs: v.number(), jobs: v.array(ImportSummary) }),
  v.metadata({ ref: 'ImportJobs' }),
)

export const ListImports = v.object({ limit: limit(100), cursor: cursor(v.string()) })
export type ListImports = v.InferOutput<typeof ListImports>

/** `?rows=`: of a completed job's rows, a page of those. Without it, all of them at once. */
export const ListRows = v.object({
  rows: v.optional(v.picklist(['failed', 'created', 'all'])),
  limit: limit(100),
  cursor: cursor(v.number()),
})
export type ListRows = v.InferOutput<typeof ListRows>

export const ActivatedBatch = v.pipe(
  v.object({ batch_id: v.string(), activated: v.boolean(), message: v.string() }),
  v.metadata({ ref: 'ActivatedBatch' }),
)
export type ActivatedBatch = v.InferOutput<typeof ActivatedBatch>

/** `now` ends the clock of a job that is still running. */
export function toStatus({ job, created, failed }: ImportFacts, now: number): ImportStatus {
  const seconds = processingSeconds(job, now)
  const counts = {
    total_hospitals: job.totalRows,
    processed_hospitals: created,
    failed_hospitals: failed,
  }
  return {
    job_id: job.id,
    status: job.state,
    ...counts,
    progress_percentage: progress(job.totalRows, created + failed),
    message: sentence({ job, created, failed }),
    started_at: isoOrNull(job.startedAt),
    completed_at: isoOrNull(job.completedAt),
    processing_time_seconds: seconds,
    result:
      job.state === 'completed'
        ? {
            batch_id: job.batchId,
            ...counts,
            processing_time_seconds: seconds,
            batch_activated: job.activatedAt !== null,
            hospitals: [],
          }
        : null,
    error: job.error,
  }
}

export const toSummary = ({ job, created, failed }: ImportFacts): ImportSummary => ({
  job_id: job.id,
  batch_id: job.batchId,
  status: job.state,
  total_hospitals: job.totalRows,
  processed_hospitals: created,
  failed_hospitals: failed,
  progress_percentage: progress(job.totalRows, created + failed),
  batch_activated: job.activatedAt !== null,
  created_at: iso(job.createdAt),
  started_at: isoOrNull(job.startedAt),
  completed_at: isoOrNull(job.completedAt),
  error: job.error,
})

/** Rounded down: 100 is said only when it is so. */
const progress = (total: number, done: number): number => Math.floor((done / total) * 10_000) / 100

const isoOrNull = (ms: number | null): string | null => (ms === null ? null : iso(ms))

const processingSeconds = ({ startedAt, completedAt }: ImportFacts['job'], now: number): number | null =>
  startedAt === null ? null : Math.max(0, (completedAt ?? now) - startedAt) / SECOND_MS

function sentence({ job, created, failed }: ImportFacts): string {
  const done = `${created} hospitals created, ${failed} rows failed`
  if (job.state === 'pending') return 'The import waits for its turn'
  if (job.state === 'processing') return `The import is running: ${done} of ${job.totalRows} rows so far`
  if (job.state === 'failed')
    return `The import was given up because a part of it failed again and again: ${done}`
  if (job.state === 'cancelled')
    return `The import was cancelled: ${done}, ${job.totalRows - created - failed} rows are not done`
  return `The import is completed: ${done}`
}
