import type { Commands, Moment, Refusal, Refused } from '../commands'
import type { Day, Event, Opening, Waiting } from '../state/day'
import { type SlotTimes, scheduleOf, slotsThatFit, timesOf, type WorkingHours } from '../state/slot-times'

/** What the rules ask a day, and what several of them answer. */

export const refuse = (refused: Refusal): Refused => ({ ok: false, refused })

/** Refusals that say nothing of what a retry will meet. */
export const isPassing = (refused: Refusal): boolean =>
  ['not_found', 'moving', 'unavailable'].includes(refused)

/** There is no such appointment here; if it was here once, the day knows where it went. */
export function notHere(day: Day, appointmentId: string): Refused {
  const movedTo = day.movedTo.get(appointmentId)
  return movedTo ? { ok: false, refused: 'moved', movedTo } : refuse('not_found')
}

/** Between two days an appointment can be neither cancelled nor checked in. */
export const isMoving = (day: Day, appointmentId: string): boolean =>
  [...day.moves.values()].some((move) => move.state === 'reserving' && move.appointmentId === appointmentId)

export const isAbsent = (day: Day): boolean => day.availability?.isPresent === false

export const capacityOf = (day: Day, opening: Opening): number => (day.place ? day : opening).capacity

/** When a slot begins and ends. A day that nobody has touched goes by its opening. */
export const timesOn = (day: Day, { date, timeZone, hours }: Opening, slot: number): SlotTimes =>
  timesOf((day.place ? day : scheduleOf(date, timeZone, hours ?? null)).timetable, slot)

/** The first write to a day puts into its log whose day it is. */
export const openingOf = (day: Day, opening: Opening): Event[] =>
  day.place ? [] : [{ type: 'opened', ...opening }]

export const freeSlots = (day: Day, capacity: number): number[] =>
  Array.from({ length: capacity }, (_, index) => index + 1).filter((slot) => !day.slots.has(slot))

/** One live offer per freed slot, lowest slot first, to those who wait without one, in their order. */
export function offers(day: Day, freed: number[], moment: Moment, isPresent = !isAbsent(day)): Event[] {
  if (!isPresent || freed.length === 0) return []
  const deadline = moment.at + moment.offerMs
  const line = [...day.waitlist.values()].filter(({ offer }) => offer === null)
  return freed
    .sort((one, other) => one - other)
    .slice(0, line.length)
    .flatMap((slot, index): Event[] => {
      const waiting = line[index]
      return waiting ? [{ type: 'offered', waitId: waiting.id, slot, deadline }] : []
    })
}

export const waitOf = (day: Day, patientId: string): Waiting | undefined =>
  [...day.waitlist.values()].find((waiting) => waiting.patientId === patientId)

/** What a day offers: its hours, if it has some, and how many slots. */
interface Terms {
  hours: WorkingHours | null
  capacity: number
}

/** A day that nobody has touched goes by its opening. */
export const termsOf = (day: Day, opening: Opening): Terms =>
  day.place ? day : { hours: opening.hours ?? null, capacity: opening.capacity }

/**
 * What is not spoken of stays. Hours that come without a capacity bring as many slots as fit; hours that are
 * taken away leave the number of slots.
 */
export function termsAfter(day: Day, { opening, hours, capacity }: Commands['set_availability']): Terms {
  const before = termsOf(day, opening)
  if (!hours) return { hours: hours === null ? null : before.hours, capacity: capacity ?? before.capacity }
  const { timeZone } = day.place ? day : opening
  return { hours, capacity: capacity ?? slotsThatFit(opening.date, timeZone, hours) }
}

export const changesOf = (before: Terms, after: Terms): Event[] => [
  ...(movesTimes(before, after) || before.hours?.to !== after.hours?.to
    ? [{ type: 'hours_set', hours: after.hours } as const]
    : []),
  ...(before.capacity === after.capacity
    ? []
    : [{ type: 'capacity_set', capacity: after.capacity } as const]),
]

/** Whether a slot would begin or end at another time than before, or have a time now and none before. */
export const movesTimes = ({ hours: before }: Terms, { hours: after }: Terms): boolean =>
  before?.from !== after?.from || before?.minutesPerSlot !== after?.minutesPerSlot
