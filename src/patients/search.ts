import { type SQL, sql } from 'drizzle-orm'
import { foldedBefore, foldName } from '../lib/folding'
import { isPhoneMeant, type PhoneMeant, phoneMeant, withoutExtension } from '../lib/phone'
import type { Identifier, PatientRow } from './model'

/**
 * The index of the search: `patients_search`, an FTS5 table of trigrams that triggers keep in step with
 * `patients` (migrations/). It gives rows in the order in which patients were registered, so a page of a word
 * that a hundred thousand names have reads no more rows than a page of a rare one.
 *
 * Besides the trigrams of names it has terms of three characters of our own: the clinic, so that of other
 * clinics nothing is read; the begins of words; the birth date; the last 4 to 8 digits of the phone. Each
 * kind begins with a noncharacter, which no text of a caller can hold (`safeText`). The view
 * `patients_indexed` writes the same terms. Names with apostrophes and hyphens are there without them
 * too, and in scripts that write words without spaces each character begins a word.
 */
const CLINIC = sql.raw('char(64977, 983040 + rowid % 65534, 983040 + rowid / 65534)')
const [BEGIN, PHONE, BORN] = ['\ufdd0', '\ufdd2', '\ufdd3']
/** A number as a character of a private plane. */
const asCharacter = (number: number): string => String.fromCodePoint(0xf0000 + number)

/** More trigrams of a word find hardly fewer rows. */
const TRIGRAMS_MAX = 24

/** What a caller searches for. Every word of `q` must fit, and each of the others that is there. */
export interface Criteria {
  q?: string | undefined
  phone?: string | undefined
  birth_date?: string | undefined
  identifier?: string | undefined
}

/**
 * A word in its spellings: as names are folded today and as they were before, and joined; each in parts
 * without spaces. None where the word shows nothing.
 */
interface Word {
  text: string
  spellings: string[][]
  phone: PhoneMeant | null
}

/** One word, or several that may be one phone number: `(202) 555-0101`. */
interface Unit {
  text: string
  phone: PhoneMeant | null
  words: Word[]
}

export interface Meant {
  text: string
  units: Unit[]
  /** The whole of `q`. */
  whole: PhoneMeant | null
  phone: PhoneMeant | null
  birthDate: string | null
  identifier: { system: string; value: string } | null
}

/** Null where no patient can fit. */
export function meantBy({ q = '', phone, birth_date, identifier }: Criteria, country: string): Meant | null {
  const text = q.trim()
  const asked = phone === undefined ? null : phoneMeant(phone, country)
  if (phone !== undefined && asked === null) return null
  return {
    text,
    units: unitsOf(text, country),
    whole: phoneMeant(text, country),
    phone: asked,
    birthDate: birth_date ?? null,
    identifier: identifier === undefined ? null : identifierIn(identifier),
  }
}

/** `system|value`, or a value of any system. */
function identifierIn(text: string): { system: string; value: string } {
  const [, system = '', value = ''] = /^(?:([^|]*)\|)?(.*)$/.exec(text) ?? []
  return { system, value: lower(value) }
}

function unitsOf(text: string, country: string): Unit[] {
  const groups: string[][] = []
  for (const word of text.split(/\s+/)) {
    const last = groups.at(-1)
    if (last && IS_OF_NUMBER.test(word) && IS_OF_NUMBER.test(last[0] ?? '')) last.push(word)
    else groups.push([word])
  }
  return groups.flatMap((group) => {
    const words = group.map((word) => wordOf(word, country)).filter(({ spellings }) => spellings.length > 0)
    const unit = group.join(' ')
    return words.length > 0 ? [{ text: unit, phone: phoneMeant(unit, country), words }] : []
  })
}

const IS_OF_NUMBER = /^[+\p{Nd}()./-]+$/u

function wordOf(text: string, country: string): Word {
  const folded = foldName(text)
  const spellings =
    folded === ''
      ? []
      : [...new Set([folded, foldedBefore(text), joinedName(folded)])].filter((one) => one !== '')
  return { text, spellings: spellings.map((one) => one.split(' ')), phone: phoneMeant(text, country) }
}

/** The expression of FTS5 that finds all who fit by name, phone and birth date, and few others. */
export function matchOf(clinicId: string, { units, whole, phone, birthDate }: Meant): SQL {
  const ofText = anyOf([allOf(units.map(unitTerms)), ...phoneTerms(whole)])
  const born = birthDate === null ? '' : quoted(bornTerm(birthDate))
  const terms = allOf([ofText, anyOf(phoneTerms(phone)), born])
  const more = terms && ` AND ${terms}`
  return sql`(SELECT '"' || ${CLINIC} || '"' || ${more} FROM clinics WHERE id = ${clinicId})`
}

const allOf = (terms: string[]): string => joined(terms, ' AND ')
const anyOf = (terms: string[]): string => joined(terms, ' OR ')
/** Empty where there are no terms. */
const joined = (terms: string[], by: string): string => {
  const some = terms.filter((term) => term !== '')
  return some.length > 1 ? `(${some.join(by)})` : (some[0] ?? '')
}

const unitTerms = ({ phone, words }: Unit): string =>
  anyOf([allOf(words.map(wordTerms)), ...phoneTerms(phone)])

