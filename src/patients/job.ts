import * as v from 'valibot'
import {
  type ImportFacts,
  PROGRESS,
  processingSeconds,
  RowFaults,
  sentence,
  toProgress,
} from '../imports/job'
import type { Accepted } from '../imports/upload'
import { PACE, type Pace } from '../imports/watch'
import { iso } from '../lib/time'

const COUNTS = {
  total_patients: v.number(),
  processed_patients: v.number(),
  failed_patients: v.number(),
}

export const AcceptedPatients = v.pipe(
  v.object({
    job_id: v.string(),
    status: v.literal('pending'),
    message: v.string(),
    total_patients: v.number(),
  }),
  v.metadata({ ref: 'AcceptedPatients' }),
)

/** Depends on nothing that changes, so that every retry reads the same bytes. */
export const toAccepted = ({ jobId, rows }: Accepted): v.InferOutput<typeof AcceptedPatients> => ({
  job_id: jobId,
  status: 'pending',
  message: `Import accepted. Use the job_id to check status at /api/v1/patients/bulk/${jobId}`,
  total_patients: rows,
})

const REASONS = ['duplicate_in_file', 'duplicate_in_directory', 'phone_in_use', 'invalid'] as const

/**
 * `reason` stands with failed rows only. A patient who was registered before is `duplicate_in_directory`: the
 * row made nobody, and nothing of who is there was changed.
 */
const ImportedPatient = v.pipe(
  v.object({
    row: v.number(),
    name: v.string(),
    status: v.picklist(['created', 'failed']),
    reason: v.optional(v.picklist(REASONS)),
    faults: v.optional(RowFaults),
  }),
  v.metadata({ ref: 'ImportedPatient' }),
)

const PatientsResult = v.pipe(
  v.object({
    ...COUNTS,
    processing_time_seconds: v.nullable(v.number()),
    patients: v.array(ImportedPatient),
  }),
  v.metadata({ ref: 'PatientsResult' }),
)

/** `processed_patients` counts rows that became patients; `result` is there once the job is completed. */
export const PatientsStatus = v.pipe(
  v.object({
    ...PROGRESS,
    ...COUNTS,
    message: v.string(),
    processing_time_seconds: v.nullable(v.number()),
    result: v.nullable(PatientsResult),
  }),
  v.metadata({ ref: 'PatientsStatus' }),
)

/** One event of an import that somebody follows. */
const PatientsProgress = v.pipe(
  v.object({ ...PROGRESS, ...COUNTS, ...PACE }),
  v.metadata({ ref: 'PatientsProgress' }),
)

export const inProgress = {
  schema: PatientsProgress,
  of: (facts: ImportFacts, pace: Pace) => ({ ...toProgress(facts), ...countsOf(facts), ...pace }),
}

const PatientsSummary = v.pipe(
  v.object({ ...PROGRESS, ...COUNTS, created_at: v.string() }),
  v.metadata({ ref: 'PatientsSummary' }),
)

export const PatientsJobs = v.pipe(
  v.object({ total_jobs: v.number(), jobs: v.array(PatientsSummary) }),
  v.metadata({ ref: 'PatientsJobs' }),
)

/** `now` ends the clock of a job that is still running. */
export function toStatus(facts: ImportFacts, now: number): v.InferOutput<typeof PatientsStatus> {
  const counted = { ...countsOf(facts), processing_time_seconds: processingSeconds(facts.job, now) }
  return {
    ...toProgress(facts),
    ...counted,
    message: sentence(facts, 'patients'),
    result: facts.job.state === 'completed' ? { ...counted, patients: [] } : null,
  }
}

export const toSummary = (facts: ImportFacts): v.InferOutput<typeof PatientsSummary> => ({
  ...toProgress(facts),
  ...countsOf(facts),
  created_at: iso(facts.job.createdAt),
})

const countsOf = ({ job, created, failed }: ImportFacts) => ({
  total_patients: job.totalRows,
  processed_patients: created,
  failed_patients: failed,
})
