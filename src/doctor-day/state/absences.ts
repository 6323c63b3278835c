import type { Appointment, Day, DoctorDate, Opening, WaitlistPlace } from './day'

/** Why a doctor takes no patients on a date. */
export type OffRefusal = 'doctor_absent' | 'doctor_retired' | 'on_leave' | 'clinic_closed'

/** That a doctor is absent on a date. The reply names the appointments that the absence affects. */
export interface AbsenceOf {
  opening: Opening
  id: string
  reason: string
  /** The day to which the affected patients move; null: none moves. */
  moveTo: Opening | null
  leave?: LeaveOfDay
}

/** The leave that reaches the date. */
interface LeaveOfDay {
  id: string
  /** When it was declared (epoch ms). */
  since: number
  /** The day does not begin later: the leave may have been cancelled while the call was on its way. */
  until: number
}

/** Booked, and the visit has not taken place yet. */
export const isOutstanding = (day: Day, { id, status }: Appointment): boolean =>
  status === 'booked' && day.checkIns.get(id)?.status !== 'served'

interface AffectedAppointment {
  appointmentId: string
  patientId: string
}

/** An affected appointment is in exactly one list, or in none once the visit took place or was cancelled. */
export interface Absence {
  moved: (AffectedAppointment & DoctorDate & { slot: number })[]
  waitlisted: (AffectedAppointment & WaitlistPlace)[]
  toCall: (AffectedAppointment & { slot: number; isCheckedIn: boolean })[]
}

export function absenceOf(day: Day): Absence {
  const absence: Absence = { moved: [], waitlisted: [], toCall: [] }
  for (const [appointmentId, { patientId, slot, waiting }] of day.affected) {
    const appointment = day.appointments.get(appointmentId)
    const movedTo = day.movedTo.get(appointmentId)
    const affected = { appointmentId, patientId }
    if (movedTo) {
      const { doctorId, date } = movedTo
      absence.moved.push({ ...affected, doctorId, date, slot: movedTo.slot })
    } else if (waiting) absence.waitlisted.push({ ...affected, ...waiting })
    else if (appointment && isOutstanding(day, appointment))
      absence.toCall.push({ ...affected, slot, isCheckedIn: day.checkIns.has(appointmentId) })
  }
  return absence
}
