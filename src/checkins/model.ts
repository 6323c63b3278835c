import * as v from 'valibot'
import type { StepName } from '../doctor-day/commands'
import type { CheckIn as DayCheckIn } from '../doctor-day/day'
import { text } from '../lib/text'
import { iso, LocalDate } from '../lib/time'
import type { Estimate } from './estimate'

const Id = text(100)
const Priority = v.picklist(['urgent', 'normal'])

export const CheckIn = v.pipe(
  v.object({ appointment_id: Id, patient_id: Id, priority: v.optional(Priority, 'normal') }),
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

export const WalkIn = v.pipe(
  v.object({ patient_id: Id, doctor_id: Id, priority: v.optional(Priority, 'normal') }),
  v.metadata({ ref: 'WalkIn' }),
)
export type WalkIn = v.InferOutput<typeof WalkIn>

export const Queued = v.pipe(
  v.object({
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
  priority: checkIn.priority,
  room: checkIn.room,
  patient_name: patientName,
})

export const CallNext = v.pipe(
  v.object({ date: v.optional(LocalDate), room: text(50) }),
  v.metadata({ ref: 'CallNext' }),
)
export type CallNext = v.InferOutput<typeof CallNext>

/** As a path says it; the rules write `no_show`. */
export const STEP_PATH = ':step{serve|skip|requeue|no-show|recall}'
export const stepOf = (path: string): StepName => path.replace('-', '_') as StepName

/** Where somebody stands after a step. `position` is null for one who never came. */
export const Standing = v.pipe(
  v.object({
    appointment_id: v.string(),
    status: v.picklist(['waiting', 'called', 'served', 'skipped', 'no_show']),
    position: v.nullable(v.number()),
    room: v.nullable(v.string()),
  }),
  v.metadata({ ref: 'Standing' }),
)
export type Standing = v.InferOutput<typeof Standing>

export const Wait = v.pipe(
  v.object({
    appointment_id: v.string(),
    status: v.picklist(['waiting', 'called', 'served', 'skipped', 'no_show']),
    position: v.number(),
    ahead: v.number(),
    estimate_minutes: v.object({ p50: v.number(), p90: v.number() }),
    basis: v.picklist(['today', 'default']),
    samples: v.number(),
  }),
  v.metadata({ ref: 'Wait' }),
)
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
