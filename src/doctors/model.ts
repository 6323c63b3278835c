import { sql } from 'drizzle-orm'
import {
  index,
  integer,
  primaryKey,
  sqliteTable,
  text as textColumn,
  uniqueIndex,
} from 'drizzle-orm/sqlite-core'
import * as v from 'valibot'
import type { Availability as DayAvailability, Opening } from '../doctor-day/state/day'
import { type WorkingHours as DayHours, SLOTS_MAX } from '../doctor-day/state/slot-times'
import { cursor, limit } from '../lib/page'
import { component, note, text } from '../lib/schema'
import { DayDate, iso, LocalDate } from '../lib/time'
import { SetWeeklyHours, toWeeklyHours, type Week, WeeklyHours, type WeeklyVersion } from './weekly-hours'
import { toWorkingHours, WorkingHours } from './working-hours'

export const SLOTS_DEFAULT = 10

/**
 * `capacity`: how many slots a day of this doctor has, unless the day sets its own number. With
 * `capacityByHours` a day has as many slots as fit into its hours, and `capacity` is the usual number.
 */
export const doctors = sqliteTable(
  'doctors',
  {
    id: textColumn('id').primaryKey(),
    clinicId: textColumn('clinic_id').notNull(),
    name: textColumn('name').notNull(),
    code: textColumn('code').notNull(),
    specialty: textColumn('specialty'),
    capacity: integer('capacity').notNull(),
    capacityByHours: integer('capacity_by_hours', { mode: 'boolean' }).notNull().default(false),
    workingHours: textColumn('working_hours', { mode: 'json' }).$type<DayHours>(),
    createdAt: integer('created_at').notNull(),
    opId: textColumn('op_id').notNull(),
    /** Since then the doctor takes no new patients; null: the doctor works. */
    retiredAt: integer('retired_at'),
  },
  (t) => [
    uniqueIndex('doctors_code').on(t.clinicId, t.code),
    uniqueIndex('doctors_page').on(t.clinicId, t.id),
    index('doctors_at_work').on(t.clinicId, t.id).where(sql`retired_at IS NULL`),
  ],
)

/** The versions of a doctor’s hours by weekday. On a date the newest one that is valid then counts. */
export const weeklyHours = sqliteTable(
  'weekly_hours',
  {
    clinicId: textColumn('clinic_id').notNull(),
    doctorId: textColumn('doctor_id').notNull(),
    validFrom: textColumn('valid_from').notNull(),
    week: textColumn('week', { mode: 'json' }).$type<Week>().notNull(),
  },
  (t) => [primaryKey({ columns: [t.clinicId, t.doctorId, t.validFrom] })],
)

/**
 * D1’s copy of the figures of every day, for queries across days. The days own the facts: no decision reads
 * this table, but a day that knows less than its row was lost or replaced. `version` is the number of the
 * day’s last event in the row, and `head` is the hash of that event (null in rows older than this column).
 * `state`: an administrator may have accepted that the day was lost.
 */
export const days = sqliteTable(
  'days',
  {
    clinicId: textColumn('clinic_id').notNull(),
    doctorId: textColumn('doctor_id').notNull(),
    date: textColumn('date').notNull(),
    isPresent: integer('is_present', { mode: 'boolean' }).notNull(),
    capacity: integer('capacity').notNull(),
    taken: integer('taken').notNull(),
    /** From when on the day takes no more patients; null where its slots have no times. */
    closesAt: integer('closes_at'),
    /** Whose turn it is next; null where no patient waits. */
    nextPatient: textColumn('next_patient'),
    version: integer('version').notNull(),
    head: textColumn('head'),
    /** The slots that are booked, held or offered; null in rows older than this column. */
    takenSlots: textColumn('taken_slots', { mode: 'json' }).$type<number[]>(),
    /** What the times of the slots follow from; null in rows older than this column. */
    terms: textColumn('terms', { mode: 'json' }).$type<{ timeZone: string; hours?: DayHours }>(),
    /** When a caller has set the availability; null where none has, and in rows older than this column. */
    setAt: integer('set_at'),
    state: textColumn('state').$type<'live' | 'archived' | 'loss_accepted'>().notNull().default('live'),
  },
  (t) => [primaryKey({ columns: [t.clinicId, t.doctorId, t.date] })],
)

const SLOTS_RULE = `must be a whole number from 1 to ${SLOTS_MAX}`
const Capacity = v.pipe(
  v.number(),
  v.integer(SLOTS_RULE),
  v.minValue(1, SLOTS_RULE),
  v.maxValue(SLOTS_MAX, SLOTS_RULE),
)

export const NewDoctor = component('NewDoctor', {
  name: text(200),
  code: text(50),
  specialty: v.nullish(text(200), null),
  /** How many slots a day has. Default: as many as fit into the working hours, or 10 without hours. */
  capacity: v.optional(Capacity),
  working_hours: v.nullish(WorkingHours, null),
  /** Where it is sent it counts instead of `working_hours`, on each day with as many slots as fit. */
  weekly_hours: v.optional(SetWeeklyHours),
})
export type NewDoctor = v.InferOutput<typeof NewDoctor>

