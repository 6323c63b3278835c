import { integer, primaryKey, sqliteTable, text as textColumn, uniqueIndex } from 'drizzle-orm/sqlite-core'
import * as v from 'valibot'
import { foldName } from '../lib/folding'
import { cursor, limit } from '../lib/page'
import { cell, component, maxCharacters, requiredCell, requiredLinesCell, safeText } from '../lib/schema'
import { iso } from '../lib/time'

/**
 * The directory. `id` is the import and row of the hospital, so a chunk that runs twice finds its own
 * hospitals. `folded` is name and address as `foldHospital` writes them: it is searched, and two hospitals
 * with the same text are one. Its batch says whether a hospital is active (imports.activated_at).
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

/** A row of the file. The phone is stored as written, and also as E.164 if it can be parsed. */
export const HospitalRow = v.object({
  name: requiredCell(200),
  address: requiredLinesCell(500),
  phone: cell(50),
})
export type HospitalRow = v.InferOutput<typeof HospitalRow>

/** Equal for two rows that mean one hospital. The line break separates the name from the address. */
export const foldHospital = ({ name, address }: HospitalRow, fold = foldName): string =>
  `${fold(name)}\n${fold(address)}`

export const Hospital = component('Hospital', {
  id: v.string(),
  name: v.string(),
  address: v.string(),
  phone: v.nullable(v.string()),
  phone_e164: v.nullable(v.string()),
  batch_id: v.string(),
  is_active: v.boolean(),
  created_at: v.string(),
})
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

/** `?q=`: each of its words must occur in name or address, in any order, with any case and accents. */
export const ListHospitals = v.object({
  q: v.optional(v.pipe(v.string(), safeText('optionalLine'), maxCharacters(200))),
  limit: limit(100),
  cursor: cursor(v.string()),
})
export type ListHospitals = v.InferOutput<typeof ListHospitals>

export const ActivatedBatch = component('ActivatedBatch', {
  batch_id: v.string(),
  activated: v.boolean(),
  message: v.string(),
  /** Always null: a batch that cannot be activated is refused. Older clients read it. */
  error_message: v.null(),
})
export type ActivatedBatch = v.InferOutput<typeof ActivatedBatch>
