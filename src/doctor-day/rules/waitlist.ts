import type { Commands, Decision, Moment, Refused, Replies } from '../commands'
import type { Appointment, Day, EventOf, Waiting } from '../state/day'
import { appointmentOf } from '../state/records'
import { timesOf } from '../state/slot-times'
import { dateRefusal } from './dates'
import { closed, isAbsent, offers, opened, refuse, waitOf } from './facts'
import { allHaveBegun, freeSlot, hasBegun, slotsOf, standsUntil } from './free-slots'
import { WAITLIST_MAX } from './limits'

/** The waitlist. The step that frees a slot also offers it to the first waiting patient. */

/** A patient who waits already keeps the place. If a slot is free, the patient gets an offer at once. */
export function wait(day: Day, command: Commands['wait'], moment: Moment): Decision<Replies['wait']> {
  const { opening, waitId, patientId, allowAnother } = command
  const { at, offerMs } = moment
  const refusal = dateRefusal(opening, at)
  if (refusal) return refusal
  if (day.patients.has(patientId) && !allowAnother) return refuse('already_booked')
  const known = waitOf(day, patientId)
  if (known) return { ok: true, events: [], reply: { ...known, place: placeOf(day, known), isNew: false } }
  if (day.waitlist.size >= WAITLIST_MAX) return refuse('waitlist_full')
  const slots = slotsOf(day, opening)
  if (allHaveBegun(slots, at)) return refuse('day_over')
  const slot = isAbsent(day) ? null : freeSlot(day, slots, at)
  const offer = slot ? { slot, deadline: standsUntil(slots.timetable, slot, at + offerMs) } : null
  return {
    ok: true,
    events: [
      ...opened(day, opening),
      { type: 'waitlisted', waitId, patientId },
      ...(offer ? [{ type: 'offered', waitId, ...offer } as const] : []),
    ],
    reply: {
      id: waitId,
      patientId,
      offer: offer && { ...offer, ...timesOf(slots.timetable, offer.slot) },
      place: day.waitlist.size + 1,
      isNew: true,
    },
  }
}

export function acceptOffer(
  day: Day,
  command: Commands['accept_offer'],
  { at }: Moment,
): Decision<Appointment> {
  const { waitId, appointmentId } = command
  const waiting = day.waitlist.get(waitId)
  if (!waiting || !day.identity) return overOrNotFound(day, waitId)
  if (!waiting.offer) return refuse(allHaveBegun(day, at) ? 'day_over' : 'no_offer')
  const refusal = closed(day, { ...day.identity, timeZone: day.timeZone }, at)
  if (refusal) return refusal
  const { patientId, offer } = waiting
  if (hasBegun(day.timetable, offer.slot, at)) return refuse('offer_over')
  const booked: EventOf<'booked'> = { type: 'booked', appointmentId, patientId, slot: offer.slot }
  return {
    ok: true,
    events: [{ type: 'wait_ended', waitId, how: 'accepted' }, booked],
    reply: appointmentOf(day.identity, { ...booked, at }, timesOf(day.timetable, offer.slot)),
  }
}

/** Declines an offer, or leaves the waitlist. */
export function stopWaiting(
  day: Day,
  { waitId }: Commands['stop_waiting'],
  moment: Moment,
): Decision<{ id: string }> {
  const waiting = day.waitlist.get(waitId)
  if (!waiting) return overOrNotFound(day, waitId)
  const freed = waiting.offer ? [waiting.offer.slot] : []
  return {
    ok: true,
    events: [{ type: 'wait_ended', waitId, how: 'declined' }, ...offers(day, freed, moment)],
    reply: { id: waitId },
  }
}

const overOrNotFound = (day: Day, waitId: string): Refused =>
  refuse(day.endedWaits.has(waitId) ? 'offer_over' : 'not_found')

const placeOf = (day: Day, { id }: Waiting): number => [...day.waitlist.keys()].indexOf(id) + 1
