import type { Day, Event, Recorded } from '../state/day'
import { shown } from '../state/views'

/** The rows of D1’s copy that the newest events of a day changed, as the statements of copy.ts read them. */

export function appointmentRowsOf(day: Day, events: Recorded[]): unknown[][] {
  const changed = lastEvents(events, OF_APPOINTMENTS)
  return [...changed].flatMap(([id, seq]) => {
    const appointment = day.appointments.get(id)
    if (!appointment) return [] // It has moved: the day that it moved to copies it.
    const { patientId, slot, timeSlot, startsAt, endsAt, createdAt, moves } = appointment
    const { status, updatedAt } = shown(day, appointment)
    return [[id, patientId, slot, timeSlot, startsAt, endsAt, status, createdAt, updatedAt, seq, moves]]
  })
}

export function checkInRowsOf(day: Day, events: Recorded[]): unknown[][] {
  const changed = lastEvents(events, OF_CHECK_INS)
  const rows = [...changed].flatMap(([appointmentId, seq]) => {
    const checkIn = day.checkIns.get(appointmentId)
    if (!checkIn) return [] // A no-show without a check-in, or a check-in that was undone.
    return [[checkIn.id, appointmentId, checkIn.position, checkIn.status, checkIn.checkedInAt, seq]]
  })
  return [...rows, ...undoneRowsOf(events)]
}

/** The day has forgotten an undone check-in. Its row stays, so that a late copy does not bring it back. */
const undoneRowsOf = (events: Recorded[]): unknown[][] =>
  events.flatMap((event) => {
    if (event.type !== 'unchecked_in') return []
    const { checkInId, appointmentId, position, checkedInAt, seq } = event
    return [[checkInId, appointmentId, position, 'undone', checkedInAt, seq]]
  })

const OF_APPOINTMENTS: Event['type'][] = [
  'booked',
  'moved_in',
  'checked_in',
  'unchecked_in',
  'served',
  'unserved',
  'cancelled',
  'no_show',
]
const OF_CHECK_INS: Event['type'][] = [
  'checked_in',
  'called',
  'served',
  'unserved',
  'skipped',
  'requeued',
  'no_show',
]

/** The appointments that events of these types changed, each with the number of its last such event. */
function lastEvents(events: Recorded[], types: Event['type'][]): Map<string, number> {
  const changed = new Map<string, number>()
  for (const event of events)
    if (event.type === 'rebuilt') for (const { id } of event.appointments) changed.set(id, event.seq)
    else if ('appointmentId' in event && types.includes(event.type))
      changed.set(event.appointmentId, event.seq)
  return changed
}
