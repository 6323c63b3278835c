import type { Commands, Decision, Moment } from '../commands'
import type { Appointment, Availability, Day, Hold, Waiting } from '../state/day'
import type { Event, EventOf } from '../state/event'
import { appointmentOf, bookingOf, visitOf } from '../state/records'
import { isSkipped, lastSlot, scheduleOf, timesOf } from '../state/slot-times'
import { slotsOfPlace } from '../state/slots'
import { slotFor } from './choice'
import {
  changesSlotTimes,
  closed,
  deadlineOf,
  isBooked,
  isMoving,
  notOnDay,
  offeredSlot,
  offeredSlots,
  offers,
  opened,
  refuse,
  termEvents,
  termsAfter,
  termsOf,
  waitsOf,
  zoneOf,
} from './facts'
import { type Begun, hasBegun, slotsOf, standsUntil, untakenSlots } from './free-slots'
import { absence, dateRefusal } from './off'

/** The slots of a day: booking, cancelling, holding, and their number. */

/** `begun`: which slots may be given though they have begun. */
export function book(
  day: Day,
  command: Commands['book'],
  moment: Moment,
  begun: Begun = command.isBackDated ? 'any' : 'none',
): Decision<Appointment> {
  const { opening, choice, isBackDated, span } = command
  const { at } = moment
  const refusal = isBackDated ? absence(day, opening) : closed(day, opening, at)
  if (refusal) return refusal
  if (isBooked(day, command)) return refuse('already_booked')
  const waits = waitsOf(day, command)
  const { timetable } = slotsOf(day, opening)
  // Without a choice, a patient with an offer gets the offered slot.
  const offered = choice ? null : offeredSlot(waits[0], command, timetable, at)
  const slot = offered ?? slotFor(day, opening, choice, { at, begun, span, own: offeredSlots(waits) })
  if (typeof slot !== 'number') return slot
  const booked: EventOf<'booked'> = { type: 'booked', ...bookingOf(command), slot }
  return {
    ok: true,
    events: [...opened(day, opening), ...insteadOfWaiting(day, waits, booked, moment)],
    reply: appointmentOf(opening, { ...booked, at }, timesOf(timetable, slot, span)),
  }
}

/** A patient who is booked waits no longer; what was offered and is not booked goes to the next who waits. */
function insteadOfWaiting(day: Day, waits: Waiting[], booked: EventOf<'booked'>, moment: Moment): Event[] {
  if (waits.length === 0) return [booked]
  const taken = slotsOfPlace(booked)
  const freed = offeredSlots(waits).filter((slot) => !taken.includes(slot))
  const ended = waits.map(({ id: waitId }): Event => ({ type: 'wait_ended', waitId, how: 'booked' }))
  return [...ended, booked, ...offers(day, freed, moment, { leaving: waits, taken })]
}

/** Books the held slot. */
export function bookHeld(day: Day, command: Commands['book_held'], moment: Moment): Decision<Appointment> {
  const { holdId } = command
  const hold = day.holds.get(holdId)
  if (!hold || !day.identity) return refuse(day.endedHolds.has(holdId) ? 'hold_over' : 'not_found')
  const refusal = closed(day, { ...day.identity, timeZone: day.timeZone }, moment.at)
  if (refusal) return refusal
  if (hasBegun(day.timetable, hold.slot, moment.at)) return refuse('hold_over')
  if (isBooked(day, command)) return refuse('already_booked')
  const { slot, span } = hold
  const booked: EventOf<'booked'> = { type: 'booked', ...bookingOf({ ...command, ...visitOf(hold) }), slot }
  const ended: Event = { type: 'hold_ended', holdId, how: 'booked' }
  return {
    ok: true,
    events: [ended, ...insteadOfWaiting(day, waitsOf(day, command), booked, moment)],
    reply: appointmentOf(day.identity, { ...booked, at: moment.at }, timesOf(day.timetable, slot, span)),
  }
}

