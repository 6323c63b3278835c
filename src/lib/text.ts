/**
 * What may stand in a text that people or other systems send, and how it is stored. The patterns are also
 * published as JSON Schema. So they say `\uXXXX` and no `\p{…}`, which only JavaScript has.
 */

type Range = number | [first: number, last: number]

const WHITE_CONTROLS: Range[] = [[0x09, 0x0d]]
const SPACES: Range[] = [0x20, 0xa0, 0x1680, [0x2000, 0x200a], 0x2028, 0x2029, 0x202f, 0x205f, 0x3000, 0xfeff]

/**
 * Characters that show nothing by themselves: Unicode’s Default_Ignorable_Code_Point (joiners, fillers, marks
 * of direction, variation selectors, tags) and a few that are only empty, like the braille cell without dots.
 */
const INVISIBLE: Range[] = [
  ...[0xad, 0x34f, 0x61c, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x2800, 0x3164, 0xffa0, 0x1d159],
  ...([
    [0x180b, 0x180f],
    [0x200b, 0x200f],
    [0x2060, 0x2065],
    [0x206a, 0x206f],
    [0xfe00, 0xfe0f],
    [0xfff0, 0xfffb],
    [0x13430, 0x13440],
    [0x1bca0, 0x1bca3],
    [0x1d173, 0x1d17a],
    [0xe0000, 0xe0fff],
  ] satisfies Range[]),
]

/** Accents, points and circles that need a letter before them. */
const MARKS: Range[] = [
  0x670,
  [0x300, 0x36f],
  [0x483, 0x489],
  [0x591, 0x5bd],
  [0x64b, 0x65f],
  [0x1ab0, 0x1aff],
  [0x1dc0, 0x1dff],
  [0x20d0, 0x20f0],
  [0xfe20, 0xfe2f],
]

/** They reorder what follows them, so a reader would see another text than the one that is stored. */
const DIRECTION_OVERRIDES: Range[] = [
  [0x202a, 0x202e],
  [0x2066, 0x2069],
]
const HALVES: Range[] = [[0xd800, 0xdfff]]
const PLANES = 17
const NOT_CHARACTERS: Range[] = [
  [0xfdd0, 0xfdef],
  ...Array.from({ length: PLANES }, (_, n): Range => [n * 0x10000 + 0xfffe, n * 0x10000 + 0xffff]),
]
const FORBIDDEN = [
  ...HALVES,
  ...NOT_CHARACTERS,
  ...DIRECTION_OVERRIDES,
  ...([0x0b, 0x0c, [0x00, 0x08], [0x0e, 0x1f], [0x7f, 0x9f]] satisfies Range[]),
]
const LINE_ENDS: Range[] = [0x2028, 0x2029]

const written = (code: number): string =>
  code > 0xffff ? String.fromCodePoint(code) : `\\u${code.toString(16).padStart(4, '0')}`

const set = (...ranges: Range[]): string =>
  ranges.map((range) => (typeof range === 'number' ? written(range) : range.map(written).join('-'))).join('')

const [WHITE, SPACE] = [set(...WHITE_CONTROLS), set(...SPACES)]
const BLANK = set(...WHITE_CONTROLS, ...SPACES, ...INVISIBLE, ...MARKS)
const NOT_IN_A_LINE = set(...FORBIDDEN, ...WHITE_CONTROLS, ...LINE_ENDS)
const VISIBLE = `(?=[${BLANK}]*[^${BLANK}])`

/**
 * One run over a text decides, because no two neighbouring parts can take the same character. JSON Schema’s
 * patterns always have the flag u and cannot say so, therefore it is not shown.
 */
const pattern = (source: string): RegExp =>
  Object.defineProperty(new RegExp(`^${source}$`, 'u'), 'flags', { value: '' })
const IN_A_LINE = `[^${NOT_IN_A_LINE}${SPACE}][^${NOT_IN_A_LINE}]*`
const LINE = `[${WHITE}${SPACE}]*(?:${IN_A_LINE}(?:[${WHITE}][${SPACE}]*)*)?`
const LINES = `[^${set(...FORBIDDEN)}]*`

