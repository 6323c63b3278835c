/** Where a text stops being JSON. Both count from 1; a column is a character of its line. */
export interface JsonFault {
  line: number
  column: number
  expected: string
}

/**
 * Finds the fault that JSON.parse only names, because its message repeats the text, which can be personal.
 * For a text that JSON.parse refused; `whole` is what a sentence calls it.
 */
export function faultIn(text: string, whole = 'body'): JsonFault {
  const { at, expected } = scan(text, whole)
  const lines = text.slice(0, at).split(/\r\n|\n|\r/)
  return { line: lines.length, column: [...(lines.at(-1) ?? '')].length + 1, expected }
}

const SPACE = /[ \t\n\r]*/y
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const WORD = /true|false|null/y
/** What a string holds between escapes, up to a control character of any kind. */
const PLAIN = /[^"\\\p{Cc}]*/uy
const CONTROLS_REFUSED = 0x20
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y
/** After these a number or a word would go on: `01`, `truex`. */
const GOES_ON = /[\w.+-]/y

interface Found {
  at: number
  expected: string
}

/** Without recursion: a body can open half a million lists. */
function scan(text: string, whole: string): Found {
  const open: ('{' | '[')[] = []
  let at = match(SPACE, text, 0)
  let place: 'value' | 'first' | 'name' | 'after' = 'value'
  for (;;) {
    const here = text[at]
    const inside = open.at(-1)
    if (place === 'after') {
      if (inside === undefined) return { at, expected: `the ${whole} should end here` }
      if (here === (inside === '{' ? '}' : ']')) open.pop()
      else if (here === ',') place = inside === '{' ? 'name' : 'value'
      else return { at, expected: `a comma or ${inside === '{' ? '}' : ']'} was expected` }
      at += 1
    } else if (place === 'first' && here === (inside === '{' ? '}' : ']')) {
      open.pop()
      place = 'after'
      at += 1
    } else if (inside === '{' && place !== 'value') {
      const name = here === '"' ? stringEnd(text, at) : { at, expected: NAME_EXPECTED }
      if (typeof name !== 'number') return name
      at = match(SPACE, text, name)
      if (text[at] !== ':') return { at, expected: 'a colon was expected' }
      place = 'value'
      at += 1
    } else if (here === '{' || here === '[') {
      open.push(here)
      place = 'first'
      at += 1
    } else {
      const end = here === '"' ? stringEnd(text, at) : plainEnd(text, at)
      if (typeof end !== 'number') return end
      place = 'after'
      at = end
    }
    at = match(SPACE, text, at)
  }
}

const NAME_EXPECTED = 'a field name in double quotes was expected'

/** The end of what the pattern matches at a place; the place itself where it does not match. */
function match(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : at
}

function stringEnd(text: string, start: number): number | Found {
  let at = start + 1
  for (;;) {
    at = match(PLAIN, text, at)
    if (text[at] === '"') return at + 1
    if (at >= text.length) return { at: start, expected: 'the text that begins here has no closing quote' }
    const isEscape = text[at] === '\\'
    const end = isEscape ? match(ESCAPE, text, at) : at + (text.charCodeAt(at) < CONTROLS_REFUSED ? 0 : 1)
    if (end === at) return { at, expected: isEscape ? ESCAPE_EXPECTED : CONTROL_REFUSED }
    at = end
  }
}

const ESCAPE_EXPECTED = 'a backslash must be followed by one of " \\ / b f n r t, or by u and four hex digits'
const CONTROL_REFUSED = 'a line break or control character in a text must be escaped, like \\n'

function plainEnd(text: string, at: number): number | Found {
  const end = Math.max(match(NUMBER, text, at), match(WORD, text, at))
  if (end > at && match(GOES_ON, text, end) === end) return end
  return {
    at,
    expected: 'a value was expected: a text in double quotes, a number, true, false, null, { or [',
  }
}
