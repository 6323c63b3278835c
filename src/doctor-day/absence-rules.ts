import type { Decision, DeclareAbsence, Moment, Replies } from './commands'
import type { Appointment, Day, DoctorDate, Event, PlaceInLine } from './day'
import { isAbsent, openingOf } from './facts'

/** A doctor who falls ill at eleven: who is struck, and what became of each. */

/** Said again, it finds those who were booked since, and changes nothing for the others. */
export function declareAbsence(
  day: Day,
  command: DeclareAbsence,
  _: Moment,
): Decision<Replies['declare_absence']> {
  const { opening, reason } = command
  const standing = [...day.appointments.values()]
    .filter((appointment) => stands(day, appointment))
    .sort((one, other) => one.slot - other.slot)
  const news = standing.flatMap(({ id }) => (day.affected.has(id) ? [] : [id]))
  const id = day.availability?.id ?? command.id
  const isNews = !isAbsent(day) || day.availability?.notes !== reason
  const absent: Event[] = isNews ? [{ type: 'availability_set', id, isPresent: false, notes: reason }] : []
  const struck: Event[] = news.length > 0 ? [{ type: 'absence_struck', appointmentIds: news }] : []
  return {
    ok: true,
    events: [...openingOf(day, opening), ...absent, ...struck],
    reply: standing.map(({ id: appointmentId, patientId }) => ({
      appointmentId,
      patientId,
      isCheckedIn: day.checkIns.has(appointmentId),
    })),
  }
}

/** Booked, and the visit is not over. */
const stands = (day: Day, { id, status }: Appointment): boolean =>
  status === 'booked' && day.checkIns.get(id)?.status !== 'served'

interface Struck {
  appointmentId: string
  patientId: string
}

/** Whoever was struck is in exactly one of these; in none where the visit took place or was cancelled. */
export interface Absence {
  moved: (Struck & DoctorDate & { slot: number })[]
  waitlisted: (Struck & PlaceInLine)[]
  toCall: (Struck & { slot: number; isCheckedIn: boolean })[]
}

export function absenceOf(day: Day): Absence {
  const absence: Absence = { moved: [], waitlisted: [], toCall: [] }
  for (const [appointmentId, { patientId, slot, waiting }] of day.affected) {
    const appointment = day.appointments.get(appointmentId)
    const movedTo = day.movedTo.get(appointmentId)
    const struck = { appointmentId, patientId }
    if (movedTo) {
      const { doctorId, date } = movedTo
      absence.moved.push({ ...struck, doctorId, date, slot: movedTo.slot })
    } else if (waiting) absence.waitlisted.push({ ...struck, ...waiting })
    else if (appointment && stands(day, appointment))
      absence.toCall.push({ ...struck, slot, isCheckedIn: day.checkIns.has(appointmentId) })
  }
  return absence
}
