import type { Appointment, Opening, Visit } from './state/day'
import type { Aliases, Person } from './state/person'
import type { Claim, PartOfWish, PlaceAnswer, Wish, WishedDate, WishReport } from './state/wish'

/** What a day can be asked about a wish for any of several days, and what it answers. */

/** What D1 knows of an offer that is accepted: the other ids of the patient, and why the day is closed. */
export interface Accepted extends Aliases, Pick<Opening, 'off'> {}

interface WantedPlace extends Visit, Person {
  opening: Opening
  waitId: string
  allowAnother: boolean
  choice?: { slot: number } | { time: string }
}

export interface WishCommands {
  /** Sent to the day of the first date, which is the home of the wish. `dates`: all of them, in order. */
  make_wish: WantedPlace & { wishId: string; dates: WishedDate[] }
  /** The home asks a day for a place on its waitlist. */
  join_wish: WantedPlace & { of: PartOfWish }
  /** What days have answered to that. */
  place_wish: { clinicId: string; wishId: string; places: PlaceAnswer[] }
  /** The patient has accepted an offer on another day than the home. */
  begin_claim: Accepted & { clinicId: string; waitId: string; claimId: string; opId: string }
  /** A day asks the home whether the patient may be booked there. */
  claim_wish: { clinicId: string; wishId: string; claimId: string; date: string }
  /** The home has answered. */
  end_claim: {
    clinicId: string
    waitId: string
    claimId: string
    appointmentId: string
    verdict: ClaimVerdict
  }
  /** A day tells the home what became of its claim, or of its place. */
  report_wish: { clinicId: string; wishId: string; date: string; report: WishReport }
  /** The home has acknowledged the report. */
  settle_report: { clinicId: string; id: string }
  /** The wish has ended: no place of it may stay on this day, or begin later. */
  end_place: { opening: Opening; wishId: string; won: string | null }
  /** These days have acknowledged the end. */
  told_wish: { clinicId: string; wishId: string; dates: string[] }
}

/** `won`: the date that won, or is about to. `isOver`: the home will not change this any more. */
export interface ClaimVerdict {
  isWon: boolean
  won: string | null
  isOver: boolean
}

/** The state of a claim. While it is under way, the request has no final reply yet. */
export type ClaimReply<Refusal> =
  | { state: 'claiming'; claim: Claim; of: PartOfWish }
  | { state: 'booked'; appointment: Appointment }
  | { state: 'refused'; refused: Refusal; won?: string }

export interface WishReplies<Refusal> {
  /** The day adds the wish as it is after the other days were asked. */
  make_wish: { id: string; isNew: boolean; wish: (Wish & Visit) | null }
  join_wish: { waitId: string }
  place_wish: null
  begin_claim: ClaimReply<Refusal>
  claim_wish: ClaimVerdict
  end_claim: ClaimReply<Refusal>
  report_wish: null
  settle_report: null
  end_place: null
  told_wish: null
}

/** `already_waiting`: the patient has another place on that day’s waitlist. */
export type WishRefusal = 'already_waiting' | 'wish_fulfilled' | 'wish_undecided'
