import type { Ctx } from '../context'
import { around, yearsBetween } from '../lib/time'
import type { Fault } from '../problem'

/** A birth date tells the age: an age beside it is not stored, and may not be another one. */
interface BornOrAged {
  age: number | null
  birth_date?: string | null | undefined
}

type BornField = keyof Required<BornOrAged>

export const BIRTH_RULES: Record<BornField, string> = {
  birth_date: 'must not be after today at the clinic',
  age: 'must be the age that birth_date gives, or be left out',
}

/**
 * The field that breaks its rule, or null. The ages of the dates before and after count too, so that a retry
 * after midnight is not refused.
 */
export function wrongBirth({ age, birth_date = null }: BornOrAged, today: string): BornField | null {
  if (birth_date === null) return null
  if (birth_date > today) return 'birth_date'
  const ages = around(today).map((date) => yearsBetween(birth_date, date))
  return age === null || ages.includes(age) ? null : 'age'
}

export function birthFault(said: BornOrAged, today: string): Fault | null {
  const field = wrongBirth(said, today)
  return field && { field, rule: 'value', message: `${field} ${BIRTH_RULES[field]}` }
}

/** The age that is stored, and when it was said. */
export const storedAge = ({ age, birth_date = null }: BornOrAged, { now }: Pick<Ctx, 'now'>) =>
  age === null || birth_date !== null ? { age: null, ageAt: null } : { age, ageAt: now }
