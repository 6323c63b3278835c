import * as v from 'valibot'
import type { Whose } from '../http/input/strangers'
import { component } from '../lib/schema'
import { iso } from '../lib/time'
import type { Fault } from '../problem'
import type { Accepted } from './accept'
import { NO_NOTES } from './file/header'
import { FILE_NOTES, type NotedFile, notesOf } from './file/notes'
import { MODES } from './model'
import { PACE, type Pace } from './progress'
import { FAULT } from './staging'
import {
  type ImportFacts,
  PROGRESS,
  pausedUntil,
  processingSeconds,
  statusMessage,
  toProgress,
} from './status'

/** The requests and replies of an import of any kind. Counts and lists are named after the kind. */

/** `mode`: how a file with bad rows is handled. `dry_run`: only report what the import would do. */
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

/** Reply of a resume or repair. It depends on nothing that changes, so every retry gets the same bytes. */
export const ReopenedImport = component('ReopenedImport', {
  job_id: v.string(),
  status: v.literal('processing'),
  message: v.string(),
  ...FILE_NOTES,
})

/** The words of one kind of import in paths and replies. */
export interface Words<Records extends string> {
  /** What the rows become, like `hospitals`: part of the names of counts, lists and schemas. */
  records: Records
  /** The path of a job’s status, without the id at its end. */
  statusPath: string
  /** The status of an imported row: while its batch is inactive, and after its activation. */
  created: readonly [inactive: string, active: string]
  /** Why a row may make no record. */
  reasons: readonly string[]
  /** Whether a row whose record is there already is a `duplicate`, counted for itself and no failure. */
  countsDuplicates?: boolean
  /** Records stay inactive until their batch is activated, with PATCH on this path. Null: no batches. */
  activationPath: ((batchId: string) => string) | null
  whose: Whose
}

type Counts<Records extends string> = Record<`${'total' | 'processed' | 'failed'}_${Records}`, number>
/** Only for kinds that count duplicates: how many of the processed rows had their record already. */
type Duplicates<Records extends string> = Partial<Record<`duplicate_${Records}`, number>>
/** Only for kinds that have an `activationPath`. */
type Batch = { batch_id?: string; batch_activated?: boolean }
type Timed = { processing_time_seconds: number | null }
type JobFields<Records extends string> = v.InferOutput<typeof Progress> &
  Counts<Records> &
  Duplicates<Records>
const Progress = v.object(PROGRESS)

/**
 * A row also has its title, like `name`. Only rows that made no record have a `reason`; only rows that broke
 * a rule have `faults`.
 */
interface Row {
  row: number
  status: string
  reason?: string
  faults?: Omit<Fault, 'row'>[]
}

type AcceptedOf<Records extends string> = Record<`total_${Records}`, number> &
  NotedFile & {
    job_id: string
    status: 'pending'
    message: string
  }
type ResultOf<Records extends string> = Batch &
  Counts<Records> &
  Duplicates<Records> &
  Timed &
  Record<Records, Row[]>
/** `result` is null until the job is completed. The job is paused until `paused_until`, then continues. */
type StatusOf<Records extends string> = JobFields<Records> &
  Timed & { message: string; result: ResultOf<Records> | null; paused_until: string | null }
type ProgressOf<Records extends string> = JobFields<Records> & Pace
type JobsOf<Records extends string> = {
  total_jobs: number
  jobs: (JobFields<Records> & Batch & Timed & { created_at: string })[]
}

