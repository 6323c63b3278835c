import type { Day, Move } from './day'
import type { EventOf, Recorded } from './event'
import { reservationOf } from './records'
import { timesOf } from './slot-times'
import { countPatient, forgetPatient, free, take } from './slots'

type MoveEvents = {
  [Type in
    | 'move_began'
    | 'moved_out'
    | 'move_aborted'
    | 'move_settled'
    | 'reserved'
    | 'moved_in'
    | 'reservation_ended'
    | 'pointed']: (day: Day, event: Recorded<EventOf<Type>>) => void
}

/** What a move does to the day that an appointment leaves, and to the day that it moves to. */
export const MOVE_EFFECTS: MoveEvents = {
  move_began(day, { moveId: id, appointmentId, to }) {
    day.moves.set(id, { id, appointmentId, to, state: 'reserving' })
  },
  /** The day remembers where the appointment went, because the id leads to the day of the first booking. */
  moved_out(day, { appointmentId, moveId, to, slot }) {
    amendMove(day, moveId, 'committed')
    const appointment = day.appointments.get(appointmentId)
    if (!appointment) return
    day.appointments.delete(appointmentId)
    day.movedTo.set(appointmentId, { ...to, moveId, slot, moves: appointment.moves + 1 })
    forgetPatient(day, appointment.patientId)
    free(day, appointment)
  },
  move_aborted: (day, { moveId }) => amendMove(day, moveId, 'aborted'),
  move_settled(day, { moveId }) {
    day.moves.delete(moveId)
  },
  reserved(day, event) {
    const { moveId, patientId, slot, span } = event
    const doctorDate = day.identity ?? { doctorId: '', date: '' }
    day.reservations.set(moveId, reservationOf(doctorDate, event, timesOf(day.timetable, slot, span)))
    // The slot may have been offered to this patient, who stays on the waitlist until the move is confirmed.
    for (const waiting of day.waitlist.values())
      if (waiting.offer?.slot === slot) day.waitlist.set(waiting.id, { ...waiting, offer: null })
    countPatient(day, patientId)
    take(day, event, { kind: 'reservation', id: moveId })
  },
  moved_in(day, { moveId, appointmentId }) {
    const reservation = day.reservations.get(moveId)
    day.reservations.delete(moveId)
    day.endedReservations.set(moveId, 'taken')
    if (!reservation) return
    day.appointments.set(appointmentId, reservation.appointment)
    day.movedTo.delete(appointmentId)
    take(day, reservation.appointment, { kind: 'appointment', id: appointmentId })
  },
  reservation_ended(day, { moveId }) {
    const reservation = day.reservations.get(moveId)
    day.reservations.delete(moveId)
    day.endedReservations.set(moveId, 'released')
    if (!reservation) return
    forgetPatient(day, reservation.appointment.patientId)
    free(day, reservation.appointment)
  },
  pointed(day, { appointmentId, to }) {
    day.movedTo.set(appointmentId, to)
  },
}

function amendMove(day: Day, id: string, state: Move['state']): void {
  const move = day.moves.get(id)
  if (move) day.moves.set(id, { ...move, state })
}
