import * as v from 'valibot'
import {
  type ImportFacts,
  isoOrNull,
  PROGRESS,
  pausedUntil,
  processingSeconds,
  RowFaults,
  sentence,
  toProgress,
} from '../imports/job'
import type { Accepted } from '../imports/upload'
import { PACE, type Pace } from '../imports/watch'
import { iso } from '../lib/time'

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

/**
 * With failed rows only. The last three come of an upstream: it said no, it could not be reached, or nobody
 * knows whether the hospital is there.
 */
const Reason = v.picklist([
  'duplicate_in_file',
  'duplicate_in_directory',
  'invalid',
  'refused_by_directory',
  'directory_unavailable',
  'unknown_outcome',
])

/** `faults` stand with rows of a partial import that broke a rule. */
const ImportedRow = v.pipe(
  v.object({
    row: v.number(),
    name: v.string(),
    status: v.picklist(['created', 'created_and_activated', 'failed']),
    reason: v.optional(Reason),
    faults: v.optional(RowFaults),
  }),
  v.metadata({ ref: 'ImportedRow' }),
)

const COUNTS = {
  total_hospitals: v.number(),
  processed_hospitals: v.number(),
  failed_hospitals: v.number(),
}

const ImportResult = v.pipe(
  v.object({
    batch_id: v.string(),
    ...COUNTS,
    processing_time_seconds: v.nullable(v.number()),
    batch_activated: v.boolean(),
    hospitals: v.array(ImportedRow),
  }),
  v.metadata({ ref: 'ImportResult' }),
)

/** `processed_hospitals` counts rows that became hospitals; `result` is there once the job is completed. */
export const ImportStatus = v.pipe(
  v.object({
    ...PROGRESS,
    ...COUNTS,
    message: v.string(),
    processing_time_seconds: v.nullable(v.number()),
    result: v.nullable(ImportResult),
    /** Until when the work rests because the upstream is closed; it goes on by itself. */
    paused_until: v.nullable(v.string()),
  }),
  v.metadata({ ref: 'ImportStatus' }),
)
export type ImportStatus = v.InferOutput<typeof ImportStatus>

/** One event of an import that somebody follows. */
export const ImportProgress = v.pipe(
  v.object({ ...PROGRESS, ...COUNTS, ...PACE }),
  v.metadata({ ref: 'ImportProgress' }),
)

export const inProgress = {
  schema: ImportProgress,
  of: (facts: ImportFacts, pace: Pace) => ({ ...toProgress(facts), ...countsOf(facts), ...pace }),
}

const ImportSummary = v.pipe(
  v.object({
    ...PROGRESS,
    ...COUNTS,
    batch_id: v.string(),
    batch_activated: v.boolean(),
    created_at: v.string(),
  }),
  v.metadata({ ref: 'ImportSummary' }),
)
type ImportSummary = v.InferOutput<typeof ImportSummary>

export const ImportJobs = v.pipe(
  v.object({ total_jobs: v.number(), jobs: v.array(ImportSummary) }),
  v.metadata({ ref: 'ImportJobs' }),
)

export const ActivatedBatch = v.pipe(
  v.object({ batch_id: v.string(), activated: v.boolean(), message: v.string() }),
  v.metadata({ ref: 'ActivatedBatch' }),
)
export type ActivatedBatch = v.InferOutput<typeof ActivatedBatch>

/** `now` ends the clock of a job that is still running. */
export function toStatus(facts: ImportFacts, now: number): ImportStatus {
  const { job } = facts
  const counted = { ...countsOf(facts), processing_time_seconds: processingSeconds(job, now) }
  const batch = { batch_id: job.batchId, batch_activated: job.activatedAt !== null }
  return {
    ...toProgress(facts),
    ...counted,
    message: sentence(facts, 'hospitals'),
    result: job.state === 'completed' ? { ...batch, ...counted, hospitals: [] } : null,
    paused_until: isoOrNull(pausedUntil(job, now)),
  }
}

export const toSummary = (facts: ImportFacts): ImportSummary => ({
  ...toProgress(facts),
  ...countsOf(facts),
  batch_id: facts.job.batchId,
  batch_activated: facts.job.activatedAt !== null,
  created_at: iso(facts.job.createdAt),
})

const countsOf = ({ job, created, failed }: ImportFacts) => ({
  total_hospitals: job.totalRows,
  processed_hospitals: created,
  failed_hospitals: failed,
})
