import type { Commands, Decision, Moment, Replies } from '../commands'
import type { Day, Event } from '../state/day'
import { isOutstanding } from '../state/views'
import { isAbsent, openingOf } from './facts'

/** A doctor who falls ill at eleven: who is struck, and what became of each. */

/** Said again, it finds those who were booked since, and changes nothing for the others. */
export function declareAbsence(
  day: Day,
  command: Commands['declare_absence'],
  _: Moment,
): Decision<Replies['declare_absence']> {
  const { opening, reason } = command
  const standing = [...day.appointments.values()]
    .filter((appointment) => isOutstanding(day, appointment))
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
