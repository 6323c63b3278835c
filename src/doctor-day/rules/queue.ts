import { localDate, MINUTE_MS } from '../../lib/time'
import type { Commands, Decision, Moment, StepName, UndoName } from '../commands'
import type { Refused } from '../refused'
import type { Appointment, CheckIn, Day, Priority } from '../state/day'
import type { Event, EventOf } from '../state/event'
import { idsOf } from '../state/person'
import { checkInOf } from '../state/records'
import { slotsOfPlace } from '../state/slots'
import { isMoving, notOnDay, offers, refuse } from './facts'
import { book } from './slots'

/** Check-ins, and the order in which patients are called. */

export function checkIn(day: Day, command: Commands['check_in'], { at }: Moment): Decision<CheckIn> {
  const { checkInId, appointmentId, priority } = command
  const appointment = day.appointments.get(appointmentId)
  if (!appointment) return notOnDay(day, appointmentId)
  const { patientId } = appointment
  if (!idsOf(command).includes(patientId)) return refuse('wrong_patient')
  if (isMoving(day, appointmentId)) return refuse('moving')
  if (day.checkIns.has(appointmentId)) return refuse('already_checked_in')
  if (appointment.status !== 'booked') return refuse('already_cancelled')
  const dates = datesOf(appointment, day.timeZone, at)
  if (dates.today !== dates.date) return { ok: false, refused: 'wrong_date', dates }
  const arrived = arrival(day, checkInId, appointmentId, priority)
  return { ok: true, events: [arrived], reply: checkInOf(patientId, { ...arrived, at }) }
}

/**
 * Books and checks in as one decision, so that no patient is in the queue without a slot. The patient is at
 * the clinic and can have the slot that is running now.
 */
export function walkIn(day: Day, command: Commands['walk_in'], moment: Moment): Decision<CheckIn> {
  const { opening, appointmentId, checkInId, patientId, priority } = command
  const dates = datesOf(opening, opening.timeZone, moment.at)
  if (dates.today !== dates.date) return { ok: false, refused: 'wrong_date', dates }
  const booking = book(day, command, moment, 'running')
  if (!booking.ok) return booking
  const arrived = arrival(day, checkInId, appointmentId, priority)
  return {
    ok: true,
    events: [...booking.events, arrived],
    reply: checkInOf(patientId, { ...arrived, at: moment.at }),
  }
}

const datesOf = ({ date }: { date: string }, timeZone: string, at: number) => ({
  date,
  today: localDate(at, timeZone),
})

const arrival = (
  day: Day,
  checkInId: string,
  appointmentId: string,
  priority: Priority,
): EventOf<'checked_in'> => ({
  type: 'checked_in',
  checkInId,
  appointmentId,
  position: day.lastPosition + 1,
  priority,
})

/** One decision: two rooms never get the same patient. Null where no patient waits. */
export function callNext(
  day: Day,
  { room }: Commands['call_next'],
  { at }: Moment,
): Decision<CheckIn | null> {
  const [next] = inTurn(day)
  if (!next) return { ok: true, events: [], reply: null }
  return {
    ok: true,
    events: [{ type: 'called', appointmentId: next.appointmentId, room }],
    reply: { ...next, status: 'called', room, calledAt: at },
  }
}

/** The patients who wait, in the order in which they are called. */
export const inTurn = (day: Day): CheckIn[] =>
  [...day.checkIns.values()].filter(({ status }) => status === 'waiting').sort(byTurn)

/** Urgent before normal, then in the order of arrival. */
export const byTurn = (one: CheckIn, other: CheckIn): number =>
  one.priority === other.priority ? one.position - other.position : one.priority === 'urgent' ? -1 : 1

/** The statuses that each step may start from, and the status after it. `booked`: no check-in yet. */
const STEPS: Record<StepName, { from: string[]; to: CheckIn['status'] }> = {
  serve: { from: ['called'], to: 'served' },
  skip: { from: ['called'], to: 'skipped' },
  requeue: { from: ['called', 'skipped'], to: 'waiting' },
  recall: { from: ['called'], to: 'called' },
  no_show: { from: ['skipped', 'booked'], to: 'no_show' },
}

