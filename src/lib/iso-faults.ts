/** Why a text is no date, or no instant, as the API takes them: the first sentence that is true. */

const DATE_LIKE = 'like 2026-03-14'
const INSTANT_LIKE = 'like 2025-01-10T12:30:00Z'

type Fault = [pattern: RegExp, sentence: string]

const OTHER_CALENDARS: Fault[] = [
  [/^\s|\s$/, 'must not begin or end with a space'],
  [/^[+-]?\d{9,}(?:\.\d+)?$/, 'must be ISO 8601, not a number of seconds or milliseconds'],
  [/^\d{4}-?[Ww]\d/, 'must give month and day of the month; a week date is not accepted'],
  [/^\d{4}-?\d{3}(?:[Tt ]|$)/, 'must give month and day of the month; a day of the year is not accepted'],
  [/^[+-]\d{4,6}-/, 'must have a year of four digits, without a sign'],
]

const DATE_FAULTS: Fault[] = [
  ...OTHER_CALENDARS,
  [/^\d{8}$/, `must have dashes, ${DATE_LIKE}`],
  [/^\d{4}-\d\d-\d\d[Tt ]/, `must be a date without a time, ${DATE_LIKE}`],
  [/^\d{4}-\d\d?$/, `must have a day, ${DATE_LIKE}`],
  [/^\d{4}-\d\d?-\d\d?$/, `must have two digits for month and day, ${DATE_LIKE}`],
]

const TIME = String.raw`\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?`
const ZONE = String.raw`(?:[Zz]|[+-]\d\d(?::?\d\d)?)`
const after = (rest: string) => new RegExp(String.raw`^\d{4}-\d\d-\d\d[Tt ]${rest}$`)

const INSTANT_FAULTS: Fault[] = [
  ...OTHER_CALENDARS,
  [/^\d{8}(?:[Tt ]|$)/, `must have dashes in the date and colons in the time, ${INSTANT_LIKE}`],
  [after(String.raw`\d{4,6}(?:[.,]\d+)?${ZONE}?`), `must have colons in the time, ${INSTANT_LIKE}`],
  [/^\d{4}(?:-\d\d?(?:-\d\d?)?)?$/, `must also have a time and a zone, ${INSTANT_LIKE}`],
  [after(String.raw`\d\d?${ZONE}?`), `must have hours and minutes, ${INSTANT_LIKE}`],
  [after(`24:00(?::00(?:[.,]0+)?)?${ZONE}?`), 'must write 24:00 as 00:00 of the next day'],
  [
    after(String.raw`\d\d:\d\d:60(?:[.,]\d+)?${ZONE}?`),
    'must have seconds up to 59; a leap second is not accepted',
  ],
  [after(TIME), 'must end with a zone: Z, or an offset like +05:30'],
  [/^(?:0\d|1[0-8])\d\d-/, 'must have a year from 1900 on'],
  [/\[.*\]$/, 'must end with Z or an offset like +05:30, without the name of a zone in brackets'],
  [after(`${TIME} +${ZONE}`), 'must not have a space before the zone'],
  [after(String.raw`${TIME}\u2212.*`), 'must have a plain - before the offset'],
  [after(`${TIME} ?[A-Za-z_/]{2,}`), 'must end with Z or an offset like +05:30, not with the name of a zone'],
  [after(String.raw`\d\d:\d\d:\d\d[.,]\d{10,}${ZONE}`), 'must have at most 9 digits after the second'],
  [
    after(`${TIME}[+-].*`),
    'must have an offset from -23:59 to +23:59, like +05:30, and a date and time that exist',
  ],
  [after(`${TIME}[Zz]`), 'must have a date and a time that exist'],
]

/** No spelling of an instant is longer; some patterns would take too long on a megabyte. */
const CHARACTERS_MAX = 100

const firstTrue = (faults: Fault[], text: string): string | undefined =>
  text.length > CHARACTERS_MAX ? undefined : faults.find(([pattern]) => pattern.test(text))?.[1]

export const dateFault = (text: string): string =>
  firstTrue(DATE_FAULTS, text) ?? `must be a date ${DATE_LIKE}`

export const instantFault = (text: string): string =>
  firstTrue(INSTANT_FAULTS, text) ?? `must be ISO 8601 with date, time and zone, ${INSTANT_LIKE}`
