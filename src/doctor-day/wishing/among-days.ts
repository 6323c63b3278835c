import { moving } from '../moving/moving'
import type { MoveHost } from '../moving/settling'
import { wishing } from './wishing'

/** What a day does together with other days: it moves appointments, and keeps wishes for several days. */
export function amongDays(source: MoveHost) {
  const [moves, wishes] = [moving(source), wishing(source)]
  return {
    moves,
    perform: wishes.perform,
    /** Aborts what a crash has interrupted. Returns whether something is left to settle with other days. */
    wake(): boolean {
      moves.abortInterrupted()
      const day = source.day()
      return day.moves.size + day.reservations.size > 0 || wishes.hasWork()
    },
    /** Never throws. */
    settle: () => Promise.all([moves.settle(), wishes.settle()]),
  }
}
