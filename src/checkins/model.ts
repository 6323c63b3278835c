import * as v from 'valibot'
import type { CheckIn as DayCheckIn } from '../doctor-day/day'
import { text } from '../lib/text'
import { iso } from '../lib/time'

export const CheckIn = v.pipe(
  v.object({ appointment_id: text(100), patient_id: text(100) }),
  v.metadata({ ref: 'CheckIn' }),
)
export type CheckIn = v.InferOutput<typeof CheckIn>

export const CheckedIn = v.pipe(
  v.object({ queue_position: v.number(), checked_in_at: v.string(), appointment_id: v.string() }),
  v.metadata({ ref: 'CheckedIn' }),
)
export type CheckedIn = v.InferOutput<typeof CheckedIn>

export const toCheckedIn = (checkIn: DayCheckIn): CheckedIn => ({
  queue_position: checkIn.position,
  checked_in_at: iso(checkIn.checkedInAt),
  appointment_id: checkIn.appointmentId,
})

export const Queued = v.pipe(
  v.object({
    id: v.string(),
    appointment_id: v.string(),
    doctor_id: v.string(),
    date: v.string(),
    position: v.number(),
    checked_in_at: v.string(),
    status: v.picklist(['waiting', 'served', 'skipped']),
    patient_name: v.string(),
  }),
  v.metadata({ ref: 'Queued' }),
)
export type Queued = v.InferOutput<typeof Queued>

export const toQueued = (
  doctorId: string,
  date: string,
  checkIn: DayCheckIn,
  patientName: string,
): Queued => ({
  id: checkIn.id,
  appointment_id: checkIn.appointmentId,
  doctor_id: doctorId,
  date,
  position: checkIn.position,
  checked_in_at: iso(checkIn.checkedInAt),
  status: checkIn.status,
  patient_name: patientName,
})
