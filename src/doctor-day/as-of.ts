import { type Day, emptyDay, type Recorded } from './day'
import { evolve } from './rules'

/** The day that a log tells of, from its first event on. */
export const fold = (events: Recorded[]): Day => events.reduce(evolve, emptyDay())

/**
 * The day as it stood at an instant (epoch ms), what happened in that very millisecond included. It stops at
 * the first later event: should the clock ever have run backwards, no event counts without those before it.
 */
export function foldUntil(events: Recorded[], at: number): Day {
  const later = events.findIndex((event) => event.at > at)
  return fold(later === -1 ? events : events.slice(0, later))
}
