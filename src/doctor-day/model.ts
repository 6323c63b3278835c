import { index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import type { Appointment } from './day'

/**
 * D1's copy of every day, for reading across days. The days own the facts: nothing is decided from these
 * tables. `version` is the number of the day's event that the row tells of; a row is only ever replaced by a
 * newer one. What two days tell of an appointment is ordered by `moves` first: the day it moved to knows
 * better.
 */
export const days = sqliteTable(
  'days',
  {
    clinicId: text('clinic_id').notNull(),
    doctorId: text('doctor_id').notNull(),
    date: text('date').notNull(),
    isPresent: integer('is_present', { mode: 'boolean' }).notNull(),
    capacity: integer('capacity').notNull(),
    taken: integer('taken').notNull(),
    version: integer('version').notNull(),
  },
  (t) => [primaryKey({ columns: [t.clinicId, t.doctorId, t.date] })],
)

export const appointments = sqliteTable(
  'appointments',
  {
    id: text('id').primaryKey(),
    clinicId: text('clinic_id').notNull(),
    doctorId: text('doctor_id').notNull(),
    patientId: text('patient_id').notNull(),
    date: text('date').notNull(),
    slot: integer('slot').notNull(),
    /** With the offset of the day's zone; null where the day has no working hours. */
    startsAt: text('starts_at'),
    endsAt: text('ends_at'),
    status: text('status').$type<Appointment['status']>().notNull(),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
    version: integer('version').notNull(),
    moves: integer('moves').notNull().default(0),
  },
  (t) => [
    index('appointments_by_date').on(t.clinicId, t.date, t.id),
    index('appointments_by_doctor').on(t.clinicId, t.doctorId, t.date, t.id),
    index('appointments_by_patient').on(t.clinicId, t.patientId, t.date, t.id),
  ],
)

export const checkIns = sqliteTable(
  'check_ins',
  {
    id: text('id').primaryKey(),
    clinicId: text('clinic_id').notNull(),
    doctorId: text('doctor_id').notNull(),
    date: text('date').notNull(),
    appointmentId: text('appointment_id').notNull(),
    position: integer('position').notNull(),
    status: text('status').notNull(),
    checkedInAt: integer('checked_in_at').notNull(),
    version: integer('version').notNull(),
  },
  (t) => [index('check_ins_by_doctor').on(t.clinicId, t.doctorId, t.date)],
)
