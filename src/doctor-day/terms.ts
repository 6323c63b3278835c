import type { SetAvailability } from './commands'
import type { Day, Event, Opening } from './day'
import { slotsThatFit, type WorkingHours } from './slot-times'

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
export function termsAfter(day: Day, { opening, hours, capacity }: SetAvailability): Terms {
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