export function step(day: Day, command: Commands['step'], moment: Moment): Decision<CheckIn | Appointment> {
  const { appointmentId, step } = command
  const appointment = day.appointments.get(appointmentId)
  if (!appointment) return notOnDay(day, appointmentId)
  if (isMoving(day, appointmentId)) return refuse('moving')
  const checkIn = day.checkIns.get(appointmentId)
  const from = checkIn?.status ?? appointment.status
  if (!STEPS[step].from.includes(from)) return illegal(from, STEPS[step].to)
  if (step === 'no_show') return noShow(day, appointment, checkIn, moment)
  return checkIn ? afterStep(checkIn, step, moment) : refuse('not_found')
}

function afterStep(checkIn: CheckIn, step: Exclude<StepName, 'no_show'>, { at }: Moment): Decision<CheckIn> {
  const { appointmentId } = checkIn
  const effects: Record<typeof step, [Event, Partial<CheckIn>]> = {
    serve: [{ type: 'served', appointmentId }, { servedAt: at }],
    skip: [{ type: 'skipped', appointmentId }, {}],
    requeue: [{ type: 'requeued', appointmentId }, { room: null }],
    recall: [{ type: 'called', appointmentId, room: checkIn.room ?? '' }, { calledAt: at }],
  }
  const [event, change] = effects[step]
  return { ok: true, events: [event], reply: { ...checkIn, status: STEPS[step].to, ...change } }
}

/** Frees the slot and offers it to the waitlist at once. A no-show cannot be recorded before the date. */
function noShow(
  day: Day,
  appointment: Appointment,
  checkIn: CheckIn | undefined,
  moment: Moment,
): Decision<CheckIn | Appointment> {
  const dates = datesOf(appointment, day.timeZone, moment.at)
  if (dates.today < dates.date) return { ok: false, refused: 'wrong_date', dates }
  return {
    ok: true,
    events: [
      { type: 'no_show', appointmentId: appointment.id },
      ...offers(day, slotsOfPlace(appointment), moment),
    ],
    reply: checkIn
      ? { ...checkIn, status: 'no_show' }
      : { ...appointment, status: 'no_show', updatedAt: moment.at },
  }
}

/** Until then any key that may check patients in can undo its mistake; later only one that may amend. */
export const UNDO_MS = MINUTE_MS

const UNDONE: Record<UndoName, { from: CheckIn['status']; to: string }> = {
  uncheck_in: { from: 'waiting', to: 'booked' },
  unserve: { from: 'served', to: 'called' },
}

/**
 * A check-in that is undone leaves the appointment booked, that of a walk-in too, and its position is not
 * given again. A visit that was not completed after all is called again, in its room.
 */
export function undo(day: Day, command: Commands['undo'], { at }: Moment): Decision<CheckIn | Appointment> {
  const { appointmentId, undo, mayAmend } = command
  const appointment = day.appointments.get(appointmentId)
  if (!appointment) return notOnDay(day, appointmentId)
  if (isMoving(day, appointmentId)) return refuse('moving')
  const checkIn = day.checkIns.get(appointmentId)
  const { from, to } = UNDONE[undo]
  if (checkIn?.status !== from) return illegal(checkIn?.status ?? appointment.status, to)
  const since = undo === 'unserve' ? checkIn.servedAt : checkIn.checkedInAt
  // After a repair nobody knows when a visit was completed.
  const isRecent = since !== null && at - since <= UNDO_MS
  if (!isRecent && !mayAmend) return { ok: false, refused: 'too_late_to_undo', status: from }
  if (undo === 'unserve')
    return {
      ok: true,
      events: [{ type: 'unserved', appointmentId }],
      reply: { ...checkIn, status: 'called', servedAt: null },
    }
  const { id: checkInId, position, checkedInAt } = checkIn
  return {
    ok: true,
    events: [{ type: 'unchecked_in', appointmentId, checkInId, position, checkedInAt }],
    reply: { ...appointment, updatedAt: at },
  }
}

function illegal(from: string, to: string): Refused {
  const allowed = Object.values(STEPS).flatMap((step) => (step.from.includes(from) ? [step.to] : []))
  return { ok: false, refused: 'illegal_step', transition: { from, to, allowed } }
}
