import { localDate } from '../../lib/time'
import type { Refused } from '../refused'
import type { Day, Opening } from '../state/day'

/** Which dates can still be used. */

/** The refusal of a date that is over at the clinic; null where the date can be used. */
export function dateRefusal(
  { date, timeZone }: Pick<Opening, 'date' | 'timeZone'>,
  at: number,
): Refused | null {
  const today = localDate(at, timeZone)
  return date < today ? { ok: false, refused: 'date_over', dates: { date, today } } : null
}

/** Whether the date of a day is over at the clinic. Nothing on it can be given any more. */
export const isOver = ({ identity, timeZone }: Day, at: number): boolean =>
  identity !== null && identity.date < localDate(at, timeZone)
