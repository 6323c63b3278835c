import type { Fault } from '../../problem'

/** What the first bytes and the first line of a file say: whether it is CSV at all, and its separator. */

export interface Column<Name extends string> {
  name: Name
  isRequired: boolean
  /** What JSON may hold instead of a text. It is read as the text of a CSV cell would be. */
  json?: 'number' | 'boolean'
  /** How much of a bad cell is kept, if 2,000 characters are not enough: what is kept must still be bad. */
  keptCharactersMax?: number
}

/**
 * One record of a file by column name, or its fault. `row` is its number in the file. A fault with cells is
 * about that row only; a fault without cells is about the whole file. CSV has text in each cell, JSON may
 * have anything.
 */
export type FileRow<Name extends string, Cell = unknown> =
  | { row: number; cells: Record<Name, Cell>; fault?: undefined }
  | { row: number; cells?: Record<Name, Cell>; fault: Fault }

const SEPARATORS = [',', ';', '\t', '|'] as const
export type Separator = (typeof SEPARATORS)[number]

/** The separator of a file, and the text that begins with its header; or why the text is no CSV. */
export type Opening =
  | { separator: Separator; rest: string; disguise?: undefined }
  | { disguise: string; separator?: undefined; rest?: undefined }

/** Lines before the header, which have no text: blank, or separators only. */
const FIRST_LINE = /^(?:[\s,;|"]*[\r\n])?[^\r\n]*?[^\s,;|"][^\r\n]*/
const DECLARED = /^[\s"]*sep=([,;|\t])"?[\s,;|]*$/i

/**
 * A first line `sep=;`, as Excel writes and reads it, decides; it is no row. Otherwise the separator is that
 * which finds the most columns in the header. Null while the first line is not complete.
 */
export function openingOf(text: string, columns: readonly Column<string>[], isAll: boolean): Opening | null {
  const [line = ''] = FIRST_LINE.exec(text) ?? []
  if (!isAll && (line === '' || line.length === text.length)) return null
  const disguise = TEXT_DISGUISES.find(([start]) => start.test(line.trim()))?.[1]
  if (disguise) return { disguise }
  const declared = DECLARED.exec(line)?.[1]
  const separator = SEPARATORS.find((known) => known === declared)
  if (separator) return { separator, rest: text.slice(line.length) }
  return { separator: best((one) => knownIn(line, one, columns)), rest: text }
}

const knownIn = (line: string, separator: Separator, columns: readonly Column<string>[]): number =>
  line.split(separator).filter((cell) => isColumn(cell.replaceAll('"', ' '), columns)).length

export const nameOf = (cell: string): string => cell.trim().toLowerCase()

export const isColumn = (cell: string, columns: readonly Column<string>[]): boolean =>
  columns.some(({ name }) => name === nameOf(cell))

export const seemingSeparator = (line: string): Separator => best((one) => line.split(one).length)

/** The comma, unless another separator has a higher count. */
const best = (countOf: (separator: Separator) => number): Separator =>
  SEPARATORS.reduce((one, other) => (countOf(other) > countOf(one) ? other : one))

/**
 * The first line of other formats in text. No header with the columns of an import begins so: a quote inside
 * a cell without quotes is a fault of CSV, and a bracket alone is one column.
 */
const TEXT_DISGUISES: [start: RegExp, sentence: string][] = [
  [
    /^(?:\[\s*(?:[[{"\]]|$)|\{\s*(?:["}]|$))/,
    'this is JSON; send its records as CSV UTF-8, or one on each line of an .ndjson file',
  ],
  [
    /^<(?:!doctype html|html|head|body|meta|style|table)\b/i,
    'this is HTML, a web page or a table saved as one; save the table as CSV UTF-8',
  ],
  [
    /^<(?:[?!]|[a-z][\w:.-]*(?:\s[^>]*)?>\s*(?:<|$))/i,
    'this is XML or a web page; save its table as CSV UTF-8',
  ],
  [/^\{\\rtf/, 'this is a text document (RTF); save its table as CSV UTF-8'],
]

/** The first bytes of files that people take for CSV, because a spreadsheet has written them. */
const DISGUISES: [start: number[], sentence: string][] = [
  [[0x50, 0x4b, 0x03, 0x04], 'this is a spreadsheet or another zip file; save it as CSV UTF-8'],
  [[0x50, 0x4b, 0x05, 0x06], 'this is an empty zip file; save the spreadsheet as CSV UTF-8'],
  [[0xd0, 0xcf, 0x11, 0xe0], 'this is a spreadsheet (.xls); save it as CSV UTF-8'],
  [[0x25, 0x50, 0x44, 0x46], 'this is a PDF; export its table as CSV UTF-8'],
  [[0xff, 0xfe], 'the file is UTF-16 and not UTF-8; save it as CSV UTF-8'],
  [[0xfe, 0xff], 'the file is UTF-16 and not UTF-8; save it as CSV UTF-8'],
  [[0x1f, 0x8b], 'the file is compressed; send the CSV itself, for gzip is not UTF-8'],
]
export const DISGUISE_BYTES = 4

/** Why a file that begins so is no CSV, or null. */
export const disguiseOf = (start: Uint8Array): string | null =>
  DISGUISES.find(([bytes]) => bytes.every((byte, at) => start[at] === byte))?.[1] ?? null
