import type { Aliases, Person } from './person'
import type { Off, WorkingHours } from './slot-times'

/**
 * The nouns of a wish: a patient waits for any of several dates of one doctor, and wants one visit. The day
 * of the first date is the home of the wish: it decides which day may book the patient.
 */

/** A date that is wished for, and what its day starts with if it is not in use yet. */
export interface WishedDate {
  date: string
  capacity: number
  hours?: WorkingHours
  /** Why D1 says that the doctor takes no patients on it. */
  off?: Off
}

/** What the home knows of the place on the waitlist of a date. `asked`: that day has not answered yet. */
export type WishPlace =
  | { state: 'asked' }
  | { state: 'waiting'; waitId: string }
  | { state: 'refused'; refused: string }
  | { state: 'ended'; how: string }

/** `alsoKnownAs`: of the patient, when the wish was made. */
interface Wished extends Person {
  allowAnother: boolean
  /** The only slot that the patient would take, on each date. */
  choice?: { slot: number } | { time: string }
  dates: WishedDate[]
  /** How long an offer lasts on each of them. */
  offerMinutes?: number
}

/** As its home stores it. */
export interface Wish extends Wished {
  id: string
  /** The API key that made it. */
  actor: string
  /** By date. */
  places: Map<string, WishPlace>
  /** The claim that won; the home waits for that day to say that the patient is booked. */
  claim: { id: string; date: string; at: number } | null
  /** Claims that days have given up. One of them may still arrive, and then wins nothing. */
  returned: Set<string>
  /** `date`: the one that won; null where the patient has left. */
  end: { date: string | null } | null
  /** Dates whose days have not acknowledged the end yet. */
  untold: Set<string>
}

/** What a place on a waitlist knows of the wish it is part of. `home`: the date of the day that decides. */
export interface PartOfWish {
  id: string
  home: string
  dates: string[]
}

/**
 * The patient has accepted the offer, and the home is asked whether the wish is still open. While this is not
 * decided the slot stays with the offer. `opId`: the request of the caller, whose retry finds the answer.
 * `alsoKnownAs`: by which other ids the patient may wait here.
 */
export interface Claim extends Aliases {
  id: string
  opId: string
  actor: string
}

/** What a day still has to tell the home of a wish: of a claim, or of a place that ended by itself. */
export interface WishReport {
  id: string
  wishId: string
  home: string
  what: 'booked' | 'returned' | 'ended'
  how: string
}

/** What a day has answered when it was asked for a place. */
export type PlaceAnswer = { date: string; waitId: string } | { date: string; refused: string }

/** On the home: `wish_made` to `wish_told`. On each day with a place: `wish_joined` to `wish_reported`. */
export type WishEvent =
  | ({ type: 'wish_made'; wishId: string; span?: number; serviceId?: string } & Wished)
  | { type: 'wish_placed'; wishId: string; places: PlaceAnswer[] }
  | { type: 'wish_place_ended'; wishId: string; date: string; how: string }
  | { type: 'wish_claimed'; wishId: string; claimId: string; date: string }
  | { type: 'wish_returned'; wishId: string; claimId: string }
  | { type: 'wish_fulfilled'; wishId: string; date: string }
  | { type: 'wish_left'; wishId: string }
  | { type: 'wish_told'; wishId: string; dates: string[] }
  | { type: 'wish_joined'; waitId: string; wishId: string; home: string; dates: string[] }
  | ({ type: 'claim_began'; waitId: string; claimId: string; opId: string } & Aliases)
  /** The place stays. `returned`: the claim won, but the slot could not be booked. */
  | { type: 'claim_ended'; waitId: string; claimId: string; how: 'lost' | 'returned' }
  /** No place of this wish may begin here any more. `won`: the date that won. */
  | { type: 'wish_over'; wishId: string; won: string | null }
  | { type: 'wish_reported'; id: string }

/** Whether a day may still book the patient. */
export const isOpenWish = ({ end, places }: Wish): boolean =>
  end === null && [...places.values()].some(({ state }) => state === 'asked' || state === 'waiting')
