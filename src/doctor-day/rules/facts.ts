import type { Commands, Moment, Refusal, Refused } from '../commands'
import type { Day, Event, Opening, Waiting } from '../state/day'
import { type SlotTimes, scheduleOf, slotsThatFit, timesOf, type WorkingHours } from '../state/slot-times'

/** What several rules need to know about a day, and the answers and events that they share. */

export const refuse = (refused: Refusal): Refused => ({ ok: false, refused })

/** Refusals that a retry may not get again. */
export const isTransient = (refused: Refusal): boolean => TRANSIENT.includes(refused)

const TRANSIENT: Refusal[] = [
  'not_found',
  'moving',
  'unavailable',
  'newer_version',
  'day_damaged',
  'day_log_full',
  'key_log_full',
]

/** The day does not have this appointment. If the appointment has moved, the day knows where it is. */
export function notOnDay(day: Day, appointmentId: string): Refused {
  const movedTo = day.movedTo.get(appointmentId)
  return movedTo ? { ok: false, refused: 'moved', movedTo } : refuse('not_found')
}

/** While an appointment moves to another day, it can be neither cancelled nor checked in. */
export const isMoving = (day: Day, appointmentId: string): boolean =>
  [...day.moves.values()].some((move) => move.state === 'reserving' && move.appointmentId === appointmentId)

export const isAbsent = (day: Day): boolean => day.availability?.isPresent === false

export const capacityOf = (day: Day, opening: Opening): number => (day.identity ? day : opening).capacity

/** When a slot begins and ends. An unused day uses its opening. */
export const timesOn = (day: Day, { date, timeZone, hours }: Opening, slot: number): SlotTimes =>
  timesOf((day.identity ? day : scheduleOf(date, timeZone, hours ?? null)).timetable, slot)

/** The first write to a day records its clinic, doctor, date and terms. */
export const opened = (day: Day, opening: Opening): Event[] =>
  day.identity ? [] : [{ type: 'opened', ...opening }]

export const freeSlots = (day: Day, capacity: number): number[] =>
  Array.from({ length: capacity }, (_, index) => index + 1).filter((slot) => !day.slots.has(slot))

/** Offers each freed slot, lowest first, to the patients who wait without an offer, in their order. */
export function offers(day: Day, freed: number[], moment: Moment, isPresent = !isAbsent(day)): Event[] {
  if (!isPresent || freed.length === 0) return []
  const deadline = moment.at + moment.offerMs
  const withoutOffer = [...day.waitlist.values()].filter(({ offer }) => offer === null)
  return freed
    .sort((one, other) => one - other)
    .slice(0, withoutOffer.length)
    .flatMap((slot, index): Event[] => {
      const waiting = withoutOffer[index]
      return waiting ? [{ type: 'offered', waitId: waiting.id, slot, deadline }] : []
    })
}

export const waitOf = (day: Day, patientId: string): Waiting | undefined =>
  [...day.waitlist.values()].find((waiting) => waiting.patientId === patientId)

/** The working hours of a day, if it has any, and its number of slots. */
interface Terms {
  hours: WorkingHours | null
  capacity: number
}

/** An unused day uses its opening. */
export const termsOf = (day: Day, opening: Opening): Terms =>
  day.identity ? day : { hours: opening.hours ?? null, capacity: opening.capacity }

/**
 * Terms that the command does not name stay. Hours without a capacity set as many slots as fit into them;
 * removing the hours leaves the number of slots.
 */
export function termsAfter(day: Day, { opening, hours, capacity }: Commands['set_availability']): Terms {
  const before = termsOf(day, opening)
  if (!hours) return { hours: hours === null ? null : before.hours, capacity: capacity ?? before.capacity }
  const { timeZone } = day.identity ? day : opening
  return { hours, capacity: capacity ?? slotsThatFit(opening.date, timeZone, hours) }
}

export const termEvents = (before: Terms, after: Terms): Event[] => [
  ...(changesSlotTimes(before, after) || before.hours?.to !== after.hours?.to
    ? [{ type: 'hours_set', hours: after.hours } as const]
    : []),
  ...(before.capacity === after.capacity
    ? []
    : [{ type: 'capacity_set', capacity: after.capacity } as const]),
]

/** Whether a slot would begin or end at another time than before, or get a time for the first time. */
export const changesSlotTimes = ({ hours: before }: Terms, { hours: after }: Terms): boolean =>
  before?.from !== after?.from || before?.minutesPerSlot !== after?.minutesPerSlot
