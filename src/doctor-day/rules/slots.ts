import type { Commands, Decision, Moment } from '../commands'
import type { Appointment, Availability, Day, Event, EventOf, Hold } from '../state/day'
import { appointmentOf, bookingOf } from '../state/records'
import { scheduleOf, timesOf } from '../state/slot-times'
import { dateRefusal } from './dates'
import {
  changesSlotTimes,
  closed,
  isMoving,
  notOnDay,
  offeredSlot,
  offers,
  opened,
  refuse,
  termEvents,
  termsAfter,
  termsOf,
  waitOf,
  zoneOf,
} from './facts'
import { freeSlot, hasBegun, slotsOf, standsUntil, untakenSlots } from './free-slots'

/** The slots of a day: booking, cancelling, holding, and their number. */

/** `mayRun`: the slot may be the one that is running now. */
export function book(
  day: Day,
  command: Commands['book'],
  { at }: Moment,
  mayRun = false,
): Decision<Appointment> {
  const { opening, patientId, allowAnother } = command
  const refusal = closed(day, opening, at)
  if (refusal) return refusal
  if (day.patients.has(patientId) && !allowAnother) return refuse('already_booked')
  const waiting = waitOf(day, patientId)
  const slots = slotsOf(day, opening)
  // A patient with an offer gets the offered slot.
  const slot = offeredSlot(waiting, slots.timetable, at) ?? freeSlot(day, slots, at, mayRun)
  if (slot === null) return refuse('day_full')
  const ended: Event[] = waiting ? [{ type: 'wait_ended', waitId: waiting.id, how: 'booked' }] : []
  const booked: EventOf<'booked'> = { type: 'booked', ...bookingOf(command), slot }
  return {
    ok: true,
    events: [...opened(day, opening), ...ended, booked],
    reply: appointmentOf(opening, { ...booked, at }, timesOf(slots.timetable, slot)),
  }
}

/** Books the held slot. */
export function bookHeld(day: Day, command: Commands['book_held'], moment: Moment): Decision<Appointment> {
  const { holdId, patientId, allowAnother } = command
  const hold = day.holds.get(holdId)
  if (!hold || !day.identity) return refuse(day.endedHolds.has(holdId) ? 'hold_over' : 'not_found')
  const refusal = closed(day, { ...day.identity, timeZone: day.timeZone }, moment.at)
  if (refusal) return refusal
  if (hasBegun(day.timetable, hold.slot, moment.at)) return refuse('hold_over')
  if (day.patients.has(patientId) && !allowAnother) return refuse('already_booked')
  const booked: EventOf<'booked'> = { type: 'booked', ...bookingOf(command), slot: hold.slot }
  const waiting = waitOf(day, patientId)
  const ended: Event[] = waiting ? [{ type: 'wait_ended', waitId: waiting.id, how: 'booked' }] : []
  const freed = waiting?.offer ? [waiting.offer.slot] : []
  return {
    ok: true,
    events: [{ type: 'hold_ended', holdId, how: 'booked' }, booked, ...ended, ...offers(day, freed, moment)],
    reply: appointmentOf(day.identity, { ...booked, at: moment.at }, timesOf(day.timetable, hold.slot)),
  }
}

export function cancel(day: Day, command: Commands['cancel'], moment: Moment): Decision<Appointment> {
  const { appointmentId, reason, waiting } = command
  const appointment = day.appointments.get(appointmentId)
  if (!appointment) return notOnDay(day, appointmentId)
  if (isMoving(day, appointmentId)) return refuse('moving')
  if (appointment.status !== 'booked') return refuse('already_cancelled')
  if (day.checkIns.has(appointmentId)) return refuse('already_checked_in')
  return {
    ok: true,
    events: [
      { type: 'cancelled', appointmentId, reason, ...(waiting && { waiting }) },
      ...offers(day, [appointment.slot], moment),
    ],
    reply: { ...appointment, status: 'cancelled', updatedAt: moment.at },
  }
}

export function hold(day: Day, { opening, holdId, ttlMs }: Commands['hold'], { at }: Moment): Decision<Hold> {
  const refusal = closed(day, opening, at)
  if (refusal) return refusal
  const slots = slotsOf(day, opening)
  const slot = freeSlot(day, slots, at)
  if (slot === null) return refuse('day_full')
  const held = { slot, expiresAt: standsUntil(slots.timetable, slot, at + ttlMs) }
  return {
    ok: true,
    events: [...opened(day, opening), { type: 'held', holdId, ...held }],
    reply: { id: holdId, ...held, ...timesOf(slots.timetable, slot) },
  }
}

/** Releasing an ended hold again is no error and changes nothing. */
export function releaseHold(
  day: Day,
  { holdId }: Commands['release_hold'],
  moment: Moment,
): Decision<{ id: string }> {
  const hold = day.holds.get(holdId)
  if (!hold && !day.endedHolds.has(holdId)) return refuse('not_found')
  const events: Event[] = hold
    ? [{ type: 'hold_ended', holdId, how: 'released' }, ...offers(day, [hold.slot], moment)]
    : []
  return { ok: true, events, reply: { id: holdId } }
}

export function setAvailability(
  day: Day,
  command: Commands['set_availability'],
  moment: Moment,
): Decision<Availability> {
  const { opening, isPresent, notes } = command
  const refusal = dateRefusal(opening, moment.at)
  if (refusal) return refusal
  const [before, after] = [termsOf(day, opening), termsAfter(day, command)]
  if (day.slots.size > 0 && changesSlotTimes(before, after)) return refuse('hours_in_use')
  if (after.capacity < Math.max(0, ...day.slots.keys())) return refuse('capacity_below_taken')
  const id = day.availability?.id ?? command.id
  const { timetable } = scheduleOf(opening.date, zoneOf(day, opening), after.hours)
  return {
    ok: true,
    events: [
      ...opened(day, opening),
      { type: 'availability_set', id, isPresent, notes },
      ...termEvents(before, after),
      ...(isPresent ? offers(day, untakenSlots(day, after.capacity), moment, { isPresent, timetable }) : []),
    ],
    reply: { id, isPresent, notes, ...after, updatedBy: moment.actor, updatedAt: moment.at },
  }
}

/** Ends what is beyond its deadline, and offers the freed slots to the waitlist in the same step. */
export function lapse(day: Day, _: Commands['lapse'], moment: Moment): Decision<null> {
  const holds = [...day.holds.values()].filter(({ expiresAt }) => expiresAt <= moment.at)
  const waits = [...day.waitlist.values()].filter(({ offer }) => offer && offer.deadline <= moment.at)
  const freed = [...holds.map(({ slot }) => slot), ...waits.flatMap(({ offer }) => offer?.slot ?? [])]
  const ended: Event[] = [
    ...holds.map(({ id }): Event => ({ type: 'hold_ended', holdId: id, how: 'expired' })),
    ...waits.map(({ id }): Event => ({ type: 'wait_ended', waitId: id, how: 'lapsed' })),
  ]
  return { ok: true, events: [...ended, ...offers(day, freed, moment)], reply: null }
}
