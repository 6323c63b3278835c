import * as v from 'valibot'
import type { Absence as DayAbsence } from '../doctor-day/state/absences'
import { component, lines, text } from '../lib/schema'
import { DayDate } from '../lib/time'
import type { DayPath } from './model'

/** The absence of a doctor on a day, and what became of its patients. */

/** For the OpenAPI document: where an affected visit goes, and what becomes of one that finds no room. */
export const WHERE_TO =
  'With `move_to` each visit moves to the same time of the other day (to the slot of the same number ' +
  'where one of the days has no times), or else to the nearest free one, of two the earlier. Those ' +
  'whose time is free are placed first, then the others, earlier visits first. A visit for which there ' +
  'is no room waits on the waitlist there, and a visit that cannot be moved stays booked and is listed ' +
  'in `to_call`.'

/** Without `move_to` no appointment is moved. Without `doctor_id` in it, the doctor stays the same. */
export const DeclareAbsence = component('DeclareAbsence', {
  reason: lines(500),
  move_to: v.optional(v.object({ date: DayDate, doctor_id: v.optional(text(100)) })),
})
export type DeclareAbsence = v.InferOutput<typeof DeclareAbsence>

const CALL_REASONS = [
  'no_move_to',
  'checked_in',
  'already_booked',
  'already_waiting',
  'service_not_offered',
  'doctor_absent',
  'doctor_retired',
  'on_leave',
  'clinic_closed',
  'date_over',
  'day_over',
  'moving',
  'waitlist_full',
  'limit_reached',
] as const
const affected = { appointment_id: v.string(), patient_id: v.string() }

/**
 * Every affected visit is in exactly one list. `moved` and `waitlisted` describe the other day; for the
 * waitlisted, the appointment on this day is cancelled. Those in `to_call` are still booked on this day, and
 * `why` says why: with `already_waiting` the patient waits for that day already, for another visit.
 */
export const affectedPatients = {
  moved: v.array(v.object({ ...affected, doctor_id: v.string(), date: v.string(), slot: v.number() })),
  waitlisted: v.array(
    v.object({ ...affected, doctor_id: v.string(), date: v.string(), waitlist_id: v.string() }),
  ),
  to_call: v.array(v.object({ ...affected, slot: v.number(), why: v.picklist(CALL_REASONS) })),
}

export const Absence = component('Absence', {
  doctor_id: v.string(),
  date: v.string(),
  is_present: v.literal(false),
  ...affectedPatients,
})
export type Absence = v.InferOutput<typeof Absence>

/** How the move of one affected patient ended. */
export type MoveOutcome = (typeof CALL_REASONS)[number] | 'moved' | 'waitlisted' | 'cancelled'

export function toAbsence(day: DayPath, absence: DayAbsence, outcomes: Map<string, MoveOutcome>): Absence {
  const idsOf = (one: { appointmentId: string; patientId: string }) => ({
    appointment_id: one.appointmentId,
    patient_id: one.patientId,
  })
  const reasonOf = ({ appointmentId, isCheckedIn }: DayAbsence['toCall'][number]) => {
    const reason = CALL_REASONS.find((known) => known === outcomes.get(appointmentId))
    return reason ?? (isCheckedIn ? 'checked_in' : 'no_move_to')
  }
  return {
    ...day,
    is_present: false,
    moved: absence.moved.map(({ doctorId, date, slot, ...one }) => ({
      ...idsOf(one),
      ...{ doctor_id: doctorId, date, slot },
    })),
    waitlisted: absence.waitlisted.map(({ doctorId, date, waitId, ...one }) => ({
      ...idsOf(one),
      ...{ doctor_id: doctorId, date, waitlist_id: waitId },
    })),
    to_call: absence.toCall.map((one) => ({ ...idsOf(one), slot: one.slot, why: reasonOf(one) })),
  }
}