/**
 * `line`: a name, a code, an id. `lines`: a note, a result. Those that are required need a visible character.
 */
export const TEXTS = {
  line: pattern(VISIBLE + LINE),
  lines: pattern(VISIBLE + LINES),
  optionalLine: pattern(LINE),
  optionalLines: pattern(LINES),
}
export type TextKind = keyof typeof TEXTS

const IS_BLANK = pattern(`[${BLANK}]*`)

/** Why a text is refused, or null. It tells the rule and repeats nothing of the text. */
export function textFault(text: string, kind: TextKind): string | null {
  if (TEXTS[kind].test(text)) return null
  if (!text.isWellFormed()) return LONE_SURROGATE
  if (text.includes('\0')) return 'must not hold a NUL'
  if (!TEXTS.optionalLines.test(text)) return UNSAFE
  return IS_BLANK.test(text) ? 'must not be blank' : 'must be one line, without tabs and line breaks'
}

const UNSAFE = 'must not hold control characters or direction overrides; leave them out'
export const LONE_SURROGATE = 'must not hold half of a surrogate pair; send whole characters'

const FIELD_CHARACTERS_MAX = 100

/** The field (`move_to.reason`) of parsed JSON that has a lone surrogate in its text or name, else null. */
export function loneSurrogateIn(json: object): string | null {
  // A list of what is left, and no recursion: a body may be nested deeper than the stack or any name.
  const left: [field: string, value: unknown][] = [['', json]]
  for (let next = left.pop(); next; next = left.pop()) {
    const [field, value] = next
    if (typeof value === 'string' && !value.isWellFormed()) return field
    if (typeof value !== 'object' || value === null) continue
    for (const [name, inner] of Object.entries(value)) {
      if (!name.isWellFormed()) return field || 'body'
      left.push([field.length > FIELD_CHARACTERS_MAX ? field : field ? `${field}.${name}` : name, inner])
    }
  }
  return null
}

const EDGE = new RegExp(`^[${WHITE}${SPACE}${set(...INVISIBLE)}]+`, 'u')
/**
 * What an invisible character at the end belongs to: a half letter of Indic scripts, and a form of a sign.
 */
const HALF_LETTER = /[\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d\u0dca]$/
const [JOINER, SIGN] = [/^[\u200c\u200d]/, /[\p{Extended_Pictographic}\p{Script=Han}]$/u]
const FORM = new RegExp(`^[${set([0xfe00, 0xfe0f], [0xe0020, 0xe007f], [0xe0100, 0xe01ef])}]+`, 'u')

/** Its edges show something, and no form of Unicode would change it. Most texts are like this. */
const TIDY_ASCII = /^[!-~](?:[\0-\x7f]*[!-~])?$/

/** As a text is stored and compared: NFC, and without the characters at its edges that show nothing. */
export function tidy(text: string): string {
  if (TIDY_ASCII.test(text)) return text
  const begun = composed(text).replace(EDGE, '')
  let end = begun.length
  while (end > 0 && EDGE.test(characterBefore(begun, end))) end -= characterBefore(begun, end).length
  const [kept, rest] = [begun.slice(0, end), begun.slice(end)]
  const last = characterBefore(kept, end)
  const form = HALF_LETTER.test(last) ? JOINER.exec(rest) : SIGN.test(last) ? FORM.exec(rest) : null
  return kept + (form?.[0] ?? '')
}

/** A pair of surrogates is one character. */
const characterBefore = (text: string, end: number): string =>
  text.slice(/[\udc00-\udfff]/.test(text[end - 1] ?? '') ? end - 2 : end - 1, end)

/**
 * NFC, so that two ways to write é are one text. Sorting a long row of marks takes the square of its length,
 * seconds for 100,000, and no language has such rows: that text stays as it is.
 */
export const composed = (text: string): string => (/\p{M}{40}/u.test(text) ? text : text.normalize('NFC'))
