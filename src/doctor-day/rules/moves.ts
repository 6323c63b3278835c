import type { Choice, Commands, Decision, Moment, MoveReply } from '../commands'
import { type Refused, toldOfSlots } from '../refused'
import type { Appointment, Day, Reservation } from '../state/day'
import type { Event } from '../state/event'
import { aliasesOf, idsOf } from '../state/person'
import { bookingOf, reservationOf, visitOf } from '../state/records'
import { timesOf } from '../state/slot-times'
import { slotsOfPlace } from '../state/slots'
import { chosenSlot, dayFull, nearestSlot, slotOfChoice } from './choice'
import {
  closed,
  isBooked,
  isMoving,
  notOnDay,
  offeredSlot,
  offeredSlots,
  offers,
  opened,
  refuse,
  waitsOf,
} from './facts'
import { freeSlot, slotsOf } from './free-slots'
import { dateRefusal } from './off'

/**
 * How an appointment moves from one day to another. The day that has the appointment coordinates: it marks
 * the move, the other day reserves a slot, and then the first day alone ends the move by one event: the
 * appointment has left, or it stays. A crash before that event aborts the move. After it, the first day
 * repeats the outcome until the other day acknowledges it. So the appointment always has a slot on one day.
 */

export function beginMove(day: Day, command: Commands['begin_move'], moment: Moment): Decision<MoveReply> {
  const { appointmentId, moveId, to, choice } = command
  const appointment = day.appointments.get(appointmentId)
  if (!appointment) return notOnDay(day, appointmentId)
  if (appointment.status !== 'booked') return refuse('already_cancelled')
  if (day.checkIns.has(appointmentId)) return refuse('already_checked_in')
  if (isMoving(day, appointmentId)) return refuse('moving')
  const { doctorId, date, patientId, timeSlot, createdAt, moves } = appointment
  if (to.doctorId === doctorId && to.date === date)
    return choice
      ? changeSlot(day, appointment, { ...command, choice }, moment)
      : { ok: true, events: [], reply: { state: 'moved', appointment } }
  const refusal = dateRefusal(to, moment.at)
  if (refusal) return refusal
  const move = { id: moveId, appointmentId, to, state: 'reserving' } as const
  const booking = bookingOf({ appointmentId, patientId, timeSlot, ...visitOf(appointment) })
  const transfer = { ...booking, createdAt, moves: moves + 1 }
  return {
    ok: true,
    events: [{ type: 'move_began', moveId, appointmentId, to }],
    reply: { state: 'under_way', move, transfer, from: { doctorId, date } },
    isUnderWay: true,
  }
}

/** To another slot of the same day: no other day is asked. */
function changeSlot(
  day: Day,
  appointment: Appointment,
  { to, choice }: Commands['begin_move'] & { choice: Choice },
  moment: Moment,
): Decision<MoveReply> {
  const { at } = moment
  const refusal = closed(day, { ...to, timeZone: day.timeZone }, at)
  if (refusal) return refusal
  const { id: appointmentId, span, moves } = appointment
  const own = slotsOfPlace(appointment)
  const slot = chosenSlot(day, to, choice, { at, span, own, instead: appointment.slot })
  if (typeof slot !== 'number') return slot
  if (slot === appointment.slot) return { ok: true, events: [], reply: { state: 'moved', appointment } }
  const taken = slotsOfPlace({ slot, span })
  const freed = own.filter((each) => !taken.includes(each))
  const times = timesOf(day.timetable, slot, span)
  return {
    ok: true,
    events: [{ type: 'slot_changed', appointmentId, slot }, ...offers(day, freed, moment, { taken })],
    reply: {
      state: 'moved',
      appointment: { ...appointment, slot, ...times, updatedAt: at, moves: moves + 1 },
    },
  }
}

/** The deciding step: before it the appointment is on this day, after it on the other day. */
export function endMove(
  day: Day,
  { moveId, outcome }: Commands['end_move'],
  moment: Moment,
): Decision<MoveReply> {
  const move = day.moves.get(moveId)
  const appointment = day.appointments.get(move?.appointmentId ?? '')
  if (move?.state !== 'reserving' || !appointment) return refuse('unavailable')
  const appointmentId = appointment.id
  if (!outcome?.ok) {
    const why = outcome?.refused ?? 'unavailable'
    const aborted: Event = { type: 'move_aborted', moveId, appointmentId, why }
    // A day that refused has reserved nothing. A day that was unreachable must still get a release.
    const settled: Event[] = outcome ? [{ type: 'move_settled', moveId }] : []
    const reply = { state: 'refused', refused: why, ...toldOfSlots(outcome ?? {}) } as const
    return { ok: true, events: [aborted, ...settled], reply }
  }
  const { doctorId, date, slot } = outcome.appointment
  return {
    ok: true,
    events: [
      { type: 'moved_out', moveId, appointmentId, to: { doctorId, date }, slot },
      ...offers(day, slotsOfPlace(appointment), moment),
    ],
    reply: { state: 'moved', appointment: outcome.appointment },
  }
}

