import type { Appointment, CheckIn, Day, EventOf, Opening, Recorded } from './day'
import { emptyDay } from './day'
import { onTheMove } from './fold-moves'
import { appointmentOf, checkInOf } from './records'
import { scheduleOf, timesOf } from './slot-times'
import { countPatient, forgetPatient, free, take } from './slots'

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
      if (isPresent) day.affected.clear()
      return Object.assign(day, { availability: { id, isPresent, notes, updatedBy: actor, updatedAt: at } })
    }
    case 'booked':
      return booked(day, event)
    case 'cancelled':
      return giveUpSlot(nowWaiting(day, event), event.appointmentId, 'cancelled', event.at)
    case 'absence_struck':
      return struck(day, event)
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
    case 'move_began':
    case 'moved_out':
    case 'move_aborted':
    case 'move_settled':
    case 'reserved':
    case 'moved_in':
    case 'reservation_ended':
    case 'pointed':
      return onTheMove(day, event)
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

function booked(day: Day, event: Recorded<EventOf<'booked'>>): Day {
  const appointment = appointmentOf(
    day.place ?? { doctorId: '', date: '' },
    event,
    timesOf(day.timetable, event.slot),
  )
  day.appointments.set(appointment.id, appointment)
  return take(countPatient(day, appointment.patientId), appointment.slot, {
    kind: 'appointment',
    id: appointment.id,
  })
}

function giveUpSlot(day: Day, id: string, status: Appointment['status'], at: number): Day {
  const appointment = day.appointments.get(id)
  if (!appointment) return day
  day.appointments.set(id, { ...appointment, status, updatedAt: at })
  return free(forgetPatient(day, appointment.patientId), appointment.slot)
}

function struck(day: Day, { appointmentIds }: EventOf<'absence_struck'>): Day {
  for (const id of appointmentIds) {
    const { patientId, slot } = day.appointments.get(id) ?? { patientId: '', slot: 0 }
    day.affected.set(id, { patientId, slot, waiting: null })
  }
  return day
}

function nowWaiting(day: Day, { appointmentId, waiting }: EventOf<'cancelled'>): Day {
  const affected = day.affected.get(appointmentId)
  if (affected && waiting) day.affected.set(appointmentId, { ...affected, waiting })
  return day
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
