import * as v from 'valibot'
import type { Replies } from '../doctor-day/commands'
import { component } from '../lib/schema'
import { DayDate, IsoInstant, iso, LocalDate } from '../lib/time'
import { AllowAnother, choiceFields, oneChoice, ServiceId } from './choice'
import { Id, slotTimes, toSlotTimes } from './model'

/** The nouns of the waitlist. */

/** With a choice the patient waits for that slot alone. */
export const JoinWaitlist = v.pipe(
  v.object({
    patient_id: Id,
    doctor_id: Id,
    date: DayDate,
    service_id: ServiceId,
    ...choiceFields,
    allow_another: AllowAnother,
  }),
  oneChoice(),
  v.metadata({ ref: 'JoinWaitlist' }),
)
export type JoinWaitlist = v.InferOutput<typeof JoinWaitlist>

/**
 * `offer` is a slot that the patient can accept until `expires_at`; null: no slot is offered yet. `slot`: the
 * only one that the patient waits for.
 */
export const Waiting = component('Waiting', {
  id: v.string(),
  patient_id: v.string(),
  place: v.number(),
  slot: v.optional(v.number()),
  status: v.picklist(['waiting', 'offered']),
  offer: v.nullable(v.object({ slot: v.number(), ...slotTimes, expires_at: v.string() })),
})
export type Waiting = v.InferOutput<typeof Waiting>

export const toWaiting = ({
  id,
  patientId,
  place,
  wish,
  offer,
}: Omit<Replies['wait'], 'isNew'>): Waiting => ({
  id,
  patient_id: patientId,
  place,
  ...(wish !== undefined && { slot: wish }),
  status: offer ? 'offered' : 'waiting',
  offer: offer && { slot: offer.slot, ...toSlotTimes(offer), expires_at: iso(offer.deadline) },
})

/** A patient’s place on the waitlist of a doctor’s day. `offer.expires_at` is the deadline of the offer. */
export const WaitingPlace = component('WaitingPlace', {
  ...Waiting.entries,
  doctor_id: v.string(),
  date: v.string(),
})
export type WaitingPlace = v.InferOutput<typeof WaitingPlace>

/** Without a date: the date at the clinic at that instant, or now. */
export const AskWaitlist = v.object({
  doctor_id: Id,
  date: v.optional(LocalDate),
  at: v.optional(IsoInstant),
})
export type AskWaitlist = v.InferOutput<typeof AskWaitlist>

export const LeftWaitlist = component('LeftWaitlist', { id: v.string(), status: v.literal('declined') })
export type LeftWaitlist = v.InferOutput<typeof LeftWaitlist>
