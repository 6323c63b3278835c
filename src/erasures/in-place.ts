/**
 * SQL that writes a text over itself. SQLite leaves deleted bytes in its file, but writes a row in place
 * where its length stays the same. So what is erased becomes as many bytes that say nothing.
 */

export const bytesOf = (text: string): string => `length(CAST(${text} AS BLOB))`

/** As many zeros as the text has bytes. Null stays null. */
export const zeros = (column: string): string =>
  `substr(hex(zeroblob(${bytesOf(column)})), 1, ${bytesOf(column)})`

/** As many spaces as the text has bytes. Null stays null. */
export const spaces = (column: string): string => `replace(${zeros(column)}, '0', ' ')`

/** JSON of the same length that holds nothing. Null stays null. */
export const blank = (column: string, open: string, close: string): string =>
  `iif(${column} IS NULL, NULL,
    '${open}' || printf('%*s', ${bytesOf(column)} - ${open.length + close.length}, '') || '${close}')`

/** JSON of the same length in which these fields, as far as it has them, are empty texts. */
export function emptied(column: string, fields: readonly string[]): string {
  const shorter = `json_replace(${column}, ${fields.map((field) => `'$.${field}', ''`).join(', ')})`
  return `${shorter} || printf('%*s', ${bytesOf(column)} - ${bytesOf(shorter)}, '')`
}
