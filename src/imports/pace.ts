import { SECOND_MS } from '../lib/time'

/** Long enough to even out chunks, whose rows all count at once; short enough to notice a standstill. */
export const WINDOW_MS = 30 * SECOND_MS

/** How many rows were done at an instant (epoch ms). */
export interface Sighting {
  at: number
  done: number
}

/** With one more. Of those before the window only the youngest is kept, for the window to start from. */
export function sighted(seen: readonly Sighting[], last: Sighting): Sighting[] {
  const all = [...seen, last]
  return all.filter((_, index) => (all[index + 1]?.at ?? last.at) > last.at - WINDOW_MS)
}

/** Over the window; 0 where nothing was measured yet. Rows that run again after a repair are no progress. */
export function rowsPerSecond(seen: readonly Sighting[]): number {
  const [first, last] = [seen[0], seen.at(-1)]
  if (!first || !last || last.at <= first.at) return 0
  return Math.max(0, last.done - first.done) / ((last.at - first.at) / SECOND_MS)
}

/** Null where nobody can tell. */
export const etaSeconds = (rowsLeft: number, perSecond: number): number | null =>
  perSecond > 0 ? Math.ceil(rowsLeft / perSecond) : null
