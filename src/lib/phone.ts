import { type CountryCode, parsePhoneNumberFromString } from 'libphonenumber-js/min'

/**
 * E.164, or null where no phone can have this number. `country` reads numbers without a country code. Only
 * the length is judged: the stricter check refuses numbers newer than the library, and every fictional one.
 */
export function toE164(phone: string, country: string): string | null {
  const number = parsePhoneNumberFromString(phone, country as CountryCode)
  return number?.isPossible() ? number.number : null
}
