import { type CountryCode, parsePhoneNumberFromString } from 'libphonenumber-js/min'
import * as v from 'valibot'

const [CHARACTERS_MIN, CHARACTERS_MAX] = [10, 20]

/** A phone as people write it. Whether it can be one depends on the clinic’s country: `toE164`. */
export const PhoneText = v.pipe(
  v.string(),
  v.trim(),
  v.minLength(CHARACTERS_MIN, `must have at least ${CHARACTERS_MIN} characters`),
  v.maxLength(CHARACTERS_MAX, `must have at most ${CHARACTERS_MAX} characters`),
)

/**
 * E.164, or null where no phone can have this number. `country` reads numbers without a country code. Only
 * the length is judged: the stricter check refuses numbers newer than the library, and every fictional one.
 */
export function toE164(phone: string, country: string): string | null {
  const number = parsePhoneNumberFromString(phone, country as CountryCode)
  return number?.isPossible() ? number.number : null
}