/** The schemas and replies of one kind: parsed, so only documented fields leave. */
export function repliesOf<const Records extends string>(words: Words<Records>, title: string) {
  const { records, statusPath, created, reasons, activationPath, countsDuplicates = false } = words
  const [total, processed, failed] = [`total_${records}`, `processed_${records}`, `failed_${records}`]
  const duplicate = `duplicate_${records}`
  const duplicates: v.ObjectEntries = countsDuplicates ? { [duplicate]: v.number() } : {}
  const counts = { [total]: v.number(), [processed]: v.number(), ...duplicates, [failed]: v.number() }
  const seconds = { processing_time_seconds: v.nullable(v.number()) }
  const batch: v.ObjectEntries = activationPath ? { batch_id: v.string(), batch_activated: v.boolean() } : {}
  const schema = schemasOf(records)

  const Accepted = schema<AcceptedOf<Records>>('Accepted', {
    job_id: v.string(),
    status: v.literal('pending'),
    message: v.string(),
    [total]: v.number(),
    ...FILE_NOTES,
  })
  const Row = schema<Row>('Row', {
    row: v.number(),
    [title]: v.string(),
    status: v.picklist([...new Set([...created, ...(countsDuplicates ? ['duplicate'] : []), 'failed'])]),
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
  const Summary = schema('Summary', {
    ...PROGRESS,
    ...counts,
    ...seconds,
    ...batch,
    created_at: v.string(),
  })
  const Jobs = schema<JobsOf<Records>>('Jobs', {
    total_jobs: v.number(),
    jobs: v.array(Summary),
  })

  const jobFields = (facts: ImportFacts) => ({
    ...toProgress(facts),
    [total]: facts.job.totalRows,
    [processed]: facts.created + facts.duplicate,
    [duplicate]: facts.duplicate,
    [failed]: facts.failed,
  })
  const timedOf = (facts: ImportFacts, now: number) => ({
    ...jobFields(facts),
    processing_time_seconds: processingSeconds(facts.job, now),
  })
  const batchOf = ({ job }: ImportFacts) => ({
    batch_id: job.batchId,
    batch_activated: job.activatedAt !== null,
  })
  /** Records of a batch that nothing will activate by itself are in no list. */
  const inactiveHint = (facts: ImportFacts): string =>
    activationPath && facts.job.state === 'completed' && facts.created > 0 && facts.job.activatedAt === null
      ? `. Its batch is inactive: the ${records} are listed after PATCH ${activationPath(facts.job.batchId)}`
      : ''
  const statusHint = (jobId: string) => `Use the job_id to check status at ${statusPath}${jobId}`

  return {
    Accepted,
    Status,
    Progress,
    Summary,
    Jobs,
    /** Depends on nothing that changes, so every retry gets the same bytes. */
    accepted: ({ jobId, rows, notes }: Accepted) =>
      v.parse(Accepted, {
        job_id: jobId,
        status: 'pending',
        message: `Import accepted. ${statusHint(jobId)}`,
        [total]: rows,
        ...notesOf(notes),
      }),
    /** Depends on nothing that changes, like `accepted`. */
    reopened: (jobId: string, sentence: string, notes = NO_NOTES) =>
      v.parse(ReopenedImport, {
        job_id: jobId,
        status: 'processing',
        message: `${sentence}. ${statusHint(jobId)}`,
        ...notesOf(notes),
      }),
    /** The processing time of a running job is counted until `now`. */
    status(facts: ImportFacts, now: number) {
      const timed = timedOf(facts, now)
      return v.parse(Status, {
        ...timed,
        message: statusMessage(facts, records) + inactiveHint(facts),
        result: facts.job.state === 'completed' ? { ...batchOf(facts), ...timed, [records]: [] } : null,
        paused_until: pausedUntil(facts.job, now),
      })
    },
    progress: (facts: ImportFacts, pace: Pace) => v.parse(Progress, { ...jobFields(facts), ...pace }),
    jobs: (all: number, page: ImportFacts[], now: number) =>
      v.parse(Jobs, {
        total_jobs: all,
        jobs: page.map((facts) => ({
          ...timedOf(facts, now),
          ...batchOf(facts),
          created_at: iso(facts.job.createdAt),
        })),
      }),
  }
}

/** Names schemas after the kind: `HospitalsStatus`. TypeScript cannot infer entries with computed names. */
const schemasOf =
  (records: string) =>
  <Value extends object = object>(name: string, entries: v.ObjectEntries) =>
    v.pipe(
      v.object(entries),
      v.metadata({ ref: `${records[0]?.toUpperCase()}${records.slice(1)}${name}` }),
    ) as v.GenericSchema as v.GenericSchema<Value>
