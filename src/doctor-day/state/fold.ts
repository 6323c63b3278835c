import type { Appointment, CheckIn, Day, Opening } from './day'
import type { Event, EventOf, Recorded } from './event'
import { MOVE_EFFECTS } from './fold-moves'
import { leaveWish, WISH_EFFECTS } from './fold-wishes'
import { appointmentOf, checkInOf, visitOf } from './records'
import { beginOf, scheduleOf, timesOf, wishedSlot } from './slot-times'
import { countPatient, forgetPatient, free, take } from './slots'

/** The state of a day, computed from its log. */
export const fold = (events: Iterable<Recorded>): Day => {
  const day = emptyDay()
  for (const event of events) evolve(day, event)
  return day
}

/**
 * The day at an instant (epoch ms), including all events of that millisecond. It stops at the first later
 * event, so that no event counts without those before it, even if the clock once ran backwards.
 */
export function foldUntil(events: Iterable<Recorded>, at: number): Day {
  const day = emptyDay()
  for (const event of events) {
    if (event.at > at) break
    evolve(day, event)
  }
  return day
}

/** An unused day: the state that its first event would give it, with version 0. */
export const unusedDay = (opening: Opening): Day => ({
  ...fold([{ type: 'opened', ...opening, seq: 1, at: 0, actor: '' }]),
  version: 0,
})

/**
 * Applies one more event. Changes the given day, so that an event costs the same on a day of 10 slots and of
 * 1,000. The rules never change a day.
 */
export function evolve(day: Day, event: Recorded): Day {
  day.version = event.seq
  const effect = EFFECTS[event.type] as (day: Day, event: Recorded) => void
  effect(day, event)
  if (event.type !== 'unknown') day.eventsOf.set(event.actor, (day.eventsOf.get(event.actor) ?? 0) + 1)
  return day
}

type Effects = { [Type in Event['type']]: (day: Day, event: Recorded<EventOf<Type>>) => void }

