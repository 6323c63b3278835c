import {
  type CountryCode,
  isSupportedCountry,
  type PhoneNumber,
  parseDigits,
  parsePhoneNumberFromString,
} from 'libphonenumber-js/min'
import * as v from 'valibot'
import { maxCharacters, seenText, tidied } from './schema'

const [CHARACTERS_MIN, CHARACTERS_MAX] = [10, 20]

/** With `tel:` and an extension in words, which CHARACTERS_MAX does not count. */
const TEXT_CHARACTERS_MAX = 50

/** A phone, or a part of one, that is searched for. */
export const phoneSearched = () => v.pipe(v.string(), maxCharacters(100), seenText('line'), tidied())

/** A phone number as people write it. Whether it is possible depends on the clinic’s country: `toE164`. */
export const PhoneText = v.pipe(
  v.string(),
  seenText('optionalLine'),
  tidied(),
  v.minLength(CHARACTERS_MIN, `must have at least ${CHARACTERS_MIN} characters`),
  maxNumberCharacters(),
)

/** Refuses a number of more than CHARACTERS_MAX. In JSON Schema it is the limit of the whole text. */
function maxNumberCharacters() {
  const sentence = ({ input }: v.MaxLengthIssue<string, number>) => lengthFault(input)
  const ofText = v.maxLength<string, number, typeof sentence>(TEXT_CHARACTERS_MAX, sentence)
  const ofNumber = v.maxLength<string, number, typeof sentence>(CHARACTERS_MAX, sentence)
  const run: (typeof ofText)['~run'] = (dataset, config) =>
    dataset.typed && isShort(dataset.value) ? dataset : ofNumber['~run'](dataset, config)
  return { ...ofText, '~run': run }
}

const isShort = (text: string): boolean =>
  text.length <= TEXT_CHARACTERS_MAX && bareNumber(text).length <= CHARACTERS_MAX

/** The patterns can take the square of a text's length, so they read no longer text than this. */
const READ_CHARACTERS_MAX = 200

const lengthFault = (text: string): string =>
  (text.length > READ_CHARACTERS_MAX ? null : shapeFault(text)) ??
  (text.length <= READ_CHARACTERS_MAX && hasLetters(text)
    ? LETTERS
    : `must have at most ${CHARACTERS_MAX} characters`)

/** More digits behind a number are a second number, and no extension. */
const EXTENSION_DIGITS_MAX = 7

/**
 * E.164, with the extension if there is one (`+12025550101;ext=5`, as in RFC 3966), or null if the text is
 * not one possible number. A number without a country code belongs to `country`. Only the length is checked:
 * the stricter check refuses numbers newer than the library, and every fictional one.
 */
export function toE164(phone: string, country: string): string | null {
  const written = withoutScheme(phone)
  // 00 is how most countries begin an international number. Where it is not, it may belong to the number.
  const readings = [written, written.replace(/^00/, '+')].flatMap((text) => possibleNumber(text, country))
  const number = readings.find((reading) => reading.isValid()) ?? readings[0]
  if (!number) return null
  // The library has converted digits of other scripts in the number, and not in its extension.
  return number.ext ? `${number.number};ext=${parseDigits(number.ext)}` : number.number
}

const URI_SCHEME = /^tel:(?!.*;phone-context=)/i
const withoutScheme = (phone: string): string =>
  inAsciiDigits(phone.normalize('NFKC')).trim().replace(URI_SCHEME, '')

/** Decimal digits of any script: the library knows those of Arabic and Persian only. */
const inAsciiDigits = (text: string): string =>
  text.replace(/(?![0-9])\p{Nd}/gu, (digit) => String(decimalValue(digit.codePointAt(0) ?? 0)))

/** In Unicode the ten digits of a script follow each other, and no other digit stands before their zero. */
function decimalValue(digit: number): number {
  let value = 0
  while (value < 9 && /\p{Nd}/u.test(String.fromCodePoint(digit - value - 1))) value += 1
  return value
}

/** Of a URI: the library would drop it. */
const SUBADDRESS = /;isub=/i

