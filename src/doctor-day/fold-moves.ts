import type { Day, EventOf, Move, Recorded } from './day'
import { reservationOf } from './records'
import { timesOf } from './slot-times'
import { countPatient, forgetPatient, free, take } from './slots'

type MoveEvent = EventOf<
  | 'move_began'
  | 'moved_out'
  | 'move_aborted'
  | 'move_settled'
  | 'reserved'
  | 'moved_in'
  | 'reservation_ended'
  | 'pointed'
>

/** What an appointment on its way leaves behind on one day, and finds on the other. */
export function onTheMove(day: Day, event: Recorded<MoveEvent>): Day {
  switch (event.type) {
    case 'move_began': {
      const { moveId: id, appointmentId, to } = event
      day.moves.set(id, { id, appointmentId, to, state: 'reserving' })
      return day
    }
    case 'moved_out':
      return movedOut(amendMove(day, event.moveId, 'committed'), event)
    case 'move_aborted':
      return amendMove(day, event.moveId, 'aborted')
    case 'move_settled':
      day.moves.delete(event.moveId)
      return day
    case 'reserved':
      return reserved(day, event)
    case 'moved_in':
      return movedIn(day, event)
    case 'reservation_ended':
      return reservationEnded(day, event.moveId)
    case 'pointed':
      day.movedTo.set(event.appointmentId, event.to)
      return day
  }
}

function amendMove(day: Day, id: string, state: Move['state']): Day {
  const move = day.moves.get(id)
  if (move) day.moves.set(id, { ...move, state })
  return day
}

/** The day remembers where it went: an appointment's id leads to the day it was first booked on. */
function movedOut(day: Day, { appointmentId, moveId, to, slot }: EventOf<'moved_out'>): Day {
  const appointment = day.appointments.get(appointmentId)
  if (!appointment) return day
  day.appointments.delete(appointmentId)
  day.movedTo.set(appointmentId, { ...to, moveId, slot, moves: appointment.moves + 1 })
  return free(forgetPatient(day, appointment.patientId), appointment.slot)
}

function reserved(day: Day, event: Recorded<EventOf<'reserved'>>): Day {
  const { moveId, patientId, slot } = event
  day.reservations.set(
    moveId,
    reservationOf(day.place ?? { doctorId: '', date: '' }, event, timesOf(day.timetable, slot)),
  )
  // The slot may have been offered to this very patient, who goes on waiting until the move is certain.
  for (const waiting of day.waitlist.values())
    if (waiting.offer?.slot === slot) day.waitlist.set(waiting.id, { ...waiting, offer: null })
  return take(countPatient(day, patientId), slot, { kind: 'reservation', id: moveId })
}

function movedIn(day: Day, { moveId, appointmentId }: EventOf<'moved_in'>): Day {
  const reservation = day.reservations.get(moveId)
  day.reservations.delete(moveId)
  day.endedReservations.set(moveId, 'taken')
  if (!reservation) return day
  day.appointments.set(appointmentId, reservation.appointment)
  day.movedTo.delete(appointmentId)
  return take(day, reservation.appointment.slot, { kind: 'appointment', id: appointmentId })
}

function reservationEnded(day: Day, moveId: string): Day {
  const reservation = day.reservations.get(moveId)
  day.reservations.delete(moveId)
  day.endedReservations.set(moveId, 'released')
  if (!reservation) return day
  const { patientId, slot } = reservation.appointment
  return free(forgetPatient(day, patientId), slot)
}
