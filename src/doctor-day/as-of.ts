import type { Day, Recorded } from './day'
import { fold } from './fold'

/**
 * The day as it stood at an instant (epoch ms), what happened in that very millisecond included. It stops at
 * the first later event: should the clock ever have run backwards, no event counts without those before it.
 */
export function foldUntil(events: Recorded[], at: number): Day {
  const later = events.findIndex((event) => event.at > at)
  return fold(later === -1 ? events : events.slice(0, later))
}
