import type { Commands, Decision, Moment, Replies } from '../commands'
import { isOutstanding } from '../state/absences'
import type { Day } from '../state/day'
import type { Event } from '../state/event'
import { setAtOf, visitOf } from '../state/records'
import { offers, opened, refuse } from './facts'
import { untakenSlots } from './free-slots'
import { dateRefusal, isAbsent } from './off'

/** A doctor is absent: which appointments the absence affects, and how a leave ends. */

/** A repeated call adds the appointments booked since the first call, and changes nothing for the others. */
export function declareAbsence(
  day: Day,
  command: Commands['declare_absence'],
  { at }: Moment,
): Decision<Replies['declare_absence']> {
  const { opening, moveTo, leave } = command
  // Patients of yesterday who were not served can still be moved. An unused day has none.
  const refusal = (day.identity ? null : dateRefusal(opening, at)) ?? (moveTo && dateRefusal(moveTo, at))
  if (refusal) return refusal
  if (leave && at > leave.until) return refuse('unavailable')
  // The date was opened after the leave was declared.
  if (leave && !isAbsent(day) && (setAtOf(day.availability) ?? 0) >= leave.since)
    return { ok: true, events: [], reply: [] }
  const outstanding = [...day.appointments.values()]
    .filter((appointment) => isOutstanding(day, appointment))
    .sort((one, other) => one.slot - other.slot)
  const added = outstanding.flatMap(({ id }) => (day.affected.has(id) ? [] : [id]))
  const affected: Event[] = added.length > 0 ? [{ type: 'absence_struck', appointmentIds: added }] : []
  return {
    ok: true,
    events: [...absentFrom(day, command), ...affected],
    reply: outstanding.map(({ id: appointmentId, patientId, ...visit }) => ({
      appointmentId,
      patientId,
      ...visitOf(visit),
      isCheckedIn: day.checkIns.has(appointmentId),
    })),
  }
}

/** A day that is closed already stays as it is when a leave reaches it, so that its end does not open it. */
function absentFrom(day: Day, { opening, id: newId, reason, leave }: Commands['declare_absence']): Event[] {
  const { availability } = day
  const isClosed = isAbsent(day) || (!day.identity && opening.off?.kind === 'day_off')
  const isSame = isClosed && availability?.notes === reason && availability.leaveId === undefined
  if (leave ? isClosed : isSame) return opened(day, opening)
  const ofLeave = leave ? { leaveId: leave.id } : {}
  const id = availability?.id ?? newId
  return [
    ...opened(day, { ...opening, off: undefined }),
    { type: 'availability_set', id, isPresent: false, notes: reason, ...ofLeave },
  ]
}

/**
 * A leave no longer covers the date: the doctor is present again, unless the availability of the date was
 * changed since, or another leave, a closing or a retirement covers it.
 */
export function endAbsence(
  day: Day,
  { opening, leaveId }: Commands['end_absence'],
  moment: Moment,
): Decision<null> {
  const { availability } = day
  const isOfLeave = availability?.leaveId === leaveId && isAbsent(day)
  if (!availability || !isOfLeave || dateRefusal(opening, moment.at))
    return { ok: true, events: [], reply: null }
  const { id } = availability
  const { off } = opening
  if (off && off.kind !== 'day_off') {
    const { notes } = off
    const next: Event = { type: 'availability_set', id, isPresent: false, notes, leaveId: off.id }
    return { ok: true, events: [next], reply: null }
  }
  const present: Event = { type: 'availability_set', id, isPresent: true, notes: null, leaveId }
  const free = untakenSlots(day, day)
  return { ok: true, events: [present, ...offers(day, free, moment, { isPresent: true })], reply: null }
}
