import type { Appointment, Booking, CheckIn, Day, DoctorDate, Reservation, Visit } from './day'
import type { EventOf } from './event'
import { aliasesOf } from './person'
import type { SlotTimes } from './slot-times'

/** The records that events create. The rules reply with the same records, so a reply matches the fold. */

/** What is said of a visit beside the usual. */
export const visitOf = ({ span = 1, serviceId }: Visit): Visit => ({
  ...(span > 1 && { span }),
  ...(serviceId !== undefined && { serviceId }),
})

/** The fields of a booking that its event has. */
export const bookingOf = ({
  appointmentId,
  patientId,
  timeSlot = null,
  ...visit
}: Omit<Booking, 'timeSlot'> & { timeSlot?: number | null }): Booking => ({
  appointmentId,
  patientId,
  ...(timeSlot !== null && { timeSlot }),
  ...visitOf(visit),
})

export const appointmentOf = (
  doctorDate: DoctorDate,
  event: EventOf<'booked'> & { at: number },
  times: SlotTimes,
): Appointment => ({
  id: event.appointmentId,
  patientId: event.patientId,
  doctorId: doctorDate.doctorId,
  date: doctorDate.date,
  slot: event.slot,
  timeSlot: event.timeSlot ?? null,
  ...visitOf(event),
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

/** Holds the appointment as it will be on this day if the move succeeds. */
export const reservationOf = (
  doctorDate: DoctorDate,
  event: EventOf<'reserved'> & { at: number },
  times: SlotTimes,
): Reservation => ({
  id: event.moveId,
  from: event.from,
  ...aliasesOf(event),
  appointment: {
    ...appointmentOf(doctorDate, { ...event, type: 'booked' }, times),
    createdAt: event.createdAt,
    moves: event.moves,
  },
})

/** Whether this day has made the id: of an appointment, one that left, a hold, a waiting place, a wish. */
export const hasMade = (day: Day, id: string): boolean =>
  [
    ...[day.appointments, day.movedTo, day.holds, day.endedHolds],
    ...[day.waitlist, day.endedWaits, day.wishes],
  ].some((ids) => ids.has(id))

/** When a caller has set the availability. What a leave has set is no decision about this date alone. */
export const setAtOf = (availability: Day['availability']): number | null =>
  availability && availability.leaveId === undefined ? availability.updatedAt : null
