import type { Transition } from '../problem'
import type { OffRefusal } from './state/absences'
import type { Appointment, CheckIn, MovedTo } from './state/day'
import type { Alternative } from './state/slot-times'
import type { WishRefusal } from './wish-commands'

/** Why a day refuses; client.ts has the sentences. `moved`: the caller asks the day named in `movedTo`. */
export type Refusal =
  | WishRefusal
  | 'not_found'
  | 'date_over'
  | 'day_over'
  | OffRefusal
  | 'already_booked'
  | 'already_cancelled'
  | 'day_full'
  | 'slot_taken'
  | 'slot_begun'
  | 'no_such_slot'
  | 'break_taken'
  | 'capacity_below_taken'
  | 'hours_in_use'
  | 'hold_over'
  | 'no_offer'
  | 'offer_over'
  | 'wrong_patient'
  | 'already_checked_in'
  | 'wrong_date'
  | 'illegal_step'
  | 'too_late_to_undo'
  | 'moving'
  | 'moved'
  | 'unavailable'
  | 'newer_version'
  | 'day_damaged'
  | 'day_intact'
  | 'day_log_full'
  | 'key_log_full'
  | 'waitlist_full'

/** With `moved`, `movedTo` is the day to ask instead. With `wish_fulfilled`, `won` is the date that won. */
export interface Refused {
  ok: false
  refused: Refusal
  transition?: Transition
  /** With `already_…`, `too_late_to_undo` and `hold_over`: what has become of the appointment or the hold. */
  status?: CheckIn['status'] | Appointment['status']
  /** The date that was asked for or that the appointment has, and today at the clinic. */
  dates?: { date: string; today: string }
  movedTo?: MovedTo
  won?: string
  /** With `no_such_slot`: the chosen time has another date, or the day has no times. */
  because?: 'another_date' | 'untimed'
  /** Where a chosen slot cannot be given: the nearest free ones. */
  alternatives?: Alternative[]
  /** With `day_full`, where single slots are free: how many neighbouring ones the visit needs. */
  span?: number
}

/** What a refusal tells of the slots of the day that refuses. */
export type ToldOfSlots = Pick<Refused, 'alternatives' | 'span'>

export const toldOfSlots = ({ alternatives, span }: ToldOfSlots): ToldOfSlots => ({
  ...(alternatives && { alternatives }),
  ...(span !== undefined && { span }),
})