/** `extract: false`: text around a number would be dropped, and of two numbers the second. */
function possibleNumber(text: string, country: string): PhoneNumber[] {
  if (SUBADDRESS.test(text)) return []
  const number = parsePhoneNumberFromString(text, {
    defaultCountry: country as CountryCode,
    extract: false,
  })
  return number?.isPossible() && (number.ext ?? '').length <= EXTENSION_DIGITS_MAX ? [number] : []
}

const EXTENSION_WORD = 'e?xt(?:ensi[oó]n?)?n?|доб|anexo|int|x'
/** As the library reads an extension. After a sign, more digits than an extension has are a second number. */
const AFTER_WORD = String.raw`(?:;ext=|(?:${EXTENSION_WORD})[:.]?[\s,-]*)(\p{Nd}{1,20})`
const AFTER_SIGN = String.raw`[#~;,][:.]?[\s,-]*\p{Nd}{1,${EXTENSION_DIGITS_MAX}}`
const EXTENSION = new RegExp(String.raw`[\s,]*(?:${AFTER_WORD}|${AFTER_SIGN})#?$`, 'iu')

/** The number without `tel:` and without its extension. */
const bareNumber = (phone: string): string => withoutScheme(phone).replace(EXTENSION, '')

/** What a search for a text can mean: one number, or the last digits of some. */
export interface PhoneMeant {
  number: string | null
  tail: string | null
}

/** Null for a text that is no number and no part of one. */
export function phoneMeant(text: string, country: string): PhoneMeant | null {
  const digits = PART_OF_NUMBER.test(text) ? parseDigits(inAsciiDigits(text)) : ''
  const tail = digits.length >= TAIL_DIGITS_MIN && digits.length <= NUMBER_DIGITS_MAX ? digits : null
  const number = text.length <= TEXT_CHARACTERS_MAX ? toE164(text, country) : null
  return number === null && tail === null ? null : { number, tail }
}

/** Three digits are the end of too many numbers. */
const TAIL_DIGITS_MIN = 4
/** Of E.164. */
const NUMBER_DIGITS_MAX = 15
const PART_OF_NUMBER = /^\+?[\p{Nd}\s()./-]{1,50}$/u

/** An extension counts where the search has one. */
export function isPhoneMeant(e164: string, { number, tail }: PhoneMeant): boolean {
  const bare = withoutExtension(e164)
  return e164 === number || bare === number || (tail !== null && bare.endsWith(tail))
}

export const withoutExtension = (e164: string): string => e164.split(';', 1)[0] ?? ''

/** Why `toE164` has no number for the text. */
export const phoneFault = (phone: string): string =>
  shapeFault(phone) ?? (hasLetters(phone) ? LETTERS : `must be a phone number, ${OF_A_COUNTRY}`)

const hasLetters = (phone: string): boolean => /\p{Nd}/u.test(phone) && /\p{L}/u.test(bareNumber(phone))
const OF_A_COUNTRY = 'with country code or of the clinic’s country'
const LETTERS =
  'must be one number in digits, without letters or other text (an extension may follow as ;ext=5), ' +
  OF_A_COUNTRY

/** A fault that explains more than a length does: an extension that is too long, or a second number. */
function shapeFault(phone: string): string | null {
  const extension = EXTENSION.exec(withoutScheme(phone))?.[1] ?? ''
  if (extension.length > EXTENSION_DIGITS_MAX)
    return `must have an extension of at most ${EXTENSION_DIGITS_MAX} digits`
  const parts = bareNumber(phone).split(BETWEEN_NUMBERS)
  const numbers = parts.filter((part) => part.replace(/\P{Nd}/gu, '').length >= NUMBER_DIGITS_MIN)
  return numbers.length > 1 ? 'must be one number, and this is more than one; send one of them' : null
}

/** Fewer digits are a part of a number. */
const NUMBER_DIGITS_MIN = 7
/** What no number holds (a slash, a word, the plus of the next number), or a space between long numbers. */
const BETWEEN_NUMBERS = /[^\p{Nd}\s().-]+|(?<=\p{Nd}{7})\s+(?=\p{Nd}{7})/u

/** Whether the ISO 3166 code names a country that phone numbers can belong to. */
export const hasPhones = (country: string): boolean => isSupportedCountry(country)
