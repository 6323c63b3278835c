import { localDate } from '../../lib/time'
import type { Refusal, Refused } from '../refused'
import type { Day, Opening } from '../state/day'
import { setAtOf } from '../state/records'
import type { Off } from '../state/slot-times'

/**
 * Which dates can still be used, and whether a day is closed for a reason that D1 knows: a day off, a leave,
 * a closing of the clinic, or the doctor’s retirement. The newest decision counts: an availability that was
 * set for the date after the leave or the closing was decided opens the day.
 */

/** What of a day matters here. `setAt`: when a caller has set its availability; null where none has. */
export interface OwnAvailability {
  isUsed: boolean
  setAt: number | null
}

/** A doctor who has retired takes no patients, whatever the day says. A day in use keeps its terms. */
export function isOff({ kind, since }: Off, { isUsed, setAt }: OwnAvailability): boolean {
  if (kind === 'retired') return true
  return kind === 'day_off' ? !isUsed : setAt === null || setAt < since
}

export const ownAvailability = ({ identity, availability }: Day): OwnAvailability => ({
  isUsed: identity !== null,
  setAt: setAtOf(availability),
})

export const isAbsent = (day: Day): boolean => day.availability?.isPresent === false

const REFUSALS = {
  day_off: 'doctor_absent',
  leave: 'on_leave',
  closing: 'clinic_closed',
  retired: 'doctor_retired',
} as const satisfies Record<Off['kind'], Refusal>

/** Why the doctor takes no patients on the day; null where the doctor does. */
export function absence(day: Day, { off }: Pick<Opening, 'off'> = {}): Refused | null {
  if (off && isOff(off, ownAvailability(day))) return { ok: false, refused: REFUSALS[off.kind] }
  return isAbsent(day) ? { ok: false, refused: 'doctor_absent' } : null
}

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
