import type { Choice, Commands, Decision, Moment, Replies } from '../commands'
import type { Refused } from '../refused'
import type { Appointment, Day, Waiting } from '../state/day'
import type { Event, EventOf } from '../state/event'
import { type Aliases, aliasesOf } from '../state/person'
import { appointmentOf, bookingOf, visitOf } from '../state/records'
import { timesOf } from '../state/slot-times'
import type { Wish } from '../state/wish'
import type { Accepted } from '../wish-commands'
import { chosenSlot, slotOfChoice } from './choice'
import { closed, isBooked, offerEnd, offeredSlots, offers, opened, refuse, waitsOf } from './facts'
import { allHaveBegun, freeSlot, hasBegun, slotsOf, standsUntil } from './free-slots'
import { WAITLIST_MAX } from './limits'
import { absence, dateRefusal } from './off'

/** The waitlist. The step that frees a slot also offers it to the first waiting patient. */

/** A patient who waits already keeps the place. If a slot is free, the patient gets an offer at once. */
export function wait(day: Day, command: Commands['wait'], moment: Moment): Decision<Replies['wait']> {
  const { opening, waitId, patientId, choice, span } = command
  const { at } = moment
  const { offerMinutes } = opening
  const refusal = dateRefusal(opening, at)
  if (refusal) return refusal
  const away = absence(day, opening)
  // A doctor who is absent or has a day off may come after all; of the others none is expected.
  if (away && away.refused !== 'doctor_absent') return away
  if (isBooked(day, command)) return refuse('already_booked')
  const [known] = waitsOf(day, command)
  if (known) return { ok: true, events: [], reply: { ...known, place: placeOf(day, known), isNew: false } }
  if (day.waitlist.size >= WAITLIST_MAX) return refuse('waitlist_full')
  const slots = slotsOf(day, opening)
  if (allHaveBegun(slots, at)) return refuse('day_over')
  const wished = choice && wishFor(day, command, choice, at)
  if (wished && !wished.ok) return wished
  const free = wished ? wished.free : freeSlot(day, slots, { at, span })
  const slot = away ? null : free
  const ends = offerEnd(opening, moment)
  const offer = slot ? { slot, deadline: standsUntil(slots.timetable, slot, ends) } : null
  const place = { patientId, ...visitOf(command), ...(wished && { wish: wished.slot }) }
  return {
    ok: true,
    events: [
      ...opened(day, opening),
      { type: 'waitlisted', waitId, ...place, ...(offerMinutes !== undefined && { offerMinutes }) },
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

export function acceptOffer(
  day: Day,
  command: Commands['accept_offer'],
  moment: Moment,
): Decision<Appointment> {
  const { waitId } = command
  const waiting = day.waitlist.get(waitId)
  if (!waiting) return overOrNotFound(day, waitId)
  const refusal = offerRefusal(day, waiting, command, moment.at)
  if (refusal) return refusal
  const { of } = waiting
  if (!of) return bookOffered(day, waiting, command, moment)
  const wish = day.wishes.get(of.id)
  // Another day decides, so the day asks it first: see claims.ts.
  if (!wish) return refuse('wish_undecided')
  if (wish.claim) return { ok: false, refused: 'wish_fulfilled', won: wish.claim.date }
  const booked = bookOffered(day, waiting, command, moment)
  const fulfilled: Event = { type: 'wish_fulfilled', wishId: of.id, date: of.home }
  return booked.ok ? { ...booked, events: [...booked.events, fulfilled] } : booked
}

/**
 * Why what a patient is offered cannot be booked now; null where it can. Who is booked does not wait, unless
 * the visit was booked for another id of the patient.
 */
export function offerRefusal(
  day: Day,
  { offer, patientId }: Waiting,
  { alsoKnownAs = [], off }: Accepted,
  at: number,
): Refused | null {
  if (!offer || !day.identity) return refuse(allHaveBegun(day, at) ? 'day_over' : 'no_offer')
  if (alsoKnownAs.some((id) => id !== patientId && day.patients.has(id))) return refuse('already_booked')
  const refusal = closed(day, { ...day.identity, timeZone: day.timeZone, ...(off && { off }) }, at)
  return refusal ?? (hasBegun(day.timetable, offer.slot, at) ? refuse('offer_over') : null)
}

/**
 * Books what the patient is offered. Each other place ends that the patient has here under another id too:
 * one visit was wanted.
 */
export function bookOffered(
  day: Day,
  waiting: Waiting,
  { appointmentId, ...aliases }: Aliases & { appointmentId: string },
  moment: Moment,
): Decision<Appointment> {
  const { id: waitId, offer, patientId } = waiting
  if (!offer || !day.identity) return refuse('no_offer')
  const leaving = waitsOf(day, { patientId, ...aliasesOf(aliases) }).filter(({ id }) => id !== waitId)
  const booking = bookingOf({ appointmentId, patientId, ...visitOf(waiting) })
  const booked: EventOf<'booked'> = { type: 'booked', ...booking, slot: offer.slot }
  const times = timesOf(day.timetable, offer.slot, waiting.span)
  return {
    ok: true,
    events: [
      { type: 'wait_ended', waitId, how: 'accepted' },
      booked,
      ...leaving.map(({ id }): Event => ({ type: 'wait_ended', waitId: id, how: 'booked' })),
      ...offers(day, offeredSlots(leaving), moment, { leaving }),
    ],
    reply: appointmentOf(day.identity, { ...booked, at: moment.at }, times),
  }
}

/** Declines an offer, or leaves the waitlist, or gives up a wish for several days. */
export function stopWaiting(
  day: Day,
  { waitId }: Commands['stop_waiting'],
  moment: Moment,
): Decision<{ id: string }> {
  const wish = day.wishes.get(waitId)
  if (wish) return giveUpWish(day, wish, moment)
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

/** While the winner is booking, nobody knows yet whether the wish is fulfilled. */
function giveUpWish(day: Day, { id, end, claim }: Wish, moment: Moment): Decision<{ id: string }> {
  if (end) return end.date === null ? refuse('offer_over') : wishFulfilled(end.date)
  if (claim) return refuse('wish_undecided')
  return {
    ok: true,
    events: [{ type: 'wish_left', wishId: id }, ...endedPlace(day, id, 'left', moment)],
    reply: { id },
  }
}

/** Ends the place of a wish on this day, if it has one. */
export function endedPlace(day: Day, wishId: string, how: 'fulfilled' | 'left', moment: Moment): Event[] {
  const waiting = [...day.waitlist.values()].find(({ of }) => of?.id === wishId)
  if (!waiting) return []
  const freed = offers(day, offeredSlots([waiting]), moment, { leaving: [waiting] })
  return [{ type: 'wait_ended', waitId: waiting.id, how }, ...freed]
}

export const wishFulfilled = (won: string): Refused => ({ ok: false, refused: 'wish_fulfilled', won })

/** A place that has ended. Of a wish that another date has won, the caller learns that date. */
export function overOrNotFound(day: Day, waitId: string): Refused {
  const wishId = day.wishOfWait.get(waitId) ?? ''
  const won = day.wishes.get(wishId)?.end?.date ?? day.endedWishes.get(wishId)
  if (won && won !== day.identity?.date) return wishFulfilled(won)
  return refuse(day.endedWaits.has(waitId) ? 'offer_over' : 'not_found')
}

const placeOf = (day: Day, { id }: Waiting): number => [...day.waitlist.keys()].indexOf(id) + 1
