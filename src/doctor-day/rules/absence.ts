import type { Commands, Decision, Moment, Replies } from '../commands'
import type { Day, Event } from '../state/day'
import { visitOf } from '../state/records'
import { isOutstanding } from '../state/views'
import { dateRefusal } from './dates'
import { isAbsent, opened } from './facts'

/** A doctor is absent: which appointments the absence affects. */

/** A repeated call adds the appointments booked since the first call, and changes nothing for the others. */
export function declareAbsence(
  day: Day,
  command: Commands['declare_absence'],
  { at }: Moment,
): Decision<Replies['declare_absence']> {
  const { opening, reason, moveTo } = command
  // Patients of yesterday who were not served can still be moved. An unused day has none.
  const refusal = (day.identity ? null : dateRefusal(opening, at)) ?? (moveTo && dateRefusal(moveTo, at))
  if (refusal) return refusal
  const outstanding = [...day.appointments.values()]
    .filter((appointment) => isOutstanding(day, appointment))
    .sort((one, other) => one.slot - other.slot)
  const added = outstanding.flatMap(({ id }) => (day.affected.has(id) ? [] : [id]))
  const id = day.availability?.id ?? command.id
  const isChange = !isAbsent(day) || day.availability?.notes !== reason
  const absent: Event[] = isChange ? [{ type: 'availability_set', id, isPresent: false, notes: reason }] : []
  const affected: Event[] = added.length > 0 ? [{ type: 'absence_struck', appointmentIds: added }] : []
  return {
    ok: true,
    events: [...opened(day, opening), ...absent, ...affected],
    reply: outstanding.map(({ id: appointmentId, patientId, ...visit }) => ({
      appointmentId,
      patientId,
      ...visitOf(visit),
      isCheckedIn: day.checkIns.has(appointmentId),
    })),
  }
}
