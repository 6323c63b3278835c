import * as v from 'valibot'
import type { Appointment as DayAppointment } from '../doctor-day/day'
import { cursor, limit } from '../lib/page'
import { text } from '../lib/text'
import { iso, LocalDate } from '../lib/time'

export const BookAppointment = v.pipe(
  v.object({
    patient_id: text(100),
    doctor_id: text(100),
    date: LocalDate,
    /** Means the same as the header Idempotency-Key. */
    idempotency_key: v.optional(v.string()),
    /** A patient has one appointment with a doctor a day, unless this says that another is meant. */
    allow_another: v.optional(v.boolean(), false),
  }),
  v.metadata({ ref: 'BookAppointment' }),
)
export type BookAppointment = v.InferOutput<typeof BookAppointment>

const Status = v.picklist(['booked'])

export const Appointment = v.pipe(
  v.object({
    id: v.string(),
    patient_id: v.string(),
    doctor_id: v.string(),
    date: v.string(),
    slot: v.number(),
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
  status: appointment.status,
  created_at: iso(appointment.createdAt),
  updated_at: iso(appointment.updatedAt),
})
