import { stringify } from 'csv-stringify/sync'

/**
 * CSV that is sent (RFC 4180), safe to open in a spreadsheet: a text that a spreadsheet would read as a
 * formula gets a single quote in front. A text that already has such a quote gets one more, and the reader
 * removes exactly one, so that reading the file back gives the same text. A phone gets the quote too:
 * without it a spreadsheet makes the number 12025550190 of +12025550190.
 */

const LOOKS_LIKE_FORMULA = /^'*[=+\-@＝＋－＠\t\r\n]/
const FORMULA_AFTER_QUOTE = /^'+[=+\-@＝＋－＠\t\r\n]/

/** `+1 202 …` → `'+1 202 …` */
export const disarm = (cell: string): string => (LOOKS_LIKE_FORMULA.test(cell) ? `'${cell}` : cell)

/** Undoes `disarm`; leaves a cell unchanged that `disarm` did not change. */
export const rearm = (cell: string): string => (FORMULA_AFTER_QUOTE.test(cell) ? cell.slice(1) : cell)

/** A number stays a number: -5 is no formula. Null is an empty cell. */
export type Cell = string | number | null

/** Records, each with its line end. */
export const csvLines = (records: readonly (readonly Cell[])[]): string =>
  stringify(
    records.map((cells) => cells.map((cell) => (typeof cell === 'string' ? disarm(cell) : cell))),
    // By itself the library quotes no line break that is shorter than the line end.
    { record_delimiter: 'windows', quoted_match: /[\r\n]/ },
  )

/** One record and its line end. */
export const csvLine = (cells: readonly Cell[]): string => csvLines([cells])
