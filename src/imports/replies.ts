import * as v from 'valibot'
import { component } from '../lib/schema'
import { iso } from '../lib/time'
import type { Fault } from '../problem'
import type { Accepted } from './accept'
import { MODES } from './model'
import { PACE, type Pace } from './progress'
import { FAULT } from './staging'
import { type ImportFacts, PROGRESS, pausedUntil, processingSeconds, sentence, toProgress } from './status'

/** What an import of each kind is asked, and what it answers. Counts and lists carry the name of the kind. */

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

export const JobPath = v.object({ job_id: v.string() })

/** Of an import that goes on. Depends on nothing that changes, so that every retry reads the same bytes. */
export const ReopenedImport = component('ReopenedImport', {
  job_id: v.string(),
  status: v.literal('processing'),
  message: v.string(),
})

/** How a kind of import speaks. */
export interface Words<Records extends string> {
  /** What rows become: `hospitals`. Names the counts, the list of rows and the schemas. */
  records: Records
  /** Where a job’s status is read, followed by its id. */
  statusPath: string
  /** The status of a row that became a record: while its batch is inactive, and once it is active. */
  created: readonly [inactive: string, active: string]
  /** Why a row may fail. */
  reasons: readonly string[]
  /** Whether records wait for the activation of their batch. */
  hasBatch: boolean
}

type Counts<Records extends string> = Record<`${'total' | 'processed' | 'failed'}_${Records}`, number>
/** Of kinds whose records wait for the activation of their batch. */
type Batch = { batch_id?: string; batch_activated?: boolean }
type Timed = { processing_time_seconds: number | null }
type Told<Records extends string> = v.InferOutput<typeof Progress> & Counts<Records>
const Progress = v.object(PROGRESS)

/** `reason` comes with failed rows only, `faults` with those that broke a rule. */
interface Row {
  row: number
  name: string
  status: string
  reason?: string
  faults?: Omit<Fault, 'row'>[]
}

type AcceptedOf<Records extends string> = Record<`total_${Records}`, number> & {
  job_id: string
  status: 'pending'
  message: string
}
type ResultOf<Records extends string> = Batch & Counts<Records> & Timed & Record<Records, Row[]>
/** `result` is there once the job is completed. Until `paused_until` the work rests, then it goes on. */
type StatusOf<Records extends string> = Told<Records> &
  Timed & { message: string; result: ResultOf<Records> | null; paused_until: string | null }
type ProgressOf<Records extends string> = Told<Records> & Pace
type JobsOf<Records extends string> = {
  total_jobs: number
  jobs: (Told<Records> & Batch & { created_at: string })[]
}

/** The schemas of one kind, and what makes their values: parsed, so that nothing undocumented can leave. */
export function repliesOf<const Records extends string>(words: Words<Records>) {
  const { records, statusPath, created, reasons, hasBatch } = words
  const [total, processed, failed] = [`total_${records}`, `processed_${records}`, `failed_${records}`]
  const counts = { [total]: v.number(), [processed]: v.number(), [failed]: v.number() }
  const seconds = { processing_time_seconds: v.nullable(v.number()) }
  const batch: v.ObjectEntries = hasBatch ? { batch_id: v.string(), batch_activated: v.boolean() } : {}
  const schema = schemasOf(records)

  const Accepted = schema<AcceptedOf<Records>>('Accepted', {
    job_id: v.string(),
    status: v.literal('pending'),
    message: v.string(),
    [total]: v.number(),
  })
  const Row = schema<Row>('Row', {
    row: v.number(),
    name: v.string(),
    status: v.picklist([...new Set([...created, 'failed'])]),
    reason: v.optional(v.picklist(reasons)),
    faults: v.optional(v.array(v.object(FAULT))),
  })
  const Result = schema('Result', { ...batch, ...counts, ...seconds, [records]: v.array(Row) })
  const Status = schema<StatusOf<Records>>('Status', {
    ...PROGRESS,
    ...counts,
    ...seconds,
    message: v.string(),
    result: v.nullable(Result),
    paused_until: v.nullable(v.string()),
  })
  const Progress = schema<ProgressOf<Records>>('Progress', { ...PROGRESS, ...counts, ...PACE })
  const Summary = schema('Summary', { ...PROGRESS, ...counts, ...batch, created_at: v.string() })
  const Jobs = schema<JobsOf<Records>>('Jobs', {
    total_jobs: v.number(),
    jobs: v.array(Summary),
  })

  const told = (facts: ImportFacts) => ({
    ...toProgress(facts),
    [total]: facts.job.totalRows,
    [processed]: facts.created,
    [failed]: facts.failed,
  })
  const batchOf = ({ job }: ImportFacts) => ({
    batch_id: job.batchId,
    batch_activated: job.activatedAt !== null,
  })
  const readAt = (jobId: string) => `Use the job_id to check status at ${statusPath}${jobId}`

  return {
    Accepted,
    Status,
    Progress,
    Jobs,
    /** Depends on nothing that changes, so that every retry reads the same bytes. */
    accepted: ({ jobId, rows }: Accepted) =>
      v.parse(Accepted, {
        job_id: jobId,
        status: 'pending',
        message: `Import accepted. ${readAt(jobId)}`,
        [total]: rows,
      }),
    /** Depends on nothing that changes, as `accepted`. */
    reopened: (jobId: string, sentence: string) =>
      v.parse(ReopenedImport, {
        job_id: jobId,
        status: 'processing',
        message: `${sentence}. ${readAt(jobId)}`,
      }),
    /** `now` ends the clock of a job that is still running. */
    status(facts: ImportFacts, now: number) {
      const timed = { ...told(facts), processing_time_seconds: processingSeconds(facts.job, now) }
      return v.parse(Status, {
        ...timed,
        message: sentence(facts, records),
        result: facts.job.state === 'completed' ? { ...batchOf(facts), ...timed, [records]: [] } : null,
        paused_until: pausedUntil(facts.job, now),
      })
    },
    progress: (facts: ImportFacts, pace: Pace) => v.parse(Progress, { ...told(facts), ...pace }),
    jobs: (all: number, page: ImportFacts[]) =>
      v.parse(Jobs, {
        total_jobs: all,
        jobs: page.map((facts) => ({
          ...told(facts),
          ...batchOf(facts),
          created_at: iso(facts.job.createdAt),
        })),
      }),
  }
}

/** Named after the kind: `HospitalsStatus`. Entries with computed names have no type of their own. */
const schemasOf =
  (records: string) =>
  <Value extends object = object>(name: string, entries: v.ObjectEntries) =>
    v.pipe(
      v.object(entries),
      v.metadata({ ref: `${records[0]?.toUpperCase()}${records.slice(1)}${name}` }),
    ) as v.GenericSchema as v.GenericSchema<Value>
