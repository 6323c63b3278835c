import { localDate } from '../../lib/time'
import type { Refused } from '../commands'
import type { Day, Opening } from '../state/day'

/** Which dates can still be used. */

/** A date further ahead is a typing mistake and not a plan. */
export const YEARS_AHEAD_MAX = 20

/** A date has four digits for its year, so that dates sort as text. */
const LAST_DATE = '9999-12-31'

/** The refusal of a date that is over at the clinic or too far ahead; null where the date can be used. */
export function dateRefusal(
  { date, timeZone }: Pick<Opening, 'date' | 'timeZone'>,
  at: number,
): Refused | null {
  const today = localDate(at, timeZone)
  if (date < today) return { ok: false, refused: 'date_past', dates: { date, today } }
  const year = Number(today.slice(0, 4)) + YEARS_AHEAD_MAX
  const last = year > 9999 ? LAST_DATE : `${year}${today.slice(4)}`
  return date > last ? { ok: false, refused: 'date_too_far', dates: { date, today } } : null
}

/** Whether the date of a day is over at the clinic. Nothing on it can be given any more. */
export const isOver = ({ identity, timeZone }: Day, at: number): boolean =>
  identity !== null && identity.date < localDate(at, timeZone)