const wordTerms = ({ spellings, phone }: Word): string =>
  anyOf([...spellings.map((parts) => allOf(parts.map(partTerms))), ...phoneTerms(phone)])

const partTerms = (part: string): string => allOf(trigramsOf(part).map(quoted))

/** Of a part of one or two characters, the begin of a word. */
function trigramsOf(part: string): string[] {
  const characters = [...part]
  if (characters.length < 3) return [BEGIN.repeat(3 - characters.length) + part]
  const trigrams = characters.slice(2).map((_, index) => characters.slice(index, index + 3).join(''))
  return [...new Set(trigrams)].slice(0, TRIGRAMS_MAX)
}

const quoted = (term: string): string => `"${term.replaceAll('"', '""')}"`

const phoneTerms = (meant: PhoneMeant | null): string[] => {
  const digits = [meant?.tail, meant?.number && withoutExtension(meant.number).slice(1)]
  return [...new Set(digits.flatMap((some) => (some ? quoted(tailTerm(some)) : [])))]
}

/** How many terms there are for the ends of phones that have fewer digits. */
const SHORTER = [0, 10, 110, 1_110]

/** Of the last 8 digits, or of all if there are fewer. */
function tailTerm(digits: string): string {
  const [end, before] = [digits.slice(-4), digits.slice(-8, -4)]
  const shorter = SHORTER[before.length - 1]
  return (
    PHONE + (shorter === undefined ? PHONE : asCharacter(shorter + Number(before))) + asCharacter(Number(end))
  )
}

function bornTerm(date: string): string {
  const [year = 0, month = 0, day = 0] = date.split('-').map(Number)
  return BORN + asCharacter(year) + asCharacter(month * 32 + day)
}

/** Whether nothing is searched for. */
export const fitsAll = ({ units, whole, phone, birthDate, identifier }: Meant): boolean =>
  units.length === 0 && [whole, phone, birthDate, identifier].every((asked) => asked === null)

/** In lower case, the identifiers that a text names: itself as a whole, and its words. */
export function identifiersIn({ text, units, identifier }: Meant): string[] {
  if (identifier) return [identifier.value]
  const texts = units.flatMap((unit) => [unit.text, ...unit.words.map((word) => word.text)])
  return text === '' ? [] : [...new Set([text, ...texts].map(lower))]
}

/** As SQLite's `lower`: other letters than those of ASCII stay. */
const lower = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())

/** The index leads to some who do not fit: their names have the trigrams of a word elsewhere. */
export function fits(row: PatientRow, meant: Meant): boolean {
  const { text, units, whole, phone, birthDate, identifier } = meant
  return (
    (phone === null || isPhoneMeant(row.phone, phone)) &&
    (birthDate === null || row.birthDate === birthDate) &&
    (identifier === null || hasIdentifier(row, identifier.value, identifier.system)) &&
    (units.every((unit) => fitsUnit(row, unit)) || hasIdentifier(row, lower(text)) || hasPhone(row, whole))
  )
}

const fitsUnit = (row: PatientRow, { text, phone, words }: Unit): boolean =>
  words.every((word) => fitsWord(row, word)) || hasIdentifier(row, lower(text)) || hasPhone(row, phone)

const fitsWord = (row: PatientRow, { text, spellings, phone }: Word): boolean =>
  spellings.some((parts) => parts.every((part) => occurs(part, row.nameFolded))) ||
  hasIdentifier(row, lower(text)) ||
  hasPhone(row, phone)

function occurs(part: string, name: string): boolean {
  const whole = joinedName(name)
  if ([...part].length >= 3 || UNSPACED.test(part)) return name.includes(part) || whole.includes(part)
  const words = [...name.split(' '), ...name.split(/[-' ]/), ...whole.split(' ')]
  return words.some((word) => word.startsWith(part))
}

/** `o'brien` → `obrien` */
const joinedName = (folded: string): string => folded.replace(/[-']/g, '')

/** A text that begins with Han, Kana or Hangul: each such character can begin a word. */
const UNSPACED = /^[\u2e80-\u9fff\uac00-\ud7a3\u{20000}-\u{3fffd}]/u

const hasPhone = (row: PatientRow, meant: PhoneMeant | null): boolean =>
  meant !== null && isPhoneMeant(row.phone, meant)

const hasIdentifier = ({ identifiers }: PatientRow, value: string, system = ''): boolean =>
  (identifiers ?? []).some(
    (one: Identifier) => lower(one.value) === value && (system || one.system) === one.system,
  )

/** Whether another patient of the clinic has one of these identifiers. `more`: a condition on it, as `i`. */
export const isIdentifierTaken = (
  clinicId: string,
  identifiers: Identifier[],
  ownId: string,
  more = sql``,
): SQL => sql`EXISTS (
  SELECT 1 FROM patient_identifiers i JOIN json_each(${JSON.stringify(identifiers)}) said
    ON i.clinic_id = ${clinicId} AND i.lower_value = lower(said.value->>'value')
      AND i.system = said.value->>'system' AND i.value = said.value->>'value'
  WHERE i.patient_id <> ${ownId} ${more})`
