import { MINUTE_MS } from '../../lib/time'
import type { Commands, Moment } from '../commands'
import type { Refusal, Refused } from '../refused'
import type { Day, Opening, Visit, Waiting } from '../state/day'
import type { Event } from '../state/event'
import { idsOf, type Person } from '../state/person'
import { type Slots, slotsThatFit, type WorkingHours, wishedSlot } from '../state/slot-times'
import { slotsOfPlace } from '../state/slots'
import { hasBegun, placesAmong, standsUntil, type Timetable, untakenSlots } from './free-slots'
import { absence, dateRefusal, isAbsent, isOver } from './off'

/** What several rules need to know about a day, and the answers and events that they share. */

export const refuse = (refused: Refusal): Refused => ({ ok: false, refused })

/**
 * Refusals that a day does not remember, because a retry may not get them again. A date that is over is
 * refused again anyway; remembering that would create storage for any date that a caller names.
 */
export const isTransient = (refused: Refusal): boolean => TRANSIENT.includes(refused)

const TRANSIENT: Refusal[] = [
  'not_found',
  'moving',
  'unavailable',
  'newer_version',
  'day_damaged',
  'day_log_full',
  'key_log_full',
  'date_over',
  'wish_undecided',
  'doctor_retired',
  'on_leave',
  'clinic_closed',
]

/** The day does not have this appointment. If the appointment has moved, the day knows where it is. */
export function notOnDay(day: Day, appointmentId: string): Refused {
  const movedTo = day.movedTo.get(appointmentId)
  return movedTo ? { ok: false, refused: 'moved', movedTo } : refuse('not_found')
}

/** While an appointment moves to another day, it can be neither cancelled nor checked in. */
export const isMoving = (day: Day, appointmentId: string): boolean =>
  [...day.moves.values()].some((move) => move.state === 'reserving' && move.appointmentId === appointmentId)

/** Why no slot of the day can be given; null where one can. */
export const closed = (
  day: Day,
  opening: Pick<Opening, 'date' | 'timeZone' | 'off'>,
  at: number,
): Refused | null => dateRefusal(opening, at) ?? absence(day, opening)

/**
 * The first write to a day records its clinic, doctor, date and terms. A day off stays one: the day itself
 * says so from its first event on.
 */
export function opened(day: Day, { off, offerMinutes: _, ...terms }: Opening): Event[] {
  if (day.identity) return []
  const first: Event = { type: 'opened', ...terms }
  if (off?.kind !== 'day_off') return [first]
  return [first, { type: 'availability_set', id: off.id, isPresent: false, notes: off.notes }]
}

/** What the same step changes of the day, beside the slots that it frees. */
interface Changed {
  isPresent?: boolean
  slots?: Slots
  /** Places on the waitlist that the step ends. */
  leaving?: Waiting[]
  /** Slots that the step takes. */
  taken?: number[]
}

/**
 * Offers what is free with the freed slots, and has not begun, to the patients who wait without an offer, in
 * the order in which they joined: to each the lowest place that the patient would take.
 */
export function offers(day: Day, freed: number[], moment: Moment, changed: Changed = {}): Event[] {
  const { at } = moment
  const { isPresent = !isAbsent(day), slots = day, leaving = [], taken = [] } = changed
  const { timetable } = slots
  const ended = new Set(leaving.map(({ id }) => id))
  const withoutOffer = [...day.waitlist.values()].filter(({ id, offer }) => !offer && !ended.has(id))
  if (!isPresent || freed.length === 0 || withoutOffer.length === 0 || isOver(day, at)) return []
  const untaken = [...untakenSlots(day, slots), ...freed].filter((slot) => !hasBegun(timetable, slot, at))
  const places = placesAmong(untaken.filter((slot) => !taken.includes(slot)))
  const events: Event[] = []
  for (const waiting of withoutOffer) {
    if (places.isEmpty()) break
    const { id: waitId, span } = waiting
    const wish = wishedSlot(timetable, waiting)
    const slot = wish === null ? null : places.take(span, wish)
    if (slot === null) continue
    const deadline = standsUntil(timetable, slot, offerEnd(waiting, moment))
    events.push({ type: 'offered', waitId, slot, deadline })
  }
  return events
}

