import type { Day, Waiting } from './day'
import type { EventOf, Recorded } from './event'
import { aliasesOf } from './person'
import { visitOf } from './records'
import type { Wish, WishEvent, WishReport } from './wish'

type WishEvents = {
  [Type in WishEvent['type']]: (day: Day, event: Recorded<EventOf<Type>>) => void
}

/** What a wish does to its home, and to the days on which it has a place. */
export const WISH_EFFECTS: WishEvents = {
  wish_made(day, { wishId: id, patientId, alsoKnownAs, allowAnother, choice, dates, actor, ...more }) {
    const { offerMinutes, ...visit } = more
    const places = new Map(dates.map(({ date }) => [date, { state: 'asked' } as const]))
    const who = { patientId, ...aliasesOf({ alsoKnownAs }) }
    const terms = { ...(choice && { choice }), ...(offerMinutes !== undefined && { offerMinutes }) }
    const wished = { ...who, ...visitOf(visit), allowAnother, ...terms, dates }
    const open = { claim: null, returned: new Set<string>(), end: null, untold: new Set<string>() }
    day.wishes.set(id, { id, ...wished, actor, places, ...open })
  },
  wish_placed(day, { wishId, places }) {
    for (const { date, ...answer } of places) {
      const place = 'refused' in answer ? ({ state: 'refused', ...answer } as const) : answer
      day.wishes.get(wishId)?.places.set(date, { state: 'waiting', ...place })
    }
  },
  wish_place_ended(day, { wishId, date, how }) {
    day.wishes.get(wishId)?.places.set(date, { state: 'ended', how })
  },
  wish_claimed: (day, { wishId, claimId, date, at }) =>
    amendWish(day, wishId, () => ({ claim: { id: claimId, date, at } })),
  wish_returned: (day, { wishId, claimId }) =>
    amendWish(day, wishId, ({ claim, returned }) => ({
      claim: claim?.id === claimId ? null : claim,
      returned: new Set([...returned, claimId]),
    })),
  wish_fulfilled: (day, { wishId, date }) => endWish(day, wishId, date),
  wish_left: (day, { wishId }) => endWish(day, wishId, null),
  wish_told: (day, { wishId, dates }) =>
    amendWish(day, wishId, ({ untold }) => ({
      untold: new Set([...untold].filter((date) => !dates.includes(date))),
    })),
  wish_joined(day, { waitId, wishId, home, dates }) {
    const waiting = day.waitlist.get(waitId)
    if (waiting) day.waitlist.set(waitId, { ...waiting, of: { id: wishId, home, dates } })
    day.wishOfWait.set(waitId, wishId)
  },
  claim_began(day, { waitId, claimId: id, opId, actor, alsoKnownAs }) {
    const waiting = day.waitlist.get(waitId)
    const claim = { id, opId, actor, ...aliasesOf({ alsoKnownAs }) }
    if (waiting) day.waitlist.set(waitId, { ...waiting, claim })
  },
  claim_ended(day, { waitId, claimId, how }) {
    const { claim, ...waiting } = day.waitlist.get(waitId) ?? {}
    if (claim?.id !== claimId) return
    day.waitlist.set(waitId, waiting as Waiting)
    if (how === 'returned') keepReport(day, waiting as Waiting, { id: claimId, what: 'returned', how })
  },
  wish_over(day, { wishId, won }) {
    day.endedWishes.set(wishId, won)
  },
  wish_reported(day, { id }) {
    day.reports.delete(id)
  },
}

/**
 * A place has ended. On its home the wish shows it at once. Another day has to tell the home, unless the home
 * was the one to say so.
 */
export function leaveWish(day: Day, { id, of, claim, ...waiting }: Waiting, how: string): void {
  if (!of) return
  const own = { ...waiting, id, of }
  const wish = day.wishes.get(of.id)
  if (wish) wish.places.set(of.home, { state: 'ended', how })
  if (wish || how === 'fulfilled' || how === 'left') return
  if (claim) keepReport(day, own, { id: claim.id, what: how === 'accepted' ? 'booked' : 'returned', how })
  if (how !== 'accepted') keepReport(day, own, { id, what: 'ended', how })
}

function keepReport(day: Day, { of }: Waiting, report: Pick<WishReport, 'id' | 'what' | 'how'>): void {
  if (of) day.reports.set(report.id, { ...report, wishId: of.id, home: of.home })
}

/** The days that may still have a place are told. */
function endWish(day: Day, wishId: string, won: string | null): void {
  amendWish(day, wishId, ({ places }) => {
    const home = day.identity?.date
    if (won !== null) places.set(won, { state: 'ended', how: 'accepted' })
    const alive = [...places].flatMap(([date, { state }]) =>
      state === 'asked' || state === 'waiting' ? [date] : [],
    )
    const how = won === null ? 'left' : 'fulfilled'
    for (const date of alive) places.set(date, { state: 'ended', how })
    return { claim: null, end: { date: won }, untold: new Set(alive.filter((date) => date !== home)) }
  })
}

function amendWish(day: Day, id: string, change: (wish: Wish) => Partial<Wish>): void {
  const wish = day.wishes.get(id)
  if (wish) day.wishes.set(id, { ...wish, ...change(wish) })
}
