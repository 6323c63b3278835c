import type { Appointment, CheckIn, DoctorDate, EventOf, Reservation } from './day'
import type { SlotTimes } from './slot-times'

/** What events make. The rules answer with it, so a reply is what its events make of the day. */

export const appointmentOf = (
  place: DoctorDate,
  event: EventOf<'booked'> & { at: number },
  times: SlotTimes,
): Appointment => ({
  id: event.appointmentId,
  patientId: event.patientId,
  doctorId: place.doctorId,
  date: place.date,
  slot: event.slot,
  ...times,
  status: 'booked',
  createdAt: event.at,
  updatedAt: event.at,
  moves: 0,
})

export const checkInOf = (patientId: string, event: EventOf<'checked_in'> & { at: number }): CheckIn => ({
  id: event.checkInId,
  appointmentId: event.appointmentId,
  patientId,
  position: event.position,
  priority: event.priority,
  checkedInAt: event.at,
  status: 'waiting',
  room: null,
  calledAt: null,
  servedAt: null,
})

/** The appointment as it will stand here, should it come. */
export const reservationOf = (
  place: DoctorDate,
  event: EventOf<'reserved'> & { at: number },
  times: SlotTimes,
): Reservation => ({
  id: event.moveId,
  from: event.from,
  appointment: {
    ...appointmentOf(place, { ...event, type: 'booked' }, times),
    createdAt: event.createdAt,
    moves: event.moves,
  },
})
