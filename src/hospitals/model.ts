import {
  index,
  integer,
  primaryKey,
  sqliteTable,
  text as textColumn,
  uniqueIndex,
} from 'drizzle-orm/sqlite-core'
import * as v from 'valibot'
import { cursor, limit } from '../lib/page'
import { foldName, maxCharacters } from '../lib/text'
import { iso } from '../lib/time'

/**
 * The directory. `id` is the import and the row it came from, so a chunk that runs twice finds its own
 * hospitals. `folded` is name and address as `foldHospital` writes them: what is searched, and what makes two
 * hospitals one. Whether a hospital is active is no column here: its batch says so (imports.activated_at).
 */
export const hospitals = sqliteTable(
  'hospitals',
  {
    clinicId: textColumn('clinic_id').notNull(),
    id: textColumn('id').notNull(),
    batchId: textColumn('batch_id').notNull(),
    name: textColumn('name').notNull(),
    address: textColumn('address').notNull(),
    phone: textColumn('phone'),
    phoneE164: textColumn('phone_e164'),
    folded: textColumn('folded').notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.clinicId, t.id] }),
    uniqueIndex('hospitals_identity').on(t.clinicId, t.folded),
  ],
)

/** One per job. A file that is still arriving has no row here, so it is no job yet, for anybody. */
export const imports = sqliteTable(
  'imports',
  {
    id: textColumn('id').primaryKey(),
    clinicId: textColumn('clinic_id').notNull(),
    batchId: textColumn('batch_id').notNull(),
    state: textColumn('state', { enum: ['pending', 'processing', 'completed', 'failed'] }).notNull(),
    totalRows: integer('total_rows').notNull(),
    createdAt: integer('created_at').notNull(),
    /**
     * When the queue took the first message. A job that never got so far may be withdrawn, any other may not.
     */
    queuedAt: integer('queued_at'),
    startedAt: integer('started_at'),
    completedAt: integer('completed_at'),
    activatedAt: integer('activated_at'),
    error: textColumn('error', { enum: ['chunk_failed'] }),
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
    jobId: textColumn('job_id').notNull(),
    chunk: integer('chunk').notNull(),
    clinicId: textColumn('clinic_id').notNull(),
    firstRow: integer('first_row').notNull(),
    lastRow: integer('last_row').notNull(),
    state: textColumn('state', { enum: ['pending', 'done'] }).notNull(),
    lease: textColumn('lease'),
    leaseUntil: integer('lease_until').notNull(),
    attempts: integer('attempts').notNull(),
    created: integer('created').notNull(),
    failed: integer('failed').notNull(),
  },
  (t) => [primaryKey({ columns: [t.jobId, t.chunk] })],
)

/** The file's rows as they were staged. `reason` says why a row failed. */
export const importRows = sqliteTable(
  'import_rows',
  {
    jobId: textColumn('job_id').notNull(),
    row: integer('row').notNull(),
    name: textColumn('name').notNull(),
    address: textColumn('address').notNull(),
    phone: textColumn('phone'),
    phoneE164: textColumn('phone_e164'),
    folded: textColumn('folded').notNull(),
    status: textColumn('status', { enum: ['created', 'failed'] }),
    reason: textColumn('reason', { enum: ['duplicate_in_file', 'duplicate_in_directory'] }),
  },
  (t) => [
    primaryKey({ columns: [t.jobId, t.row] }),
    index('import_rows_identity').on(t.jobId, t.folded, t.row),
  ],
)

/** The rows of a file that count: the header is row 1. */
export const FIRST_ROW = 2

const cell = (max: number) =>
  v.pipe(v.string(), v.trim(), v.check(hasNoNul, 'must not hold a NUL'), maxCharacters(max))
const required = (max: number) => v.pipe(cell(max), v.nonEmpty('is required'))

/** SQLite's text functions stop at the first NUL, so what follows it could never be found again. */
const hasNoNul = (text: string): boolean => !text.includes('\0')

/** A row of the file. The phone is kept as it was given; E.164 stands beside it where it can be read. */
export const HospitalRow = v.object({ name: required(200), address: required(500), phone: cell(50) })
export type HospitalRow = v.InferOutput<typeof HospitalRow>

export const COLUMNS = [
  { name: 'name', isRequired: true },
  { name: 'address', isRequired: true },
  { name: 'phone', isRequired: false },
] as const

/**
 * Equal for two hospitals that are one. The line break keeps a name's end and an address's beginning apart.
 */
export const foldHospital = ({ name, address }: HospitalRow): string =>
  `${foldName(name)}\n${foldName(address)}`

export const Hospital = v.pipe(
  v.object({
    id: v.string(),
    name: v.string(),
    address: v.string(),
    phone: v.nullable(v.string()),
    phone_e164: v.nullable(v.string()),
    batch_id: v.string(),
    is_active: v.boolean(),
    created_at: v.string(),
  }),
  v.metadata({ ref: 'Hospital' }),
)
export type Hospital = v.InferOutput<typeof Hospital>

export const toHospital = (
  hospital: typeof hospitals.$inferSelect,
  activatedAt: number | null,
): Hospital => ({
  id: hospital.id,
  name: hospital.name,
  address: hospital.address,
  phone: hospital.phone,
  phone_e164: hospital.phoneE164,
  batch_id: hospital.batchId,
  is_active: activatedAt !== null,
  created_at: iso(hospital.createdAt),
})

/** `?q=`: every one of its words must occur in name or address, in any order, whatever case and accents. */
export const ListHospitals = v.object({
  q: v.optional(v.pipe(v.string(), maxCharacters(200))),
  limit: limit(100),
  cursor: cursor(v.string()),
})
export type ListHospitals = v.InferOutput<typeof ListHospitals>
