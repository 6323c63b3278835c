import type { Choice, Commands, Decision, Moment, Refused, Replies } from '../commands'
import type { Appointment, Day, Event, EventOf, Waiting } from '../state/day'
import { aliasesOf } from '../state/person'
import { appointmentOf, bookingOf, visitOf } from '../state/records'
import { timesOf } from '../state/slot-times'
import { chosenSlot, slotOfChoice } from './choice'
import { dateRefusal } from './dates'
import { closed, isAbsent, isBooked, offeredSlots, offers, opened, refuse, waitsOf } from './facts'
import { allHaveBegun, freeSlot, hasBegun, slotsOf, standsUntil } from './free-slots'
import { WAITLIST_MAX } from './limits'

/** The waitlist. The step that frees a slot also offers it to the first waiting patient. */

/** A patient who waits already keeps the place. If a slot is free, the patient gets an offer at once. */
export function wait(day: Day, command: Commands['wait'], moment: Moment): Decision<Replies['wait']> {
  const { opening, waitId, patientId, choice, span } = command
  const { at, offerMs } = moment
  const refusal = dateRefusal(opening, at)
  if (refusal) return refusal
  if (isBooked(day, command)) return refuse('already_booked')
  const [known] = waitsOf(day, command)
  if (known) return { ok: true, events: [], reply: { ...known, place: placeOf(day, known), isNew: false } }
  if (day.waitlist.size >= WAITLIST_MAX) return refuse('waitlist_full')
  const slots = slotsOf(day, opening)
  if (allHaveBegun(slots, at)) return refuse('day_over')
  const wished = choice && wishFor(day, command, choice, at)
  if (wished && !wished.ok) return wished
  const free = wished ? wished.free : freeSlot(day, slots, { at, span })
  const slot = isAbsent(day) ? null : free
  const offer = slot ? { slot, deadline: standsUntil(slots.timetable, slot, at + offerMs) } : null
  const place = { patientId, ...visitOf(command), ...(wished && { wish: wished.slot }) }
  return {
    ok: true,
    events: [
      ...opened(day, opening),
      { type: 'waitlisted', waitId, ...place },
      ...(offer ? [{ type: 'offered', waitId, ...offer } as const] : []),
    ],
    reply: {
      id: waitId,
      ...place,
      offer: offer && { ...offer, ...timesOf(slots.timetable, offer.slot, span) },
      place: day.waitlist.size + 1,
      isNew: true,
    },
  }
}

/** The slot that the patient waits for: it may be taken, but it must be one, and must not have begun. */
function wishFor(
  day: Day,
  { opening, span }: Commands['wait'],
  choice: Choice,
  at: number,
): { ok: true; slot: number; free: number | null } | Refused {
  const slot = slotOfChoice(day, opening, choice)
  const free = chosenSlot(day, opening, choice, { at, span })
  if (typeof free === 'number') return { ok: true, slot: free, free }
  return slot !== null && free.refused === 'slot_taken' ? { ok: true, slot, free: null } : free
}

/** Ends each other place that the patient has here under another id too: one visit was wanted. */
export function acceptOffer(
  day: Day,
  command: Commands['accept_offer'],
  moment: Moment,
): Decision<Appointment> {
  const { waitId, appointmentId } = command
  const { at } = moment
  const waiting = day.waitlist.get(waitId)
  if (!waiting || !day.identity) return overOrNotFound(day, waitId)
  if (!waiting.offer) return refuse(allHaveBegun(day, at) ? 'day_over' : 'no_offer')
  const refusal = closed(day, { ...day.identity, timeZone: day.timeZone }, at)
  if (refusal) return refusal
  const { slot } = waiting.offer
  if (hasBegun(day.timetable, slot, at)) return refuse('offer_over')
  const { patientId } = waiting
  const leaving = waitsOf(day, { patientId, ...aliasesOf(command) }).filter(({ id }) => id !== waitId)
  const ended = leaving.map(({ id }): Event => ({ type: 'wait_ended', waitId: id, how: 'booked' }))
  const booking = bookingOf({ appointmentId, patientId, ...visitOf(waiting) })
  const booked: EventOf<'booked'> = { type: 'booked', ...booking, slot }
  return {
    ok: true,
    events: [
      { type: 'wait_ended', waitId, how: 'accepted' },
      booked,
      ...ended,
      ...offers(day, offeredSlots(leaving), moment, { leaving }),
    ],
    reply: appointmentOf(day.identity, { ...booked, at }, timesOf(day.timetable, slot, waiting.span)),
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
  return {
    ok: true,
    events: [
      { type: 'wait_ended', waitId, how: 'declined' },
      ...offers(day, offeredSlots([waiting]), moment),
    ],
    reply: { id: waitId },
  }
}

const overOrNotFound = (day: Day, waitId: string): Refused =>
  refuse(day.endedWaits.has(waitId) ? 'offer_over' : 'not_found')

const placeOf = (day: Day, { id }: Waiting): number => [...day.waitlist.keys()].indexOf(id) + 1
