import { index, integer, sqliteTable, text as textColumn } from 'drizzle-orm/sqlite-core'
import * as v from 'valibot'
import { AllowAnother, ServiceId } from '../appointments/choice'
import { Reason } from '../appointments/model'
import type { StepName } from '../doctor-day/commands'
import type { CheckIn as DayCheckIn } from '../doctor-day/state/day'
import { component, text } from '../lib/schema'
import { DayDate, IsoInstant, iso, LocalDate } from '../lib/time'
import type { Estimate } from './estimate'

/**
 * D1’s copy of the check-ins of every day, for queries across days. The days own the facts: no decision reads
 * this table. `version` is the number of the day’s last event that changed the row. A check-in that was
 * undone stays, as `undone`: a late copy could otherwise bring it back, and its position is not given again.
 */
export const checkIns = sqliteTable(
  'check_ins',
  {
    id: textColumn('id').primaryKey(),
    clinicId: textColumn('clinic_id').notNull(),
    doctorId: textColumn('doctor_id').notNull(),
    date: textColumn('date').notNull(),
    appointmentId: textColumn('appointment_id').notNull(),
    position: integer('position').notNull(),
    status: textColumn('status').$type<DayCheckIn['status'] | 'undone'>().notNull(),
    checkedInAt: integer('checked_in_at').notNull(),
    /** The last call; null where the patient was not called, and in rows older than this column. */
    calledAt: integer('called_at'),
    version: integer('version').notNull(),
  },
  (t) => [index('check_ins_by_doctor').on(t.clinicId, t.doctorId, t.date)],
)

const Id = text(100)
const Priority = v.picklist(['urgent', 'normal'])

export const CheckIn = component('CheckIn', {
  appointment_id: Id,
  patient_id: Id,
  priority: v.optional(Priority, 'normal'),
})
export type CheckIn = v.InferOutput<typeof CheckIn>

export const CheckedIn = component('CheckedIn', {
  queue_position: v.number(),
  checked_in_at: v.string(),
  appointment_id: v.string(),
})
export type CheckedIn = v.InferOutput<typeof CheckedIn>

export const toCheckedIn = (checkIn: DayCheckIn): CheckedIn => ({
  queue_position: checkIn.position,
  checked_in_at: iso(checkIn.checkedInAt),
  appointment_id: checkIn.appointmentId,
})

export const WalkIn = component('WalkIn', {
  patient_id: Id,
  doctor_id: Id,
  service_id: ServiceId,
  priority: v.optional(Priority, 'normal'),
  /** A patient who has an appointment with the doctor today can be there for another visit. */
  allow_another: AllowAnother,
  reason: Reason,
})
export type WalkIn = v.InferOutput<typeof WalkIn>

export const Queued = component('Queued', {
  id: v.string(),
  appointment_id: v.string(),
  doctor_id: v.string(),
  date: v.string(),
  position: v.number(),
  checked_in_at: v.string(),
  status: v.picklist(['waiting', 'called', 'served', 'skipped', 'no_show']),
  priority: Priority,
  room: v.nullable(v.string()),
  patient_name: v.string(),
})
export type Queued = v.InferOutput<typeof Queued>

/** Without a date: the date at the clinic at that instant, or now. */
export const AskQueue = v.object({ date: v.optional(LocalDate), at: v.optional(IsoInstant) })
export type AskQueue = v.InferOutput<typeof AskQueue>

export const AskWait = v.object({ at: v.optional(IsoInstant) })
export type AskWait = v.InferOutput<typeof AskWait>

export const CallNext = component('CallNext', { date: v.optional(DayDate), room: text(50) })
export type CallNext = v.InferOutput<typeof CallNext>

/** The path has `no-show`; the rules have `no_show`. */
export const STEP_PATH = ':step{(?:serve|skip|requeue|no-show|recall)}'
export const stepOf = (path: string): StepName => path.replace('-', '_') as StepName

/** After an undone check-in the appointment is `booked` and has no position. */
export const Undone = component('Undone', {
  appointment_id: v.string(),
  status: v.picklist(['booked', 'called']),
  position: v.nullable(v.number()),
  room: v.nullable(v.string()),
})
export type Undone = v.InferOutput<typeof Undone>

/** A patient’s status after a step. `position` is null for a patient who has not checked in. */
export const Standing = component('Standing', {
  appointment_id: v.string(),
  status: v.picklist(['waiting', 'called', 'served', 'skipped', 'no_show']),
  position: v.nullable(v.number()),
  room: v.nullable(v.string()),
})
export type Standing = v.InferOutput<typeof Standing>

export const Wait = component('Wait', {
  appointment_id: v.string(),
  status: v.picklist(['waiting', 'called', 'served', 'skipped', 'no_show']),
  position: v.number(),
  ahead: v.number(),
  estimate_minutes: v.object({ p50: v.number(), p90: v.number() }),
  basis: v.picklist(['today', 'default']),
  samples: v.number(),
})
export type Wait = v.InferOutput<typeof Wait>

export const toWait = (checkIn: DayCheckIn, estimate: Estimate): Wait => ({
  appointment_id: checkIn.appointmentId,
  status: checkIn.status,
  position: checkIn.position,
  ahead: estimate.ahead,
  estimate_minutes: estimate.minutes,
  basis: estimate.basis,
  samples: estimate.samples,
})