/** What each kind of event does to a day. */
const EFFECTS: Effects = {
  ...MOVE_EFFECTS,
  ...WISH_EFFECTS,
  opened(day, { clinicId, doctorId, date, timeZone, capacity, hours = null }) {
    const identity = { clinicId, doctorId, date }
    Object.assign(day, { identity, timeZone, capacity, ...scheduleOf(date, timeZone, hours) })
  },
  capacity_set(day, { capacity }) {
    day.capacity = capacity
  },
  hours_set(day, { hours }) {
    Object.assign(day, scheduleOf(day.identity?.date ?? '', day.timeZone, hours))
    for (const waiting of day.waitlist.values()) {
      const wish = wishedSlot(day.timetable, waiting)
      if (wish) day.waitlist.set(waiting.id, { ...waiting, wish })
    }
  },
  availability_set(day, { id, isPresent, notes, leaveId, actor, at }) {
    if (isPresent) day.affected.clear()
    const ofLeave = leaveId === undefined ? {} : { leaveId }
    day.availability = { id, isPresent, notes, ...ofLeave, updatedBy: actor, updatedAt: at }
  },
  booked(day, event) {
    const doctorDate = day.identity ?? { doctorId: '', date: '' }
    const appointment = appointmentOf(doctorDate, event, timesOf(day.timetable, event.slot, event.span))
    day.appointments.set(appointment.id, appointment)
    countPatient(day, appointment.patientId)
    take(day, appointment, { kind: 'appointment', id: appointment.id })
  },
  /** `moves` counts it, so that a calendar knows which of two versions is newer. */
  slot_changed(day, { appointmentId: id, slot, at }) {
    const before = day.appointments.get(id)
    if (!before) return
    const times = timesOf(day.timetable, slot, before.span)
    const after = { ...before, slot, ...times, updatedAt: at, moves: before.moves + 1 }
    free(day, before)
    day.appointments.set(id, after)
    take(day, after, { kind: 'appointment', id })
  },
  cancelled(day, { appointmentId, waiting, at }) {
    const affected = day.affected.get(appointmentId)
    if (affected && waiting) day.affected.set(appointmentId, { ...affected, waiting })
    giveUpSlot(day, appointmentId, 'cancelled', at)
  },
  absence_struck(day, { appointmentIds }) {
    for (const id of appointmentIds) {
      const { patientId, slot } = day.appointments.get(id) ?? { patientId: '', slot: 0 }
      day.affected.set(id, { patientId, slot, waiting: null })
    }
  },
  held(day, { holdId: id, slot, expiresAt, ...visit }) {
    const hold = { id, slot, ...visitOf(visit), expiresAt, ...timesOf(day.timetable, slot, visit.span) }
    day.holds.set(id, hold)
    take(day, hold, { kind: 'hold', id })
  },
  hold_ended(day, { holdId, how }) {
    const hold = day.holds.get(holdId)
    day.holds.delete(holdId)
    day.endedHolds.add(holdId)
    if (how === 'booked') day.usedHolds.add(holdId)
    if (hold) free(day, hold)
  },
  waitlisted(day, { waitId: id, patientId, wish, offerMinutes, ...visit }) {
    const wished = wish !== undefined && {
      wish,
      ...(day.timetable && { wishAt: beginOf(day.timetable, wish) }),
    }
    const terms = { ...wished, ...(offerMinutes !== undefined && { offerMinutes }) }
    day.waitlist.set(id, { id, patientId, ...visitOf(visit), ...terms, offer: null })
  },
  offered(day, { waitId: id, slot, deadline }) {
    const waiting = day.waitlist.get(id)
    const span = waiting?.span
    const offer = { slot, deadline, ...timesOf(day.timetable, slot, span) }
    if (waiting) day.waitlist.set(id, { ...waiting, offer })
    take(day, { slot, ...visitOf({ span }) }, { kind: 'offer', id })
  },
  wait_ended(day, { waitId, how }) {
    const waiting = day.waitlist.get(waitId)
    day.waitlist.delete(waitId)
    day.endedWaits.add(waitId)
    if (waiting?.offer) free(day, { ...waiting, slot: waiting.offer.slot })
    if (waiting) leaveWish(day, waiting, how)
  },
  checked_in(day, event) {
    const patientId = day.appointments.get(event.appointmentId)?.patientId ?? ''
    day.checkIns.set(event.appointmentId, checkInOf(patientId, event))
    day.lastPosition = Math.max(day.lastPosition, event.position)
  },
  unchecked_in(day, { appointmentId, at }) {
    day.checkIns.delete(appointmentId)
    touch(day, appointmentId, at)
  },
  called: (day, { appointmentId, room, at }) =>
    amend(day, appointmentId, { status: 'called', room, calledAt: at }),
  served: (day, { appointmentId, at }) => amend(day, appointmentId, { status: 'served', servedAt: at }),
  unserved(day, { appointmentId, at }) {
    amend(day, appointmentId, { status: 'called', servedAt: null })
    touch(day, appointmentId, at)
  },
  skipped: (day, { appointmentId }) => amend(day, appointmentId, { status: 'skipped' }),
  requeued: (day, { appointmentId }) => amend(day, appointmentId, { status: 'waiting', room: null }),
  no_show(day, { appointmentId, at }) {
    amend(day, appointmentId, { status: 'no_show' })
    giveUpSlot(day, appointmentId, 'no_show', at)
  },
  /** The first event of a new log, after `opened`. */
  rebuilt(day, { appointments, checkIns, lastPosition = 0, movedAway }) {
    for (const appointment of appointments) {
      const { id, patientId, status } = appointment
      const { doctorId, date } = day.identity ?? { doctorId: '', date: '' }
      day.appointments.set(id, { ...appointment, doctorId, date })
      if (status !== 'booked') continue
      countPatient(day, patientId)
      take(day, appointment, { kind: 'appointment', id })
    }
    for (const checkIn of checkIns) day.checkIns.set(checkIn.appointmentId, checkIn)
    day.lastPosition = Math.max(day.lastPosition, lastPosition, ...checkIns.map(({ position }) => position))
    for (const { appointmentId, ...movedTo } of movedAway) day.movedTo.set(appointmentId, movedTo)
  },
  text_set(day, { textId, kind, mac, appointmentId }) {
    day.texts.set(textId, { textId, kind, mac, appointmentId })
    day.lastText = Math.max(day.lastText, textId)
  },
  text_ended(day, { textId }) {
    day.texts.delete(textId)
  },
  patient_erased(day, { patientId }) {
    day.erased.add(patientId)
  },
  unknown(day) {
    day.isNewer = true
  },
}

function giveUpSlot(day: Day, id: string, status: Appointment['status'], at: number): void {
  const appointment = day.appointments.get(id)
  if (!appointment) return
  day.appointments.set(id, { ...appointment, status, updatedAt: at })
  forgetPatient(day, appointment.patientId)
  free(day, appointment)
}

/** What an undone step has left is as new as the undoing: its time must not go back. */
function touch(day: Day, id: string, at: number): void {
  const appointment = day.appointments.get(id)
  if (appointment) day.appointments.set(id, { ...appointment, updatedAt: at })
}

function amend(day: Day, appointmentId: string, change: Partial<CheckIn>): void {
  const checkIn = day.checkIns.get(appointmentId)
  if (checkIn) day.checkIns.set(appointmentId, { ...checkIn, ...change })
}

export const emptyDay = (): Day => ({
  version: 0,
  identity: null,
  timeZone: 'UTC',
  capacity: 0,
  hours: null,
  timetable: null,
  availability: null,
  slots: new Map(),
  lowestFreeSlot: 1,
  appointments: new Map(),
  patients: new Map(),
  holds: new Map(),
  endedHolds: new Set(),
  usedHolds: new Set(),
  waitlist: new Map(),
  endedWaits: new Set(),
  wishes: new Map(),
  wishOfWait: new Map(),
  endedWishes: new Map(),
  reports: new Map(),
  checkIns: new Map(),
  lastPosition: 0,
  moves: new Map(),
  movedTo: new Map(),
  reservations: new Map(),
  endedReservations: new Map(),
  affected: new Map(),
  texts: new Map(),
  lastText: 0,
  erased: new Set(),
  eventsOf: new Map(),
  isNewer: false,
})
