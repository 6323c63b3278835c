import * as v from 'valibot'
import type { Replies } from '../doctor-day/commands'
import type { Appointment as DayAppointment, Hold as DayHold } from '../doctor-day/day'
import type { SlotTimes as DaySlotTimes } from '../doctor-day/slot-times'
import { cursor, limit } from '../lib/page'
import { maxCharacters, text } from '../lib/text'
import { iso, LocalDate } from '../lib/time'

const Id = text(100)
const AllowAnother = v.optional(v.boolean(), false)

/** Either doctor and date, or a hold, which knows both. */
export const BookAppointment = v.pipe(
  v.object({
    patient_id: Id,
    doctor_id: v.optional(Id),
    date: v.optional(LocalDate),
    /** Books the slot that the hold keeps; doctor_id and date are not needed then. */
    hold_id: v.optional(Id),
    /** Means the same as the header Idempotency-Key. */
    idempotency_key: v.optional(v.string()),
    /** A patient has one appointment with a doctor a day, unless this says that another is meant. */
    allow_another: AllowAnother,
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    const { hold_id, ...wanted } = dataset.value as Record<string, unknown>
    if (hold_id !== undefined) return
    for (const key of ['doctor_id', 'date'])
      if (wanted[key] === undefined)
        addIssue({
          message: 'is required',
          path: [{ type: 'object', origin: 'value', input: {}, key, value: undefined }],
        })
  }),
  v.metadata({ ref: 'BookAppointment' }),
)
export type BookAppointment = v.InferOutput<typeof BookAppointment>

/** Only there where the day has working hours; ISO 8601 with the offset of the clinic's zone. */
export const slotTimes = { starts_at: v.optional(v.string()), ends_at: v.optional(v.string()) }

export const toSlotTimes = ({ startsAt, endsAt }: DaySlotTimes): { starts_at?: string; ends_at?: string } =>
  startsAt && endsAt ? { starts_at: startsAt, ends_at: endsAt } : {}

const Status = v.picklist(['booked', 'cancelled', 'no_show'])

export const Appointment = v.pipe(
  v.object({
    id: v.string(),
    patient_id: v.string(),
    doctor_id: v.string(),
    date: v.string(),
    slot: v.number(),
    ...slotTimes,
    status: Status,
    created_at: v.string(),
    updated_at: v.string(),
  }),
  v.metadata({ ref: 'Appointment' }),
)
export type Appointment = v.InferOutput<typeof Appointment>

/** `from` and `to` are dates, both included. */
export const ListAppointments = v.object({
  patient_id: v.optional(text(100)),
  doctor_id: v.optional(text(100)),
  from: v.optional(LocalDate),
  to: v.optional(LocalDate),
  status: v.optional(Status),
  limit: limit(100),
  cursor: cursor(v.string(), v.string()),
})
export type ListAppointments = v.InferOutput<typeof ListAppointments>

export const toAppointment = (appointment: DayAppointment): Appointment => ({
  id: appointment.id,
  patient_id: appointment.patientId,
  doctor_id: appointment.doctorId,
  date: appointment.date,
  slot: appointment.slot,
  ...toSlotTimes(appointment),
  status: appointment.status,
  created_at: iso(appointment.createdAt),
  updated_at: iso(appointment.updatedAt),
})

export const CancelAppointment = v.pipe(
  v.object({ reason: v.nullish(v.pipe(v.string(), maxCharacters(500)), null) }),
  v.metadata({ ref: 'CancelAppointment' }),
)
export type CancelAppointment = v.InferOutput<typeof CancelAppointment>

/** Without `doctor_id` the appointment stays with its doctor. */
export const Reschedule = v.pipe(
  v.object({ date: LocalDate, doctor_id: v.optional(Id), allow_another: AllowAnother }),
  v.metadata({ ref: 'Reschedule' }),
)
export type Reschedule = v.InferOutput<typeof Reschedule>

const HOLD_SECONDS_MAX = 600
const HOLD_RULE = `must be a whole number from 1 to ${HOLD_SECONDS_MAX}`

export const NewHold = v.pipe(
  v.object({
    doctor_id: Id,
    date: LocalDate,
    ttl_seconds: v.pipe(
      v.number(),
      v.integer(HOLD_RULE),
      v.minValue(1, HOLD_RULE),
      v.maxValue(HOLD_SECONDS_MAX, HOLD_RULE),
    ),
  }),
  v.metadata({ ref: 'NewHold' }),
)
export type NewHold = v.InferOutput<typeof NewHold>

export const Hold = v.pipe(
  v.object({ hold_id: v.string(), slot: v.number(), ...slotTimes, expires_at: v.string() }),
  v.metadata({ ref: 'Hold' }),
)
export type Hold = v.InferOutput<typeof Hold>

export const toHold = (hold: DayHold): Hold => ({
  hold_id: hold.id,
  slot: hold.slot,
  ...toSlotTimes(hold),
  expires_at: iso(hold.expiresAt),
})

export const ReleasedHold = v.pipe(
  v.object({ hold_id: v.string(), released: v.boolean() }),
  v.metadata({ ref: 'ReleasedHold' }),
)
export type ReleasedHold = v.InferOutput<typeof ReleasedHold>

export const JoinWaitlist = v.pipe(
  v.object({ patient_id: Id, doctor_id: Id, date: LocalDate }),
  v.metadata({ ref: 'JoinWaitlist' }),
)
export type JoinWaitlist = v.InferOutput<typeof JoinWaitlist>

/** `offer` is there where a slot is the patient's to take, until its deadline. */
export const Waiting = v.pipe(
  v.object({
    id: v.string(),
    patient_id: v.string(),
    place: v.number(),
    status: v.picklist(['waiting', 'offered']),
    offer: v.nullable(v.object({ slot: v.number(), ...slotTimes, expires_at: v.string() })),
  }),
  v.metadata({ ref: 'Waiting' }),
)
export type Waiting = v.InferOutput<typeof Waiting>

export const toWaiting = ({ id, patientId, place, offer }: Replies['wait']): Waiting => ({
  id,
  patient_id: patientId,
  place,
  status: offer ? 'offered' : 'waiting',
  offer: offer && { slot: offer.slot, ...toSlotTimes(offer), expires_at: iso(offer.deadline) },
})

export const LeftWaitlist = v.pipe(
  v.object({ id: v.string(), status: v.literal('declined') }),
  v.metadata({ ref: 'LeftWaitlist' }),
)
export type LeftWaitlist = v.InferOutput<typeof LeftWaitlist>
