import { letters, nearness } from '../../lib/near'
import type { Fault } from '../../problem'
import { type Column, isColumn, nameOf, type Separator, seemingSeparator } from './opening'

/** What an answer says about the columns of a file. `ignored`: those that no rule knows, as written. */
export interface FileNotes {
  separator: Separator
  ignored: string[]
  warnings: string[]
}

export const NO_NOTES: FileNotes = { separator: ',', ignored: [], warnings: [] }

/** The column that the files of failed and of imported rows have, and no other. */
export const ROW_COLUMN = 'row'

export interface Header<Name extends string> {
  width: number
  /** Whether this service wrote the file, and so put quotes in front of some cells. */
  isOurs: boolean
  places: { name: Name; isRequired: boolean; place: number }[]
  notes: FileNotes
  faults: Fault[]
}

export const FILE_COLUMNS_MAX = 256

export function readHeader<Name extends string>(
  record: readonly string[],
  columns: readonly Column<Name>[],
  separator: Separator,
): Header<Name> {
  const names = record.map(nameOf)
  const absent = columns.filter(({ name }) => !names.includes(name))
  const unknown = record.map((cell) => cell.trim()).filter((cell) => cell && !isColumn(cell, columns))
  const missing = absent.filter(({ isRequired }) => isRequired)
  const isNoHeader = !unknown.some((cell) => meantBy(cell, absent)) && absent.length === columns.length
  const faults = missing.map(({ name }, index) => {
    const meant = unknown.find((cell) => meantBy(cell, absent) === name)
    const hint = meant === undefined ? '' : ` (did you mean '${name}' by '${shown(meant)}'?)`
    const sentences = [`column '${name}' is missing${hint}`]
    if (index === 0 && isNoHeader) sentences.push('the first line must name the columns')
    if (index === 0) sentences.push(...foundAndAccepted(record, columns, separator))
    return fault(name, 'column', sentences.join('; '))
  })
  for (const { name } of columns)
    if (names.indexOf(name) !== names.lastIndexOf(name))
      faults.push(fault(name, 'column', `column '${name}' occurs twice`))
  if (names.length > FILE_COLUMNS_MAX)
    faults.push(fault('file', 'columns', `a file may have at most ${FILE_COLUMNS_MAX} columns`))
  const places = columns.map((column) => ({ ...column, place: names.indexOf(column.name) }))
  return {
    width: names.length,
    places,
    isOurs: names.includes(ROW_COLUMN),
    notes: notesAbout(unknown, absent, separator),
    faults,
  }
}

const fault = (field: string, rule: string, sentence: string): Fault => ({
  row: 1,
  field,
  rule,
  message: `Row 1: ${sentence}`,
})

/** `unknown`: names that are no columns, as written. `absent`: columns that the file does not have. */
export const notesAbout = (
  unknown: readonly string[],
  absent: readonly Column<string>[],
  separator: Separator = ',',
): FileNotes => ({
  separator,
  ignored: [...new Set(unknown.map(shown))],
  warnings: warningsOf(unknown, absent),
})

function warningsOf(unknown: readonly string[], absent: readonly Column<string>[]): string[] {
  const warnings = unknown.flatMap((cell) => {
    const meant = meantBy(cell, absent)
    return meant === null ? [] : [`Column '${shown(cell)}' is ignored; did you mean '${meant}'?`]
  })
  return [...new Set(warnings)]
}

/** The column that the file lacks and probably means: `Adress`, `E-Mail`, `Telephone`, `Age (years)`. */
function meantBy(cell: string, absent: readonly Column<string>[]): string | null {
  const words = cell.toLowerCase().split(/[^\p{L}\p{N}]+/u)
  const near = absent.flatMap(({ name }) => {
    const isPart = words.includes(name) || (name.length >= PART_LETTERS_MIN && hasPart(letters(cell), name))
    const distance = nearness(cell, name) ?? (isPart ? Number.MAX_SAFE_INTEGER : null)
    return distance === null ? [] : [{ name, distance }]
  })
  return near.sort((one, other) => one.distance - other.distance)[0]?.name ?? null
}

/** A shorter name is a part of too many words: `age` of `village`. */
const PART_LETTERS_MIN = 4
const hasPart = (word: string, name: string): boolean => word.startsWith(name) || word.endsWith(name)

const SHOWN_COLUMNS_MAX = 20
const SHOWN_CHARACTERS_MAX = 40
const DATA_DIGITS_MIN = 5

/** A name that is safe to repeat. A file without a header has data there, whose numbers are not repeated. */
function shown(cell: string): string {
  if (cell.includes('@') || cell.replace(/\D/g, '').length >= DATA_DIGITS_MIN) return '(data)'
  const text = cell.replace(/[\p{C}\s]+/gu, ' ')
  return text.length > SHOWN_CHARACTERS_MAX ? `${text.slice(0, SHOWN_CHARACTERS_MAX).toWellFormed()}…` : text
}

function foundAndAccepted(
  record: readonly string[],
  columns: readonly Column<string>[],
  separator: Separator,
): string[] {
  const probable = record.length > 1 ? separator : seemingSeparator(record[0] ?? '')
  const found = record.flatMap((cell) => (record.length > 1 ? [cell] : cell.split(probable)))
  const listed = found.slice(0, SHOWN_COLUMNS_MAX).map((cell) => `'${shown(cell.trim())}'`)
  if (found.length > listed.length) listed.push(`${found.length - listed.length} more`)
  const accepted = columns.map(({ name, isRequired }) => (isRequired ? `'${name}'` : `'${name}' (optional)`))
  return [
    ...(record.some((cell) => cell.includes('\0'))
      ? ['the file seems to be UTF-16; save it as CSV UTF-8']
      : []),
    ...(probable === ',' ? [] : [`the separator seems to be ${SEPARATOR_NAMES[probable]}`]),
    `the file has the columns ${listed.join(', ')}`,
    `accepted are ${accepted.join(', ')}`,
  ]
}

const SEPARATOR_NAMES: Record<Separator, string> = { ',': "','", ';': "';'", '\t': 'a tab', '|': "'|'" }
