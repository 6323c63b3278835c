import type { Commands, Decision, Moment, Replies } from '../commands'
import type { Day } from '../state/day'
import type { Event } from '../state/event'
import { aliasesOf, idsOf } from '../state/person'
import { visitOf } from '../state/records'
import { isOpenWish, type PlaceAnswer, type Wish } from '../state/wish'
import type { ClaimVerdict } from '../wish-commands'
import { joinWish } from './claims'
import { opened, refuse } from './facts'
import { dateRefusal } from './off'
import { endedPlace } from './waitlist'

/**
 * The home of a wish for several days. It records the wish with all its dates before any other day hears of
 * it. Then it alone decides, once, which claim wins. A claim that has won ends the wish only when its day
 * says that the patient is booked; until then no other day is told, so that a claim given back leaves all
 * places as they were.
 */

/** The patient’s own place on this day is part of the same step. An open wish for the same dates is kept. */
export function makeWish(
  day: Day,
  command: Commands['make_wish'],
  moment: Moment,
): Decision<Replies['make_wish']> {
  const { opening, wishId, patientId, dates, allowAnother, choice } = command
  const ids = idsOf(command)
  const refusal = dateRefusal(opening, moment.at)
  if (refusal) return refusal
  const known = [...day.wishes.values()].find(
    (wish) => ids.includes(wish.patientId) && isOpenWish(wish) && datesOf(wish) === datesOf({ dates }),
  )
  if (known) return { ok: true, events: [], reply: { id: known.id, isNew: false, wish: null } }
  const { date } = opening
  const of = { id: wishId, home: date, dates: dates.map((one) => one.date) }
  const own = joinWish(day, { ...command, of }, moment)
  const place = own.ok ? { date, waitId: own.reply.waitId } : { date, refused: own.refused }
  const who = { patientId, ...aliasesOf(command) }
  const { offerMinutes } = opening
  const terms = { ...(choice && { choice }), ...(offerMinutes !== undefined && { offerMinutes }) }
  const wished = { ...who, ...visitOf(command), allowAnother, ...terms, dates }
  return {
    ok: true,
    events: [
      ...opened(day, opening),
      { type: 'wish_made', wishId, ...wished },
      ...(own.ok ? own.events.filter(({ type }) => type !== 'opened') : []),
      { type: 'wish_placed', wishId, places: [place] },
    ],
    reply: { id: wishId, isNew: true, wish: null },
  }
}

const datesOf = ({ dates }: Pick<Wish, 'dates'>): string => dates.map(({ date }) => date).join()

/** Only the first answer of a day counts. */
export function placeWish(day: Day, { wishId, places }: Commands['place_wish'], _: Moment): Decision<null> {
  const known = day.wishes.get(wishId)?.places
  const added: PlaceAnswer[] = places.filter(({ date }) => known?.get(date)?.state === 'asked')
  return {
    ok: true,
    events: added.length > 0 ? [{ type: 'wish_placed', wishId, places: added }] : [],
    reply: null,
  }
}

/** The deciding step: the first claim wins, and wins again however often it asks. */
export function claimWish(
  day: Day,
  { wishId, claimId, date }: Commands['claim_wish'],
  _: Moment,
): Decision<ClaimVerdict> {
  const wish = day.wishes.get(wishId)
  if (!wish) return refuse('not_found')
  const { claim, end, returned } = wish
  const verdict = (isWon: boolean, won: string | null, isOver = false): Decision<ClaimVerdict> => ({
    ok: true,
    events: [],
    reply: { isWon, won, isOver },
  })
  if (end) return verdict(false, end.date, true)
  if (claim) return verdict(claim.id === claimId, claim.date)
  if (returned.has(claimId)) return verdict(false, null)
  return {
    ok: true,
    events: [{ type: 'wish_claimed', wishId, claimId, date }],
    reply: { isWon: true, won: date, isOver: false },
  }
}

/** What a day says of its claim or place. Of a wish that this day does not know, there is nothing to keep. */
export function reportWish(day: Day, command: Commands['report_wish'], moment: Moment): Decision<null> {
  const { wishId } = command
  const wish = day.wishes.get(wishId)
  return { ok: true, events: wish ? reported(day, wish, command, moment) : [], reply: null }
}

function reported(
  day: Day,
  { id: wishId, end, places, returned }: Wish,
  { date, report: { id, what, how } }: Commands['report_wish'],
  moment: Moment,
): Event[] {
  if (what === 'ended')
    return places.get(date)?.state === 'ended' ? [] : [{ type: 'wish_place_ended', wishId, date, how }]
  if (end) return []
  if (what === 'booked')
    return [{ type: 'wish_fulfilled', wishId, date }, ...endedPlace(day, wishId, 'fulfilled', moment)]
  return returned.has(id) ? [] : [{ type: 'wish_returned', wishId, claimId: id }]
}

export function toldWish(day: Day, { wishId, dates }: Commands['told_wish'], _: Moment): Decision<null> {
  const untold = day.wishes.get(wishId)?.untold
  const told = dates.filter((date) => untold?.has(date))
  return {
    ok: true,
    events: told.length > 0 ? [{ type: 'wish_told', wishId, dates: told }] : [],
    reply: null,
  }
}
