import { integer, sqliteTable, text as textColumn, uniqueIndex } from 'drizzle-orm/sqlite-core'
import * as v from 'valibot'
import { cursor, limit } from '../lib/page'
import { component, text } from '../lib/schema'
import { iso } from '../lib/time'

/** What a visit can be for. A booked visit keeps the number of slots that it was booked with. */
export const services = sqliteTable(
  'services',
  {
    id: textColumn('id').primaryKey(),
    clinicId: textColumn('clinic_id').notNull(),
    name: textColumn('name').notNull(),
    /** How many neighbouring slots a visit takes. */
    slots: integer('slots').notNull(),
    /** The doctors who offer it; NULL: all. */
    doctors: textColumn('doctors', { mode: 'json' }).$type<string[]>(),
    createdAt: integer('created_at').notNull(),
    retiredAt: integer('retired_at'),
    opId: textColumn('op_id').notNull().unique(),
    /** Counts the changes of the record: its ETag. */
    version: integer('version').notNull().default(1),
    /** The operation that changed the record last. */
    changeOp: textColumn('change_op'),
  },
  (t) => [uniqueIndex('services_by_clinic').on(t.clinicId, t.id)],
)

/** A visit of more slots is a day of its own. */
export const SPAN_MAX = 48
const SLOTS_RULE = `must be a whole number from 1 to ${SPAN_MAX}`
const SlotCount = v.pipe(
  v.number(),
  v.integer(SLOTS_RULE),
  v.minValue(1, SLOTS_RULE),
  v.maxValue(SPAN_MAX, SLOTS_RULE),
)

const DOCTORS_MAX = 200
const DoctorIds = v.pipe(
  v.array(text(100)),
  v.minLength(1, 'must name at least one doctor; null means all'),
  v.maxLength(DOCTORS_MAX, `must name at most ${DOCTORS_MAX} doctors; null means all`),
  v.transform((ids) => [...new Set(ids)]),
)

export const NewService = component('NewService', {
  name: text(200),
  slots: v.optional(SlotCount, 1),
  /** Ids of the doctors who offer it; null or absent: all. */
  doctors: v.nullish(DoctorIds, null),
})
export type NewService = v.InferOutput<typeof NewService>

/** What is left out stays. `retired`: it can be booked no more, or again. */
export const ChangeService = v.pipe(
  v.object({
    name: v.optional(text(200)),
    slots: v.optional(SlotCount),
    doctors: v.optional(v.nullable(DoctorIds)),
    retired: v.optional(v.boolean()),
  }),
  v.check(
    (wanted) => Object.values(wanted).some((value) => value !== undefined),
    'must contain at least one field to change',
  ),
  v.metadata({ ref: 'ChangeService' }),
)
export type ChangeService = v.InferOutput<typeof ChangeService>

export const Service = component('Service', {
  id: v.string(),
  name: v.string(),
  slots: v.number(),
  doctors: v.nullable(v.array(v.string())),
  created_at: v.string(),
  retired_at: v.nullable(v.string()),
})
export type Service = v.InferOutput<typeof Service>

export type ServiceRow = typeof services.$inferSelect

export const toService = (row: ServiceRow): Service => ({
  id: row.id,
  name: row.name,
  slots: row.slots,
  doctors: row.doctors,
  created_at: iso(row.createdAt),
  retired_at: row.retiredAt === null ? null : iso(row.retiredAt),
})

export const ListServices = v.object({ limit: limit(100), cursor: cursor(v.string()) })
export type ListServices = v.InferOutput<typeof ListServices>