/** When an offer ends that is made now. */
export const offerEnd = ({ offerMinutes }: Pick<Waiting, 'offerMinutes'>, { at, offerMs }: Moment): number =>
  at + (offerMinutes === undefined ? offerMs : offerMinutes * MINUTE_MS)

/** The first slot offered to a patient, unless it has begun, is being accepted, or does not fit the visit. */
export function offeredSlot(
  waiting: Waiting | undefined,
  { span = 1 }: Visit,
  timetable: Timetable,
  at: number,
): number | null {
  const slot = waiting?.offer?.slot
  if (slot === undefined || waiting?.claim || (waiting?.span ?? 1) !== span) return null
  return hasBegun(timetable, slot, at) ? null : slot
}

/** When an offer ends. While the home of a wish is asked, the slot is kept until it begins. */
export function deadlineOf({ timetable }: Slots, { offer, claim }: Waiting): number {
  if (!offer) return Number.POSITIVE_INFINITY
  return claim ? standsUntil(timetable, offer.slot, Number.POSITIVE_INFINITY) : offer.deadline
}

/** The slots that a patient who waits is offered. */
export const offeredSlots = (waits: readonly Waiting[]): number[] =>
  waits.flatMap((waiting) => (waiting.offer ? slotsOfPlace({ ...waiting, slot: waiting.offer.slot }) : []))

/**
 * The places of a patient on the waitlist, those with an offer first. There are several where the patient
 * waited as two patients before their records were merged.
 */
export function waitsOf(day: Day, person: Person): Waiting[] {
  const ids = idsOf(person)
  const waits = [...day.waitlist.values()].filter(({ patientId }) => ids.includes(patientId))
  return waits.length > 1 ? waits.sort((one, other) => Number(!one.offer) - Number(!other.offer)) : waits
}

/** The patient has an active appointment here, or one that is moving here, and may have no other one. */
export const isBooked = (day: Day, command: Person & { allowAnother: boolean }): boolean =>
  !command.allowAnother && idsOf(command).some((id) => day.patients.has(id))

/** The working hours of a day, if it has any, and its number of slots. */
interface Terms {
  hours: WorkingHours | null
  capacity: number
}

/** An unused day uses its opening. */
export const termsOf = (day: Day, opening: Opening): Terms =>
  day.identity ? day : { hours: opening.hours ?? null, capacity: opening.capacity }

export const zoneOf = (day: Day, opening: Opening): string => (day.identity ? day : opening).timeZone

/**
 * Terms that the command does not name stay. Hours without a capacity set as many slots as fit into them;
 * removing the hours leaves the number of slots.
 */
export function termsAfter(day: Day, { opening, hours, capacity }: Commands['set_availability']): Terms {
  const before = termsOf(day, opening)
  if (!hours) return { hours: hours === null ? null : before.hours, capacity: capacity ?? before.capacity }
  return { hours, capacity: capacity ?? slotsThatFit(opening.date, zoneOf(day, opening), hours) }
}

/** Where breaks may end, more slots come first: else a taken slot would be no slot between the two. */
export function termEvents(before: Terms, after: Terms): Event[] {
  const isNewHours = changesSlotTimes(before, after) || changesEndOrBreaks(before, after)
  const hours: Event[] = isNewHours ? [{ type: 'hours_set', hours: after.hours }] : []
  if (before.capacity === after.capacity) return hours
  const capacity: Event = { type: 'capacity_set', capacity: after.capacity }
  const comesFirst = before.hours?.breaks !== undefined && after.capacity > before.capacity
  return comesFirst ? [capacity, ...hours] : [...hours, capacity]
}

const changesEndOrBreaks = ({ hours: before }: Terms, { hours: after }: Terms): boolean =>
  before?.to !== after?.to || JSON.stringify(before?.breaks) !== JSON.stringify(after?.breaks)

/** Whether a slot would begin or end at another time than before, or get a time for the first time. */
export const changesSlotTimes = ({ hours: before }: Terms, { hours: after }: Terms): boolean =>
  before?.from !== after?.from || before?.minutesPerSlot !== after?.minutesPerSlot
