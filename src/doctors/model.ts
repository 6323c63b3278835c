import { integer, sqliteTable, text as textColumn, uniqueIndex } from 'drizzle-orm/sqlite-core'
import * as v from 'valibot'
import type { Availability as DayAvailability } from '../doctor-day/day'
import { cursor, limit } from '../lib/page'
import { maxCharacters, text } from '../lib/text'
import { iso, LocalDate } from '../lib/time'

const SLOTS_USUAL = 10
const SLOTS_MAX = 1_000

/** `capacity`: how many slots a day of this doctor has unless the day says otherwise. */
export const doctors = sqliteTable(
  'doctors',
  {
    id: textColumn('id').primaryKey(),
    clinicId: textColumn('clinic_id').notNull(),
    name: textColumn('name').notNull(),
    code: textColumn('code').notNull(),
    specialty: textColumn('specialty'),
    capacity: integer('capacity').notNull(),
    createdAt: integer('created_at').notNull(),
    opId: textColumn('op_id').notNull(),
  },
  (t) => [
    uniqueIndex('doctors_code').on(t.clinicId, t.code),
    uniqueIndex('doctors_page').on(t.clinicId, t.id),
  ],
)

const SLOTS_RULE = `must be a whole number from 1 to ${SLOTS_MAX}`
const Capacity = v.pipe(
  v.number(),
  v.integer(SLOTS_RULE),
  v.minValue(1, SLOTS_RULE),
  v.maxValue(SLOTS_MAX, SLOTS_RULE),
)

export const NewDoctor = v.pipe(
  v.object({
    name: text(200),
    code: text(50),
    specialty: v.nullish(text(200), null),
    capacity: v.optional(Capacity, SLOTS_USUAL),
  }),
  v.metadata({ ref: 'NewDoctor' }),
)
export type NewDoctor = v.InferOutput<typeof NewDoctor>

const doctorFields = {
  id: v.string(),
  name: v.string(),
  code: v.string(),
  specialty: v.nullable(v.string()),
  capacity: v.number(),
  created_at: v.string(),
}

export const Doctor = v.pipe(v.object(doctorFields), v.metadata({ ref: 'Doctor' }))
export type Doctor = v.InferOutput<typeof Doctor>

/** `is_available` is there where a date was asked for: whether the doctor is present that day. */
export const ListedDoctor = v.pipe(
  v.object({ ...doctorFields, is_available: v.optional(v.boolean()) }),
  v.metadata({ ref: 'ListedDoctor' }),
)
export type ListedDoctor = v.InferOutput<typeof ListedDoctor>

export const toDoctor = (row: typeof doctors.$inferSelect): Doctor => ({
  id: row.id,
  name: row.name,
  code: row.code,
  specialty: row.specialty,
  capacity: row.capacity,
  created_at: iso(row.createdAt),
})

export const ListDoctors = v.object({
  date: v.optional(LocalDate),
  limit: limit(1_000),
  cursor: cursor(v.string()),
})
export type ListDoctors = v.InferOutput<typeof ListDoctors>

/** `?date=`; without it, today in the clinic's time zone. */
export const OnDate = v.object({ date: v.optional(LocalDate) })
export type OnDate = v.InferOutput<typeof OnDate>

export const SetAvailability = v.pipe(
  v.object({
    date: LocalDate,
    is_present: v.boolean(),
    notes: v.nullish(v.pipe(v.string(), maxCharacters(2_000)), null),
    /** How many slots this day has; null leaves it as it is. */
    capacity: v.nullish(Capacity, null),
  }),
  v.metadata({ ref: 'SetAvailability' }),
)
export type SetAvailability = v.InferOutput<typeof SetAvailability>

export const Availability = v.pipe(
  v.object({
    id: v.nullable(v.string()),
    doctor_id: v.string(),
    date: v.string(),
    is_present: v.boolean(),
    notes: v.nullable(v.string()),
    capacity: v.number(),
    updated_by: v.nullable(v.string()),
    updated_at: v.nullable(v.string()),
  }),
  v.metadata({ ref: 'Availability' }),
)
export type Availability = v.InferOutput<typeof Availability>

export const toAvailability = (doctorId: string, date: string, day: DayAvailability): Availability => ({
  id: day.id,
  doctor_id: doctorId,
  date,
  is_present: day.isPresent,
  notes: day.notes,
  capacity: day.capacity,
  updated_by: day.updatedBy,
  updated_at: iso(day.updatedAt),
})

/** What holds for a day of which nobody has said anything. */
export const usualAvailability = (doctorId: string, date: string, capacity: number): Availability => ({
  id: null,
  doctor_id: doctorId,
  date,
  is_present: true,
  notes: 'Available (default)',
  capacity,
  updated_by: null,
  updated_at: null,
})
