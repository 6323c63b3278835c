import type { Commands, Decision, Moment, MoveReply } from '../commands'
import type { Day, Event, Reservation } from '../state/day'
import { reservationOf } from '../state/records'
import { capacityOf, isAbsent, isMoving, notHere, offers, openingOf, refuse, timesOn, waitOf } from './facts'

/**
 * How an appointment goes from one day to another. The day that holds its slot coordinates: it marks the
 * move, the other day reserves a slot, and then this day alone ends it, by one event: the appointment has
 * gone, or it stays. What a crash interrupts before that event is undone; after it, the other day is told
 * until it knows. So at every instant the appointment is on one day, and a slot is kept for it there.
 */

export function beginMove(day: Day, command: Commands['begin_move'], _: Moment): Decision<MoveReply> {
  const { appointmentId, moveId, to } = command
  const appointment = day.appointments.get(appointmentId)
  if (!appointment) return notHere(day, appointmentId)
  if (appointment.status !== 'booked') return refuse('already_cancelled')
  if (day.checkIns.has(appointmentId)) return refuse('already_checked_in')
  if (isMoving(day, appointmentId)) return refuse('moving')
  const { doctorId, date, patientId, createdAt, moves } = appointment
  if (to.doctorId === doctorId && to.date === date)
    return { ok: true, events: [], reply: { state: 'moved', appointment } }
  const move = { id: moveId, appointmentId, to, state: 'reserving' } as const
  const traveller = { appointmentId, patientId, createdAt, moves: moves + 1 }
  return {
    ok: true,
    events: [{ type: 'move_began', moveId, appointmentId, to }],
    reply: { state: 'under_way', move, traveller, from: { doctorId, date } },
    isUnderWay: true,
  }
}

/** The one step that counts: before it the appointment is here, after it there. */
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
    // A day that refused has kept nothing; only one that was out of reach must be told to give it back.
    const settled: Event[] = outcome ? [{ type: 'move_settled', moveId }] : []
    return { ok: true, events: [aborted, ...settled], reply: { state: 'refused', refused: why } }
  }
  const { doctorId, date, slot } = outcome.appointment
  return {
    ok: true,
    events: [
      { type: 'moved_out', moveId, appointmentId, to: { doctorId, date }, slot },
      ...offers(day, [appointment.slot], moment),
    ],
    reply: { state: 'moved', appointment: outcome.appointment },
  }
}

export function settleMove(day: Day, { moveId }: Commands['settle_move'], _: Moment): Decision<null> {
  const isOpen = ['committed', 'aborted'].includes(day.moves.get(moveId)?.state ?? '')
  return { ok: true, events: isOpen ? [{ type: 'move_settled', moveId }] : [], reply: null }
}

/**
 * Keeps a slot until the other day says what became of the move; it never lapses by itself. Where the day is
 * full but one slot is offered to this very patient, it is that one.
 */
export function reserve(day: Day, command: Commands['reserve'], moment: Moment): Decision<Reservation> {
  const { opening, moveId, appointmentId, patientId, createdAt, moves, from, allowAnother } = command
  if (day.endedReservations.has(moveId)) return refuse('unavailable')
  // An earlier move of it to this day was undone, and that news is still under way.
  if ([...day.reservations.values()].some(({ appointment }) => appointment.id === appointmentId))
    return refuse('moving')
  if (isAbsent(day)) return refuse('doctor_absent')
  if (day.patients.has(patientId) && !allowAnother) return refuse('already_booked')
  const isFull = day.slots.size >= capacityOf(day, opening)
  const slot = isFull ? waitOf(day, patientId)?.offer?.slot : day.lowestFreeSlot
  if (slot === undefined) return refuse('day_full')
  const traveller = { appointmentId, patientId, createdAt, moves }
  const reserved = { type: 'reserved', moveId, slot, from, ...traveller } as const
  return {
    ok: true,
    events: [...openingOf(day, opening), reserved],
    reply: reservationOf(opening, { ...reserved, at: moment.at }, timesOn(day, opening, slot)),
  }
}

export function confirmMove(day: Day, { moveId }: Commands['confirm_move'], moment: Moment): Decision<null> {
  const reservation = day.reservations.get(moveId)
  const isTaken = day.endedReservations.get(moveId) === 'taken'
  if (!reservation) return isTaken ? { ok: true, events: [], reply: null } : refuse('not_found')
  const { id: appointmentId, patientId } = reservation.appointment
  const waiting = waitOf(day, patientId)
  const left: Event[] = waiting ? [{ type: 'wait_ended', waitId: waiting.id, how: 'booked' }] : []
  const freed = waiting?.offer ? [waiting.offer.slot] : []
  return {
    ok: true,
    events: [{ type: 'moved_in', moveId, appointmentId }, ...left, ...offers(day, freed, moment)],
    reply: null,
  }
}

/** Ends the move here even where it is not known yet, so that a reserve which comes late keeps nothing. */
export function releaseMove(
  day: Day,
  { opening, moveId }: Commands['release_move'],
  moment: Moment,
): Decision<null> {
  if (day.endedReservations.has(moveId)) return { ok: true, events: [], reply: null }
  const freed = day.reservations.get(moveId)?.appointment.slot
  const ended: Event = { type: 'reservation_ended', moveId }
  return {
    ok: true,
    events: [...openingOf(day, opening), ended, ...offers(day, freed === undefined ? [] : [freed], moment)],
    reply: null,
  }
}

/** News may come late or twice: only what is newer counts. */
export function point(day: Day, { appointmentId, to }: Commands['point'], _: Moment): Decision<null> {
  const known = (day.movedTo.get(appointmentId) ?? day.appointments.get(appointmentId))?.moves ?? 0
  const isNews = to.moves > known
  return { ok: true, events: isNews ? [{ type: 'pointed', appointmentId, to }] : [], reply: null }
}
