import type { Commands, Decision, Moment, Replies } from '../commands'
import type { Day } from '../state/day'
import type { Event } from '../state/event'
import { aliasesOf } from '../state/person'
import { opened, refuse, waitsOf } from './facts'
import { bookOffered, endedPlace, offerRefusal, overOrNotFound, wait, wishFulfilled } from './waitlist'

/**
 * A place on a waitlist that is part of a wish for several days. The patient accepts an offer; the day asks
 * the home of the wish, and books only if the home says that this claim has won. Until then the slot stays
 * with the offer, whose deadline does not run. Where the slot begins before the home has answered, the place
 * ends as a lapsed one, and the claim is given back to the home, so that another day can fulfil the wish.
 */

export function joinWish(
  day: Day,
  command: Commands['join_wish'],
  moment: Moment,
): Decision<Replies['join_wish']> {
  const { of } = command
  // The wish has ended before it arrived here.
  if (day.endedWishes.has(of.id)) return refuse('offer_over')
  if (waitsOf(day, command).some((known) => known.of?.id !== of.id)) return refuse('already_waiting')
  const decision = wait(day, command, moment)
  if (!decision.ok) return decision
  const waitId = decision.reply.id
  const { id: wishId, home, dates } = of
  const joined: Event = { type: 'wish_joined', waitId, wishId, home, dates }
  const events = decision.events.length > 0 ? [...decision.events, joined] : []
  return { ok: true, events, reply: { waitId } }
}

/** A claim that is under way stays the only one of its place. */
export function beginClaim(
  day: Day,
  { waitId, claimId, opId, ...accepted }: Commands['begin_claim'],
  { at, actor }: Moment,
): Decision<Replies['begin_claim']> {
  const waiting = day.waitlist.get(waitId)
  if (!waiting?.of) return overOrNotFound(day, waitId)
  const { of, claim } = waiting
  if (claim) return { ok: true, events: [], reply: { state: 'claiming', claim, of }, isUnderWay: true }
  const refusal = offerRefusal(day, waiting, accepted, at)
  if (refusal) return refusal
  return {
    ok: true,
    events: [{ type: 'claim_began', waitId, claimId, opId, ...aliasesOf(accepted) }],
    reply: { state: 'claiming', claim: { id: claimId, opId, actor }, of },
    isUnderWay: true,
  }
}

/** The home has decided. A claim that has won and cannot be booked any more is given back. */
export function endClaim(
  day: Day,
  command: Commands['end_claim'],
  moment: Moment,
): Decision<Replies['end_claim']> {
  const { waitId, claimId, verdict, appointmentId } = command
  const waiting = day.waitlist.get(waitId)
  if (!waiting?.of) return overOrNotFound(day, waitId)
  if (waiting.claim?.id !== claimId) return refuse('wish_undecided')
  const refusal = verdict.isWon ? offerRefusal(day, waiting, waiting.claim, moment.at) : lost(verdict.won)
  if (!refusal) {
    const booked = bookOffered(day, waiting, { appointmentId, ...aliasesOf(waiting.claim) }, moment)
    return booked.ok ? { ...booked, reply: { state: 'booked', appointment: booked.reply } } : booked
  }
  const { refused, won } = refusal
  const reply = { state: 'refused', refused, ...(won !== undefined && { won }) } as const
  if (verdict.isOver) return { ok: true, events: over(day, waiting.of.id, verdict.won, moment), reply }
  const how = verdict.isWon ? 'returned' : 'lost'
  return { ok: true, events: [{ type: 'claim_ended', waitId, claimId, how }], reply }
}

const lost = (won: string | null) => (won === null ? refuse('offer_over') : wishFulfilled(won))

/** The home has ended the wish. This is remembered, so that a late `join_wish` makes no place. */
export function endPlace(
  day: Day,
  { opening, wishId, won }: Commands['end_place'],
  moment: Moment,
): Decision<null> {
  if (day.endedWishes.has(wishId)) return { ok: true, events: [], reply: null }
  return { ok: true, events: [...opened(day, opening), ...over(day, wishId, won, moment)], reply: null }
}

function over(day: Day, wishId: string, won: string | null, moment: Moment): Event[] {
  const ended = endedPlace(day, wishId, won === null ? 'left' : 'fulfilled', moment)
  return [{ type: 'wish_over', wishId, won }, ...ended]
}

export function settleReport(day: Day, { id }: Commands['settle_report'], _: Moment): Decision<null> {
  return { ok: true, events: day.reports.has(id) ? [{ type: 'wish_reported', id }] : [], reply: null }
}
