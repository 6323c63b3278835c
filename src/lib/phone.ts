import {
  type CountryCode,
  isSupportedCountry,
  type PhoneNumber,
  parsePhoneNumberFromString,
} from 'libphonenumber-js/min'
import * as v from 'valibot'
import { safeText, tidied } from './schema'

const [CHARACTERS_MIN, CHARACTERS_MAX] = [10, 20]

/** A phone number as people write it. Whether it is possible depends on the clinic’s country: `toE164`. */
export const PhoneText = v.pipe(
  v.string(),
  safeText('optionalLine'),
  tidied(),
  v.minLength(CHARACTERS_MIN, `must have at least ${CHARACTERS_MIN} characters`),
  v.maxLength(CHARACTERS_MAX, `must have at most ${CHARACTERS_MAX} characters`),
)

/** More digits behind a number are a second number, and no extension. */
const EXTENSION_DIGITS_MAX = 7

/**
 * E.164, with the extension if there is one (`+12025550101;ext=5`, as in RFC 3966), or null if the text is
 * not one possible number. A number without a country code belongs to `country`. Only the length is checked:
 * the stricter check refuses numbers newer than the library, and every fictional one.
 */
export function toE164(phone: string, country: string): string | null {
  const written = phone.normalize('NFKC').trim().replace(URI_SCHEME, '')
  // 00 is how most countries begin an international number. Where it is not, it may belong to the number.
  const readings = [written, written.replace(/^00/, '+')].flatMap((text) => possibleNumber(text, country))
  const number = readings.find((reading) => reading.isValid()) ?? readings[0]
  if (!number) return null
  return number.ext ? `${number.number};ext=${number.ext}` : number.number
}

const URI_SCHEME = /^tel:(?!.*;phone-context=)/i

/** `extract: false`: text around a number would be dropped, and of two numbers the second. */
function possibleNumber(text: string, country: string): PhoneNumber[] {
  const number = parsePhoneNumberFromString(text, {
    defaultCountry: country as CountryCode,
    extract: false,
  })
  return number?.isPossible() && (number.ext ?? '').length <= EXTENSION_DIGITS_MAX ? [number] : []
}

/** Why `toE164` has no number for the text. */
export const phoneFault = (phone: string): string =>
  /\d/.test(phone) && /\p{L}/u.test(phone)
    ? 'must be one number in digits, without letters or other text (an extension may follow as ;ext=5)'
    : 'must be a phone number'

/** Whether the ISO 3166 code names a country that phone numbers can belong to. */
export const hasPhones = (country: string): boolean => isSupportedCountry(country)