export function settleMove(day: Day, { moveId }: Commands['settle_move'], _: Moment): Decision<null> {
  const isOpen = ['committed', 'aborted'].includes(day.moves.get(moveId)?.state ?? '')
  return { ok: true, events: isOpen ? [{ type: 'move_settled', moveId }] : [], reply: null }
}

/**
 * Reserves a slot until the other day reports how the move ended; a reservation never expires. If the day is
 * full but offers a slot to this patient, the reservation takes that slot.
 */
export function reserve(day: Day, command: Commands['reserve'], moment: Moment): Decision<Reservation> {
  const { opening, moveId, appointmentId, createdAt, moves, from } = command
  if (day.endedReservations.has(moveId)) return refuse('unavailable')
  // An earlier move of this appointment to this day was aborted, and its release has not arrived yet.
  if ([...day.reservations.values()].some(({ appointment }) => appointment.id === appointmentId))
    return refuse('moving')
  const refusal = closed(day, opening, moment.at)
  if (refusal) return refusal
  if (isBookedBeside(day, command)) return refuse('already_booked')
  const slot = slotToReserve(day, command, moment.at)
  if (typeof slot !== 'number') return slot
  const transfer = { ...bookingOf(command), ...aliasesOf(command), createdAt, moves }
  const reserved = { type: 'reserved', moveId, slot, from, ...transfer } as const
  return {
    ok: true,
    events: [...opened(day, opening), reserved],
    reply: reservationOf(
      opening,
      { ...reserved, at: moment.at },
      timesOf(slotsOf(day, opening).timetable, slot, command.span),
    ),
  }
}

/** The patient is booked here with another visit than those that move here together with this one. */
function isBookedBeside(day: Day, { beside = [], ...command }: Commands['reserve']): boolean {
  if (beside.length === 0 || !isBooked(day, command)) return isBooked(day, command)
  const ids = idsOf(command)
  const here = [...day.reservations.values()].map(({ appointment }) => appointment)
  const along = [...beside.flatMap((id) => day.appointments.get(id) ?? []), ...here].filter(
    ({ id, patientId, status }) => beside.includes(id) && status === 'booked' && ids.includes(patientId),
  )
  return along.length < ids.reduce((sum, id) => sum + (day.patients.get(id) ?? 0), 0)
}

/** The patient’s own offer counts as free, if the visit takes all of it. */
function slotToReserve(day: Day, command: Commands['reserve'], at: number): number | Refused {
  const { opening, choice, near, span } = command
  const slots = slotsOf(day, opening)
  const offered = offeredSlot(waitsOf(day, command)[0], command, slots.timetable, at)
  const lowest = freeSlot(day, slots, { at, span })
  if (!choice && near && lowest !== null)
    return nearestSlot(day, opening, near, { at, span }) ?? refuse('slot_taken')
  if (!choice) return lowest ?? offered ?? dayFull(day, slots, { at, span })
  const isOffered = offered !== null && slotOfChoice(day, opening, choice) === offered
  return isOffered ? offered : chosenSlot(day, opening, choice, { at, span })
}

export function confirmMove(day: Day, { moveId }: Commands['confirm_move'], moment: Moment): Decision<null> {
  const reservation = day.reservations.get(moveId)
  const isTaken = day.endedReservations.get(moveId) === 'taken'
  if (!reservation) return isTaken ? { ok: true, events: [], reply: null } : refuse('not_found')
  const { id: appointmentId, patientId } = reservation.appointment
  const leaving = waitsOf(day, { patientId, ...aliasesOf(reservation) })
  const ended = leaving.map(({ id: waitId }): Event => ({ type: 'wait_ended', waitId, how: 'booked' }))
  const offered = offers(day, offeredSlots(leaving), moment, { leaving })
  return {
    ok: true,
    events: [{ type: 'moved_in', moveId, appointmentId }, ...ended, ...offered],
    reply: null,
  }
}

/** Ends the move even if this day does not know it yet, so that a late `reserve` reserves nothing. */
export function releaseMove(
  day: Day,
  { opening, moveId }: Commands['release_move'],
  moment: Moment,
): Decision<null> {
  if (day.endedReservations.has(moveId)) return { ok: true, events: [], reply: null }
  const { appointment } = day.reservations.get(moveId) ?? {}
  const freed = appointment ? slotsOfPlace(appointment) : []
  const ended: Event = { type: 'reservation_ended', moveId }
  return {
    ok: true,
    events: [...opened(day, opening), ended, ...offers(day, freed, moment)],
    reply: null,
  }
}

/** This command may arrive late or twice: only a later move changes anything. */
export function point(day: Day, { appointmentId, to }: Commands['point'], _: Moment): Decision<null> {
  const known = (day.movedTo.get(appointmentId) ?? day.appointments.get(appointmentId))?.moves ?? 0
  const isNewer = to.moves > known
  return { ok: true, events: isNewer ? [{ type: 'pointed', appointmentId, to }] : [], reply: null }
}
