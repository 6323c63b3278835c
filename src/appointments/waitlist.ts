import * as v from 'valibot'
import type { Replies } from '../doctor-day/commands'
import { isOpenWish, type Wish, type WishPlace } from '../doctor-day/state/wish'
import { component, list } from '../lib/schema'
import { DayDate, IsoInstant, iso, LocalDate } from '../lib/time'
import { dateAfter, datesIn } from '../slots/model'
import { AllowAnother, choiceFields, oneChoice, ServiceId } from './choice'
import { Id, slotTimes, toSlotTimes } from './model'

/** The nouns of the waitlist. */

/** A wish for any of several dates: the dates of one request at most. */
export const WISH_DATES_MAX = 31

const ONE_FORM = 'must be sent alone: one date, or dates, or from and to'
const WITHIN = `must be within ${WISH_DATES_MAX} dates of from`

const WISH_OFFERS =
  'A wish for several days is offered at once on each of them where a slot is free. Each such offer keeps ' +
  'its slot until it expires, is declined, or another day of the wish is accepted.'

/**
 * With a choice the patient waits for that slot alone. Several dates, `dates` or all from `from` to `to`, are
 * one wish: the patient waits on each of them, and is booked on one.
 */
export const JoinWaitlist = v.pipe(
  v.object({
    patient_id: Id,
    doctor_id: Id,
    date: v.optional(DayDate),
    dates: v.optional(list(DayDate, WISH_DATES_MAX, 'date')),
    from: v.optional(DayDate),
    to: v.optional(DayDate),
    service_id: ServiceId,
    ...choiceFields,
    allow_another: AllowAnother,
  }),
  oneChoice(),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return
    const { value } = dataset
    const { date, dates, from, to } = value
    const fault = (key: keyof typeof value, message: string) =>
      addIssue({ message, path: [{ type: 'object', origin: 'value', input: {}, key, value: value[key] }] })
    const isRange = from !== undefined || to !== undefined
    const forms = [date !== undefined, dates !== undefined, isRange].filter(Boolean).length
    if (forms === 0) fault('date', 'is required, or send dates, or from and to')
    if (forms > 1) return fault(dates ? 'dates' : 'from', ONE_FORM)
    if (isRange && from === undefined) return fault('from', 'is required beside to')
    if (isRange && to === undefined) return fault('to', 'is required beside from')
    if (from && to && from > to) fault('from', 'must not be after to')
    if (from && to && datesIn(from, to) > WISH_DATES_MAX) fault('to', WITHIN)
    if (new Set(dates).size < (dates?.length ?? 0)) fault('dates', 'must name each date once')
    if (date === undefined && value.starts_at !== undefined)
      fault('starts_at', 'names one instant; with several dates send time or slot')
  }),
  v.metadata({ ref: 'JoinWaitlist', description: WISH_OFFERS }),
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
  /** Where the patient waits for other dates as well. */
  wish: v.optional(v.object({ id: v.string(), dates: v.array(v.string()) })),
})
export type Waiting = v.InferOutput<typeof Waiting>

export const toWaiting = ({
  id,
  patientId,
  place,
  wish,
  of,
  offer,
}: Omit<Replies['wait'], 'isNew'>): Waiting => ({
  id,
  patient_id: patientId,
  place,
  ...(wish !== undefined && { slot: wish }),
  status: offer ? 'offered' : 'waiting',
  offer: offer && { slot: offer.slot, ...toSlotTimes(offer), expires_at: iso(offer.deadline) },
  ...(of && { wish: { id: of.id, dates: of.dates } }),
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

/** What became of the place on the waitlist of a date. `pending`: that day has not answered yet. */
const WishedPlace = v.object({
  date: v.string(),
  status: v.picklist(['pending', 'waiting', 'refused', 'ended']),
  /** Of the place: accept and decline take it. */
  id: v.optional(v.string()),
  /** Why the day refused, or how the place ended. */
  reason: v.optional(v.string()),
})

/**
 * `over`: no place is left, and none was booked. `fulfilled_on`: the date that was booked. The waitlist of
 * each date shows its offers.
 */
export const WaitingWish = component('WaitingWish', {
  wish_id: v.string(),
  patient_id: v.string(),
  doctor_id: v.string(),
  status: v.picklist(['waiting', 'fulfilled', 'left', 'over']),
  fulfilled_on: v.optional(v.string()),
  places: v.array(WishedPlace),
})
export type WaitingWish = v.InferOutput<typeof WaitingWish>

export function toWaitingWish(wish: Wish, doctorId: string): WaitingWish {
  const { id, patientId, end, dates, places } = wish
  return {
    wish_id: id,
    patient_id: patientId,
    doctor_id: doctorId,
    status: end ? (end.date ? 'fulfilled' : 'left') : isOpenWish(wish) ? 'waiting' : 'over',
    ...(end?.date && { fulfilled_on: end.date }),
    places: dates.map(({ date }) => ({ date, ...toPlace(places.get(date)) })),
  }
}

function toPlace(place: WishPlace = { state: 'asked' }) {
  if (place.state === 'waiting') return { status: place.state, id: place.waitId }
  if (place.state === 'refused') return { status: place.state, reason: place.refused }
  return place.state === 'ended' ? { status: place.state, reason: place.how } : { status: 'pending' as const }
}

/** A place on one day, or a wish for any of several. */
export const JoinedWaitlist = v.union([Waiting, WaitingWish])

/** The dates that a request wishes for, in order; null where it names one day. */
export function wishedDates({ dates, from, to }: JoinWaitlist): string[] | null {
  if (dates) return [...dates].sort()
  if (from === undefined || to === undefined) return null
  return Array.from({ length: datesIn(from, to) }, (_, n) => dateAfter(from, n))
}