/**
 * Fields that are not sent stay as they are. Working hours without a capacity set as many slots as fit; null
 * removes the working hours and leaves the number of slots. Weekly hours in force count instead of both.
 */
export const ChangeDoctor = v.pipe(
  v.object({
    name: v.optional(text(200)),
    specialty: v.optional(v.nullable(text(200))),
    capacity: v.optional(Capacity),
    working_hours: v.optional(v.nullable(WorkingHours)),
    /** One more version, or another one for the same date. Null removes all versions. */
    weekly_hours: v.optional(v.nullable(SetWeeklyHours)),
  }),
  v.check(
    (wanted) => Object.values(wanted).some((value) => value !== undefined),
    'must contain at least one field to change',
  ),
  v.metadata({ ref: 'ChangeDoctor' }),
)
export type ChangeDoctor = v.InferOutput<typeof ChangeDoctor>

export const doctorFields = {
  id: v.string(),
  name: v.string(),
  code: v.string(),
  specialty: v.nullable(v.string()),
  capacity: v.number(),
  working_hours: v.nullable(WorkingHours),
  weekly_hours: v.nullable(WeeklyHours),
  created_at: v.string(),
  retired_at: v.nullable(v.string()),
}

/** `weekly_hours`: the version of today, or of the date that was asked for. */
export const Doctor = component('Doctor', doctorFields)
export type Doctor = v.InferOutput<typeof Doctor>

/** With a date: whether the doctor is present and, today, whether a slot has not begun yet. */
export const ListedDoctor = component('ListedDoctor', {
  ...doctorFields,
  is_available: v.optional(v.boolean()),
})
export type ListedDoctor = v.InferOutput<typeof ListedDoctor>

/** `onDate`: what is valid on the date that is asked for. */
export type DoctorRow = typeof doctors.$inferSelect & { onDate: { weekly: WeeklyVersion | null } }

export const toDoctor = (row: DoctorRow): Doctor => ({
  id: row.id,
  name: row.name,
  code: row.code,
  specialty: row.specialty,
  capacity: row.capacity,
  working_hours: row.workingHours && toWorkingHours(row.workingHours),
  weekly_hours: row.onDate.weekly && toWeeklyHours(row.onDate.weekly),
  created_at: iso(row.createdAt),
  retired_at: row.retiredAt === null ? null : iso(row.retiredAt),
})

export const ListDoctors = v.object({
  date: v.optional(LocalDate),
  /** Only doctors of this specialty, in any case. */
  specialty: v.optional(text(200)),
  /** `true`: those who have retired as well. */
  retired: v.optional(v.picklist(['true', 'false'])),
  limit: limit(1_000),
  cursor: cursor(v.string()),
})
export type ListDoctors = v.InferOutput<typeof ListDoctors>

/** `?date=`; without it, today in the clinic's time zone. */
export const OnDate = v.object({ date: v.optional(LocalDate) })
export type OnDate = v.InferOutput<typeof OnDate>

export const SetAvailability = component('SetAvailability', {
  date: DayDate,
  is_present: v.boolean(),
  notes: note(2_000),
  /** How many slots this day has; null leaves the number as it is. */
  capacity: v.nullish(Capacity, null),
  /**
   * This day’s own hours, with as many slots as fit into them unless `capacity` sets a number. Null removes
   * the hours and leaves the number of slots; without this field the hours stay as they are.
   */
  working_hours: v.nullish(WorkingHours),
})
export type SetAvailability = v.InferOutput<typeof SetAvailability>

export const Availability = component('Availability', {
  id: v.nullable(v.string()),
  doctor_id: v.string(),
  date: v.string(),
  is_present: v.boolean(),
  notes: v.nullable(v.string()),
  capacity: v.number(),
  working_hours: v.optional(WorkingHours),
  updated_by: v.nullable(v.string()),
  updated_at: v.nullable(v.string()),
})
export type Availability = v.InferOutput<typeof Availability>

export const toAvailability = (doctorId: string, date: string, day: DayAvailability): Availability => ({
  id: day.id,
  doctor_id: doctorId,
  date,
  is_present: day.isPresent,
  notes: day.notes,
  capacity: day.capacity,
  ...(day.hours && { working_hours: toWorkingHours(day.hours) }),
  updated_by: day.updatedBy,
  updated_at: iso(day.updatedAt),
})

/** The availability of a day for which none was set. */
export const defaultAvailability = ({ doctorId, date, capacity, hours, off }: Opening): Availability => ({
  id: null,
  doctor_id: doctorId,
  date,
  is_present: off === undefined,
  notes: off?.notes ?? 'Available (default)',
  capacity,
  ...(hours && { working_hours: toWorkingHours(hours) }),
  updated_by: null,
  updated_at: null,
})