export function cancel(day: Day, command: Commands['cancel'], moment: Moment): Decision<Appointment> {
  const { appointmentId, waiting } = command
  const appointment = day.appointments.get(appointmentId)
  if (!appointment) return notOnDay(day, appointmentId)
  if (isMoving(day, appointmentId)) return refuse('moving')
  if (appointment.status !== 'booked') return refuse('already_cancelled')
  if (day.checkIns.has(appointmentId)) return refuse('already_checked_in')
  return {
    ok: true,
    events: [
      { type: 'cancelled', appointmentId, reason: null, ...(waiting && { waiting }) },
      ...offers(day, slotsOfPlace(appointment), moment),
    ],
    reply: { ...appointment, status: 'cancelled', updatedAt: moment.at },
  }
}

export function hold(day: Day, command: Commands['hold'], { at }: Moment): Decision<Hold> {
  const { opening, holdId, ttlMs, span, choice } = command
  const refusal = closed(day, opening, at)
  if (refusal) return refusal
  const slot = slotFor(day, opening, choice, { at, span })
  if (typeof slot !== 'number') return slot
  const { timetable } = slotsOf(day, opening)
  const held = { slot, ...visitOf(command), expiresAt: standsUntil(timetable, slot, at + ttlMs) }
  return {
    ok: true,
    events: [...opened(day, opening), { type: 'held', holdId, ...held }],
    reply: { id: holdId, ...held, ...timesOf(timetable, slot, span) },
  }
}

/** Releasing an ended hold again is no error and changes nothing, unless its slot was booked. */
export function releaseHold(
  day: Day,
  { holdId }: Commands['release_hold'],
  moment: Moment,
): Decision<{ id: string }> {
  const hold = day.holds.get(holdId)
  if (!hold && !day.endedHolds.has(holdId)) return refuse('not_found')
  if (day.usedHolds.has(holdId)) return { ok: false, refused: 'hold_over', status: 'booked' }
  const events: Event[] = hold
    ? [{ type: 'hold_ended', holdId, how: 'released' }, ...offers(day, slotsOfPlace(hold), moment)]
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
  if (opening.off?.kind === 'retired') return refuse('doctor_retired')
  const [before, after] = [termsOf(day, opening), termsAfter(day, command)]
  if (day.slots.size > 0 && changesSlotTimes(before, after)) return refuse('hours_in_use')
  const id = day.availability?.id ?? command.id
  const { timetable } = scheduleOf(opening.date, zoneOf(day, opening), after.hours)
  const slots = { capacity: after.capacity, timetable }
  if ([...day.slots.keys()].some((slot) => isSkipped(timetable, slot))) return refuse('break_taken')
  if (lastSlot(slots) < Math.max(0, ...day.slots.keys())) return refuse('capacity_below_taken')
  return {
    ok: true,
    events: [
      ...opened(day, { ...opening, off: undefined }),
      { type: 'availability_set', id, isPresent, notes },
      ...termEvents(before, after),
      ...(isPresent ? offers(day, untakenSlots(day, slots), moment, { isPresent, slots }) : []),
    ],
    reply: { id, isPresent, notes, ...after, updatedBy: moment.actor, updatedAt: moment.at },
  }
}

/** Ends what is beyond its deadline, and offers the freed slots to the waitlist in the same step. */
export function lapse(day: Day, _: Commands['lapse'], moment: Moment): Decision<null> {
  const holds = [...day.holds.values()].filter(({ expiresAt }) => expiresAt <= moment.at)
  const waits = [...day.waitlist.values()].filter((waiting) => deadlineOf(day, waiting) <= moment.at)
  const freed = [...holds.flatMap(slotsOfPlace), ...offeredSlots(waits)]
  const ended: Event[] = [
    ...holds.map(({ id }): Event => ({ type: 'hold_ended', holdId: id, how: 'expired' })),
    ...waits.map(({ id }): Event => ({ type: 'wait_ended', waitId: id, how: 'lapsed' })),
  ]
  return { ok: true, events: [...ended, ...offers(day, freed, moment)], reply: null }
}
