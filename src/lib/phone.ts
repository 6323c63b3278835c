import { type CountryCode, parsePhoneNumberFromString } from 'libphonenumber-js/min'
import * as v from 'valibot'

const [CHARACTERS_MIN, CHARACTERS_MAX] = [10, 20]

/** A phone number as people write it. Whether it is possible depends on the clinic’s country: `toE164`. */
export const PhoneText = v.pipe(
  v.string(),
  v.trim(),
  v.minLength(CHARACTERS_MIN, `must have at least ${CHARACTERS_MIN} characters`),
  v.maxLength(CHARACTERS_MAX, `must have at most ${CHARACTERS_MAX} characters`),
)

/**
 * E.164, or null if no phone can have this number. A number without a country code belongs to `country`. Only
 * the length is checked: the stricter check refuses numbers newer than the library, and every fictional one.
 */
export function toE164(phone: string, country: string): string | null {
  const number = parsePhoneNumberFromString(phone, country as CountryCode)
  return number?.isPossible() ? number.number : null
}
