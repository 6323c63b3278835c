import { index, integer, sqliteTable, text as textColumn } from 'drizzle-orm/sqlite-core'
import * as v from 'valibot'
import type { AppointmentStatus, Hold as DayHold } from '../doctor-day/state/day'
import type { SlotTimes as DaySlotTimes } from '../doctor-day/state/slot-times'
import type { ShownAppointment } from '../doctor-day/state/views'
import { AtLeast } from '../http/input/day-version'
import { cursor, limit } from '../lib/page'
import { component, lines, note, text } from '../lib/schema'
import { DayDate, iso, LocalDate } from '../lib/time'
import { AllowAnother, choiceFields, oneChoice, ServiceId } from './choice'

/**
 * D1’s copy of the appointments of every day, for queries across days. The days own the facts: no decision
 * reads this table. `version` is the number of the day’s last event that changed the row. When two days write
 * the row of one appointment, the higher `moves` is newer.
 */
export const appointments = sqliteTable(
  'appointments',
  {
    id: textColumn('id').primaryKey(),
    clinicId: textColumn('clinic_id').notNull(),
    doctorId: textColumn('doctor_id').notNull(),
    patientId: textColumn('patient_id').notNull(),
    date: textColumn('date').notNull(),
    slot: integer('slot').notNull(),
    timeSlot: integer('time_slot'),
    /** With the offset of the day’s time zone; null where the day has no working hours. */
    startsAt: textColumn('starts_at'),
    endsAt: textColumn('ends_at'),
    status: textColumn('status').$type<AppointmentStatus>().notNull(),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
    version: integer('version').notNull(),
    moves: integer('moves').notNull().default(0),
    /** How many neighbouring slots the visit takes. */
    span: integer('span').notNull().default(1),
    serviceId: textColumn('service_id'),
  },
  (t) => [
    index('appointments_by_date').on(t.clinicId, t.date, t.id),
    index('appointments_by_status').on(t.clinicId, t.status, t.date, t.id),
    index('appointments_by_doctor').on(t.clinicId, t.doctorId, t.date, t.id),
    index('appointments_by_patient').on(t.clinicId, t.patientId, t.date, t.id),
  ],
)

export const Id = text(100)

const HOUR_RULE = 'must be a whole number from 0 to 23, or null'

/** The hour that older clients send with a booking. It is kept and returned, and decides nothing. */
const TimeSlot = v.pipe(v.number(), v.integer(HOUR_RULE), v.minValue(0, HOUR_RULE), v.maxValue(23, HOUR_RULE))

const BESIDE_HOLD = 'is missing: a hold has both doctor_id and date, so send neither of them or both'
const HOLD_CHOSE = 'cannot be sent with hold_id, because the hold has its slot and service; leave it out'

/** Why the visit, for those who prepare it. */
export const Reason = v.optional(lines(500))
/** For the desk. */
const Notes = v.optional(lines(2_000))

/** Either doctor and date, or a hold, which has both. */
export const BookAppointment = v.pipe(
  v.object({
    patient_id: Id,
    doctor_id: v.optional(Id),
    date: v.optional(DayDate),
    /** Books the held slot; doctor_id and date are not needed then. */
    hold_id: v.optional(Id),
    service_id: ServiceId,
    ...choiceFields,
    /** Records a visit afterwards: its date may be over, and its slot may have begun. */
    back_dated: v.optional(v.boolean()),
    time_slot: v.nullish(TimeSlot, null),
    /** Means the same as the header Idempotency-Key. */
    idempotency_key: v.optional(v.string()),
    allow_another: AllowAnother,
    // Without defaults: an earlier version knew neither, so they are in none of its fingerprints.
    reason: Reason,
    notes: Notes,
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    const { hold_id, ...wanted } = dataset.value as Record<string, unknown>
    const missing = ['doctor_id', 'date'].filter((key) => wanted[key] === undefined)
    const chosen = ['service_id', 'slot', 'starts_at', 'time', 'back_dated'].filter((key) => wanted[key])
    const fault = (key: string, message: string) =>
      addIssue({ message, path: [{ type: 'object', origin: 'value', input: {}, key, value: wanted[key] }] })
    if (hold_id !== undefined) for (const key of chosen) fault(key, HOLD_CHOSE)
    if (hold_id !== undefined && missing.length !== 1) return
    for (const key of missing) fault(key, hold_id === undefined ? 'is required' : BESIDE_HOLD)
  }),
  oneChoice(),
  v.metadata({ ref: 'BookAppointment' }),
)
export type BookAppointment = v.InferOutput<typeof BookAppointment>

/** Only on a day with working hours; ISO 8601 with the clinic’s offset. */
export const slotTimes = { starts_at: v.optional(v.string()), ends_at: v.optional(v.string()) }

