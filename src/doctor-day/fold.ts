import type { Appointment, CheckIn, Day, EventOf, Occupant, Opening, Recorded } from './day'
import { emptyDay } from './day'
import { type SlotTimes, scheduleOf, timesOf } from './slot-times'

/** The day that a log tells of. */
export const fold = (events: Iterable<Recorded>): Day => {
  const day = emptyDay()
  for (const event of events) evolve(day, event)
  return day
}

/** A day that nobody has touched: what its first event would make of it, and version 0. */
export const untouched = (opening: Opening): Day => ({
  ...fold([{ type: 'opened', ...opening, seq: 1, at: 0, actor: '' }]),
  version: 0,
})

/**
 * The day after one more event. Changes the day it is given, so that an event costs the same on a day of 10
 * slots and of 1,000; the rules never change one.
 */
export function evolve(day: Day, event: Recorded): Day {
  day.version = event.seq
  switch (event.type) {
    case 'opened': {
      const { clinicId, doctorId, date, timeZone, capacity, hours = null } = event
      const place = { clinicId, doctorId, date }
      return Object.assign(day, { place, timeZone, capacity, ...scheduleOf(date, timeZone, hours) })
    }
    case 'capacity_set':
      return Object.assign(day, { capacity: event.capacity })
    case 'hours_set':
      return Object.assign(day, scheduleOf(day.place?.date ?? '', day.timeZone, event.hours))
    case 'availability_set': {
      const { id, isPresent, notes, actor, at } = event
      return Object.assign(day, { availability: { id, isPresent, notes, updatedBy: actor, updatedAt: at } })
    }
    case 'booked':
      return booked(day, event)
    case 'cancelled':
      return giveUpSlot(day, event.appointmentId, 'cancelled', event.at)
    case 'held':
      return held(day, event)
    case 'hold_ended':
      return holdEnded(day, event.holdId)
    case 'waitlisted':
      day.waitlist.set(event.waitId, { id: event.waitId, patientId: event.patientId, offer: null })
      return day
    case 'offered':
      return offered(day, event)
    case 'wait_ended':
      return waitEnded(day, event.waitId)
    default:
      return atTheDesk(day, event)
  }
}

type DeskEvent = EventOf<'checked_in' | 'called' | 'served' | 'skipped' | 'requeued' | 'no_show'>

/** What happens once the patient is there, or is not. */
function atTheDesk(day: Day, event: DeskEvent & { at: number }): Day {
  const { appointmentId } = event
  switch (event.type) {
    case 'checked_in':
      day.checkIns.set(appointmentId, checkInOf(day.appointments.get(appointmentId)?.patientId ?? '', event))
      return day
    case 'called':
      return amend(day, appointmentId, { status: 'called', room: event.room, calledAt: event.at })
    case 'served':
      return amend(day, appointmentId, { status: 'served', servedAt: event.at })
    case 'skipped':
      return amend(day, appointmentId, { status: 'skipped' })
    case 'requeued':
      return amend(day, appointmentId, { status: 'waiting', room: null })
    case 'no_show':
      return giveUpSlot(amend(day, appointmentId, { status: 'no_show' }), appointmentId, 'no_show', event.at)
  }
}

export const appointmentOf = (
  place: { doctorId: string; date: string },
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

function booked(day: Day, event: Recorded<EventOf<'booked'>>): Day {
  const appointment = appointmentOf(
    day.place ?? { doctorId: '', date: '' },
    event,
    timesOf(day.timetable, event.slot),
  )
  day.appointments.set(appointment.id, appointment)
  day.patients.set(appointment.patientId, (day.patients.get(appointment.patientId) ?? 0) + 1)
  return take(day, appointment.slot, { kind: 'appointment', id: appointment.id })
}

function giveUpSlot(day: Day, id: string, status: Appointment['status'], at: number): Day {
  const appointment = day.appointments.get(id)
  if (!appointment) return day
  const left = (day.patients.get(appointment.patientId) ?? 1) - 1
  if (left > 0) day.patients.set(appointment.patientId, left)
  else day.patients.delete(appointment.patientId)
  day.appointments.set(id, { ...appointment, status, updatedAt: at })
  return free(day, appointment.slot)
}

function held(day: Day, { holdId: id, slot, expiresAt }: EventOf<'held'>): Day {
  day.holds.set(id, { id, slot, expiresAt, ...timesOf(day.timetable, slot) })
  return take(day, slot, { kind: 'hold', id })
}

function holdEnded(day: Day, id: string): Day {
  const hold = day.holds.get(id)
  day.holds.delete(id)
  day.endedHolds.add(id)
  return hold ? free(day, hold.slot) : day
}

function offered(day: Day, { waitId, slot, deadline }: EventOf<'offered'>): Day {
  const waiting = day.waitlist.get(waitId)
  const offer = { slot, deadline, ...timesOf(day.timetable, slot) }
  if (waiting) day.waitlist.set(waitId, { ...waiting, offer })
  return take(day, slot, { kind: 'offer', id: waitId })
}

function waitEnded(day: Day, id: string): Day {
  const waiting = day.waitlist.get(id)
  day.waitlist.delete(id)
  day.endedWaits.add(id)
  return waiting?.offer ? free(day, waiting.offer.slot) : day
}

function amend(day: Day, appointmentId: string, change: Partial<CheckIn>): Day {
  const checkIn = day.checkIns.get(appointmentId)
  if (checkIn) day.checkIns.set(appointmentId, { ...checkIn, ...change })
  return day
}

function take(day: Day, slot: number, occupant: Occupant): Day {
  day.slots.set(slot, occupant)
  while (day.slots.has(day.lowestFreeSlot)) day.lowestFreeSlot += 1
  return day
}

function free(day: Day, slot: number): Day {
  day.slots.delete(slot)
  day.lowestFreeSlot = Math.min(day.lowestFreeSlot, slot)
  return day
}
