/**
 * How many SQL statements a text has, told as SQLite's own `sqlite3_complete` tells it: by the semicolons that
 * stand in no string, name, comment or body of a trigger. The runtime would run all statements of one text, and
 * D1 takes only one.
 */

/** A piece of SQL in which no semicolon ends a statement, then a word, then any other character. */
const PIECE =
  /\s+|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$)|`(?:[^`]|``)*(?:`|$)|\[[^\]]*(?:\]|$)|[a-z_$\u0080-\uffff][\w$\u0080-\uffff]*|[\s\S]/giy

const BLANK = /^(?:\s|--|\/\*)/

/** The first statement with its semicolon, and what follows it. */
export interface Split {
  first: string
  rest: string
}

export function split(sql: string): Split {
  // A trigger ends with `; END ;`. Its own statements end before.
  let [words, isTrigger, mayEnd] = [[] as string[], false, true]
  for (const { 0: piece, index } of sql.matchAll(new RegExp(PIECE))) {
    if (BLANK.test(piece)) continue
    if (piece === ';') {
      if (mayEnd) return { first: sql.slice(0, index + 1), rest: sql.slice(index + 1) }
      words = []
      continue
    }
    words.push(piece.toUpperCase())
    isTrigger ||= /^(?:EXPLAIN (?:QUERY PLAN )?)?CREATE (?:TEMP |TEMPORARY )?TRIGGER$/.test(words.join(' '))
    mayEnd = !isTrigger || (words.length === 1 && words[0] === 'END')
  }
  return { first: sql, rest: '' }
}

/** Whether nothing but spaces and comments is left. */
export const isBlank = (sql: string): boolean =>
  [...sql.matchAll(new RegExp(PIECE))].every(([piece]) => BLANK.test(piece))