export const toSlotTimes = ({ startsAt, endsAt }: DaySlotTimes): { starts_at?: string; ends_at?: string } =>
  startsAt && endsAt ? { starts_at: startsAt, ends_at: endsAt } : {}

/** `checked_in` from the arrival until the patient is served; `completed` then. */
const Status = v.picklist(['booked', 'checked_in', 'completed', 'cancelled', 'no_show'])

export const Appointment = component('Appointment', {
  id: v.string(),
  patient_id: v.string(),
  doctor_id: v.string(),
  date: v.string(),
  slot: v.number(),
  /** How many neighbouring slots the visit takes, where it is more than one. */
  slots: v.optional(v.number()),
  service_id: v.optional(v.string()),
  time_slot: v.nullable(v.number()),
  ...slotTimes,
  status: Status,
  created_at: v.string(),
  updated_at: v.string(),
})
export type Appointment = v.InferOutput<typeof Appointment>

/** `from` and `to` are dates, both included. */
export const ListAppointments = v.pipe(
  v.object({
    patient_id: v.optional(text(100)),
    doctor_id: v.optional(text(100)),
    from: v.optional(LocalDate),
    to: v.optional(LocalDate),
    status: v.optional(Status),
    /** Shows at least what answers with these values of the header X-Day-Version have told. */
    at_least: v.optional(AtLeast),
    limit: limit(100),
    cursor: cursor(v.string(), v.string()),
  }),
  v.forward(
    v.check(({ from, to }) => from === undefined || to === undefined || from <= to, 'must not be after to'),
    ['from'],
  ),
)
export type ListAppointments = v.InferOutput<typeof ListAppointments>

/** Of a day, or of D1’s copy. */
export const toAppointment = (
  appointment: Omit<ShownAppointment, 'serviceId'> & { serviceId?: string | null },
): Appointment => ({
  id: appointment.id,
  patient_id: appointment.patientId,
  doctor_id: appointment.doctorId,
  date: appointment.date,
  slot: appointment.slot,
  ...((appointment.span ?? 1) > 1 && { slots: appointment.span }),
  ...(appointment.serviceId && { service_id: appointment.serviceId }),
  // A day may remember a reply from before this field.
  time_slot: appointment.timeSlot ?? null,
  ...toSlotTimes(appointment),
  status: appointment.status,
  created_at: iso(appointment.createdAt),
  updated_at: iso(appointment.updatedAt),
})

export const CancelAppointment = component('CancelAppointment', {
  reason: note(500),
})
export type CancelAppointment = v.InferOutput<typeof CancelAppointment>

/** Without `doctor_id` the doctor stays the same. The same day with a choice changes the slot. */
export const Reschedule = v.pipe(
  v.object({
    date: DayDate,
    doctor_id: v.optional(Id),
    ...choiceFields,
    allow_another: AllowAnother,
  }),
  oneChoice(),
  v.metadata({ ref: 'Reschedule' }),
)
export type Reschedule = v.InferOutput<typeof Reschedule>

const HOLD_SECONDS_MAX = 600
const HOLD_RULE = `must be a whole number from 1 to ${HOLD_SECONDS_MAX}`

export const NewHold = v.pipe(
  v.object({
    doctor_id: Id,
    date: DayDate,
    service_id: ServiceId,
    ...choiceFields,
    ttl_seconds: v.pipe(
      v.number(),
      v.integer(HOLD_RULE),
      v.minValue(1, HOLD_RULE),
      v.maxValue(HOLD_SECONDS_MAX, HOLD_RULE),
    ),
  }),
  oneChoice(),
  v.metadata({ ref: 'NewHold' }),
)
export type NewHold = v.InferOutput<typeof NewHold>

export const Hold = component('Hold', {
  hold_id: v.string(),
  slot: v.number(),
  ...slotTimes,
  expires_at: v.string(),
})
export type Hold = v.InferOutput<typeof Hold>

export const toHold = (hold: DayHold): Hold => ({
  hold_id: hold.id,
  slot: hold.slot,
  ...toSlotTimes(hold),
  expires_at: iso(hold.expiresAt),
})

export const ReleasedHold = component('ReleasedHold', { hold_id: v.string(), released: v.boolean() })
export type ReleasedHold = v.InferOutput<typeof ReleasedHold>

/**
 * Appointments that stand although the doctor or the clinic takes no patients then: the first ones, by date.
 * `has_more`: there are others; GET /api/v1/appointments lists all.
 */
export const standingFields = {
  appointments: v.array(
    v.object({
      appointment_id: v.string(),
      patient_id: v.string(),
      doctor_id: v.string(),
      date: v.string(),
      slot: v.number(),
    }),
  ),
  has_more: v.boolean(),
}
