import { type SQL, sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

/** What can be imported. Each kind tells the machinery here what its rows are and what becomes of them. */
const KINDS = ['hospitals', 'patients'] as const
export type KindName = (typeof KINDS)[number]

export const MODES = ['strict', 'partial'] as const
export type Mode = (typeof MODES)[number]

/** One per job. A file that is still arriving has no row here, so it is no job yet, for anybody. */
export const imports = sqliteTable(
  'imports',
  {
    id: text('id').primaryKey(),
    clinicId: text('clinic_id').notNull(),
    batchId: text('batch_id').notNull(),
    state: text('state', { enum: ['pending', 'processing', 'completed', 'failed', 'cancelled'] }).notNull(),
    totalRows: integer('total_rows').notNull(),
    createdAt: integer('created_at').notNull(),
    /**
     * When the queue took the first message. A job that never got so far may be withdrawn, any other may not.
     */
    queuedAt: integer('queued_at'),
    startedAt: integer('started_at'),
    completedAt: integer('completed_at'),
    activatedAt: integer('activated_at'),
    error: text('error', { enum: ['chunk_failed'] }),
    kind: text('kind', { enum: KINDS }).notNull().default('hospitals'),
    /** What becomes of a file with bad rows: `strict` refuses it, `partial` takes its good ones. */
    mode: text('mode', { enum: MODES }).notNull().default('strict'),
    /** Until when the work rests because an upstream cannot be reached. */
    pausedUntil: integer('paused_until'),
  },
  (t) => [
    index('imports_by_clinic').on(t.clinicId, t.id),
    uniqueIndex('imports_batch').on(t.clinicId, t.batchId),
  ],
)

/** A slice of an import's rows. What an import has done is the sum over these, never a counter of its own. */
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
    attempts: integer('attempts').notNull(),
    created: integer('created').notNull(),
    failed: integer('failed').notNull(),
    kind: text('kind', { enum: KINDS }).notNull().default('hospitals'),
    /** Not to be worked on before: whatever it waits for is not there yet. */
    notBefore: integer('not_before').notNull().default(0),
  },
  (t) => [primaryKey({ columns: [t.jobId, t.chunk] })],
)

/**
 * The file's rows as they were staged: `cells` is JSON of the kind's own, `identity` what makes two rows one.
 * `reason` says why a row failed.
 */
export const stagedRows = sqliteTable(
  'staged_rows',
  {
    jobId: text('job_id').notNull(),
    row: integer('row').notNull(),
    cells: text('cells').notNull(),
    identity: text('identity').notNull(),
    status: text('status', { enum: ['created', 'failed'] }),
    reason: text('reason'),
    /** Of the record that became of the row, where it has an id of its own elsewhere. */
    recordId: text('record_id'),
    /** JSON, of a row that broke a rule: each with field, rule and message. */
    faults: text('faults'),
    tries: integer('tries').notNull().default(0),
  },
  (t) => [
    primaryKey({ columns: [t.jobId, t.row] }),
    index('staged_rows_identity').on(t.jobId, t.identity, t.row),
  ],
)

/** The rows of a file that count: the header is row 1. */
export const FIRST_ROW = 2

/** The same thing on an earlier row of the file. The first one counts, whatever order chunks run in. */
export const standsEarlier = (row: 'r' | 'staged_rows'): SQL =>
  sql.raw(`EXISTS (SELECT 1 FROM staged_rows e
    WHERE e.job_id = ${row}.job_id AND e.identity = ${row}.identity AND e.row < ${row}.row)`)

/** What is made of a row gets this id. Padded, so that a list by id is a list by import and row. */
export const newRecordId = (row: 'r' | 'staged_rows'): SQL =>
  sql.raw(`${row}.job_id || printf('-%07d', ${row}.row)`)
