import { type SQL, sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

/** What can be imported. kind.ts says what each kind must define. */
const KINDS = ['hospitals', 'patients', 'tests'] as const
export type KindName = (typeof KINDS)[number]

export const MODES = ['strict', 'partial'] as const
export type Mode = (typeof MODES)[number]

/** One row per job. A file that is still arriving has no row here, so no reader can see it as a job. */
export const imports = sqliteTable(
  'imports',
  {
    id: text('id').primaryKey(),
    clinicId: text('clinic_id').notNull(),
    batchId: text('batch_id').notNull(),
    state: text('state', { enum: ['pending', 'processing', 'completed', 'failed', 'cancelled'] }).notNull(),
    totalRows: integer('total_rows').notNull(),
    createdAt: integer('created_at').notNull(),
    /** When the queue took the first message. Only a job without this may be withdrawn. */
    queuedAt: integer('queued_at'),
    startedAt: integer('started_at'),
    completedAt: integer('completed_at'),
    activatedAt: integer('activated_at'),
    error: text('error', { enum: ['chunk_failed'] }),
    kind: text('kind', { enum: KINDS }).notNull().default('hospitals'),
    /** How a file with bad rows is handled: `strict` refuses it, `partial` imports its good rows. */
    mode: text('mode', { enum: MODES }).notNull().default('strict'),
    /** Until when the job is paused because an upstream cannot be reached. */
    pausedUntil: integer('paused_until'),
    /** Whether a key with `clinics:*` has sent rows: then they can belong to any clinic. */
    reach: text('reach', { enum: ['own', 'any'] })
      .notNull()
      .default('own'),
  },
  (t) => [
    index('imports_by_clinic').on(t.clinicId, t.kind, t.id),
    uniqueIndex('imports_batch').on(t.clinicId, t.batchId),
  ],
)

/** A range of an import's rows. An import's counts are sums over its chunks, never counters of its own. */
export const importChunks = sqliteTable(
  'import_chunks',
  {
    jobId: text('job_id').notNull(),
    chunk: integer('chunk').notNull(),
    clinicId: text('clinic_id').notNull(),
    firstRow: integer('first_row').notNull(),
    lastRow: integer('last_row').notNull(),
    state: text('state', { enum: ['pending', 'done'] }).notNull(),
    lease: text('lease'),
    leaseUntil: integer('lease_until').notNull(),
    /** Claims since the last progress, without those that an outage ended. */
    attempts: integer('attempts').notNull(),
    created: integer('created').notNull(),
    failed: integer('failed').notNull(),
    kind: text('kind', { enum: KINDS }).notNull().default('hospitals'),
    /** The earliest time to work on the chunk: a retry waits for its backoff or for the upstream. */
    notBefore: integer('not_before').notNull().default(0),
    /** JSON: the leases of the claims that `attempts` counts, so that each can be taken back exactly once. */
    claims: text('claims').notNull().default('[]'),
    /** Rows whose record was there already, for kinds that do not count them as failed. */
    duplicate: integer('duplicate').notNull().default(0),
  },
  (t) => [primaryKey({ columns: [t.jobId, t.chunk] })],
)

export const UNTRIED = { attempts: 0, claims: '[]' }

/**
 * The file's rows as they were staged. `cells` is JSON in the kind's own form; two rows with one `identity`
 * mean the same record; `reason` says why a row made no record.
 */
export const stagedRows = sqliteTable(
  'staged_rows',
  {
    jobId: text('job_id').notNull(),
    row: integer('row').notNull(),
    cells: text('cells').notNull(),
    identity: text('identity').notNull(),
    status: text('status', { enum: ['created', 'duplicate', 'failed'] }),
    reason: text('reason'),
    /** The id of the row's record in the upstream, if there is one. */
    recordId: text('record_id'),
    /** JSON, if the row broke rules: the faults, each with field, rule and message. */
    faults: text('faults'),
    tries: integer('tries').notNull().default(0),
  },
  (t) => [
    primaryKey({ columns: [t.jobId, t.row] }),
    index('staged_rows_identity').on(t.jobId, t.identity, t.row),
  ],
)

/** Whether an earlier row of the file means the same record. The first row counts, in any order of chunks. */
export const repeatsEarlierRow = (row: 'r' | 'staged_rows'): SQL =>
  sql.raw(`EXISTS (SELECT 1 FROM staged_rows e
    WHERE e.job_id = ${row}.job_id AND e.identity = ${row}.identity AND e.row < ${row}.row)`)

/** The id of the record made from a row. The row is padded, so that ids sort by import and row. */
export const newRecordId = (row: 'r' | 'first' | 'staged_rows'): SQL =>
  sql.raw(`${row}.job_id || printf('-%07d', ${row}.row)`)
