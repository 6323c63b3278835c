/**
 * CSV as it leaves (RFC 4180), safe to open in a spreadsheet: a cell that would be read as a formula is led
 * by a single quote. So that reading it back gives the very same text, a cell that already looks so led gets
 * one more, and the reader takes exactly one away.
 */

const LOOKS_LIKE_FORMULA = /^'*[=+\-@\t\r]/
const LED_BY_QUOTE = /^'+[=+\-@\t\r]/
const NEEDS_QUOTES = /[",\r\n]/

/** `+1 202 …` → `'+1 202 …` */
export const disarm = (cell: string): string => (LOOKS_LIKE_FORMULA.test(cell) ? `'${cell}` : cell)

/** Undoes `disarm`, and leaves alone what never went through it. */
export const rearm = (cell: string): string => (LED_BY_QUOTE.test(cell) ? cell.slice(1) : cell)

/** One record and its line end. */
export const csvLine = (cells: readonly string[]): string => `${cells.map(disarmedField).join()}\r\n`

function disarmedField(cell: string): string {
  const safe = disarm(cell)
  return NEEDS_QUOTES.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
