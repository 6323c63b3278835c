import type { Commands, Moment, Refusal, Refused } from '../commands'
import type { Day, Event, Opening, Waiting } from '../state/day'
import { slotsThatFit, type WorkingHours } from '../state/slot-times'
import { dateRefusal, isOver } from './dates'
import { hasBegun, standsUntil, type Timetable } from './free-slots'

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
  'date_past',
  'date_too_far',
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

/** Why no slot of the day can be given; null where one can. */
export const closed = (day: Day, opening: Pick<Opening, 'date' | 'timeZone'>, at: number): Refused | null =>
  dateRefusal(opening, at) ?? (isAbsent(day) ? refuse('doctor_absent') : null)

/** The first write to a day records its clinic, doctor, date and terms. */
export const opened = (day: Day, opening: Opening): Event[] =>
  day.identity ? [] : [{ type: 'opened', ...opening }]

/**
 * Offers each freed slot that has not begun, lowest first, to the patients who wait without an offer, in the
 * order in which they joined. `changed`: what the same step changes of the day.
 */
export function offers(
  day: Day,
  freed: number[],
  { at, offerMs }: Moment,
  changed: { isPresent?: boolean; timetable?: Timetable } = {},
): Event[] {
  const { isPresent = !isAbsent(day), timetable = day.timetable } = changed
  const withoutOffer = [...day.waitlist.values()].filter(({ offer }) => offer === null)
  if (!isPresent || freed.length === 0 || withoutOffer.length === 0 || isOver(day, at)) return []
  return freed
    .filter((slot) => !hasBegun(timetable, slot, at))
    .sort((one, other) => one - other)
    .slice(0, withoutOffer.length)
    .flatMap((slot, index): Event[] => {
      const waiting = withoutOffer[index]
      const deadline = standsUntil(timetable, slot, at + offerMs)
      return waiting ? [{ type: 'offered', waitId: waiting.id, slot, deadline }] : []
    })
}

/** The slot that a patient is offered, unless it has begun. */
export function offeredSlot(waiting: Waiting | undefined, timetable: Timetable, at: number): number | null {
  const slot = waiting?.offer?.slot
  return slot === undefined || hasBegun(timetable, slot, at) ? null : slot
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
