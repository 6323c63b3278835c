import fc from 'fast-check'
import { expect, test } from 'vitest'
import { faultIn } from '../src/http/input/json-fault'

test.each<[string, line: number, column: number, expected: RegExp]>([
  ['{"name": "Ada",}', 1, 16, /field name in double quotes/],
  ['{"name": "Ada"\n "age": 3}', 2, 2, /comma or }/],
  ['{\n  "a": 1,\n  b: 2\n}', 3, 3, /field name in double quotes/],
  ["{'a': 1}", 1, 2, /field name in double quotes/],
  ['{"a" 1}', 1, 6, /colon/],
  ['{"a": }', 1, 7, /value/],
  ['{"a": tru}', 1, 7, /value/],
  ['{"a": True}', 1, 7, /value/],
  ['{"a": NaN}', 1, 7, /value/],
  ['{"a": undefined}', 1, 7, /value/],
  ['{"a": 01}', 1, 7, /value/],
  ['{"a": +1}', 1, 7, /value/],
  ['{"a": .5}', 1, 7, /value/],
  ['{"a": 1.}', 1, 7, /value/],
  ['{"a": 1e}', 1, 7, /value/],
  ['{"a": "x}', 1, 7, /no closing quote/],
  ['{"a": "x\ny"}', 1, 9, /line break or control character/],
  ['{"a": "\\x"}', 1, 8, /backslash/],
  ['{"a": "\\u12"}', 1, 8, /backslash/],
  ['{"a": [1 2]}', 1, 10, /comma or ]/],
  ['{"a": [1,]}', 1, 10, /value/],
  ['{"a": [1}', 1, 9, /comma or ]/],
  ['{"a": 1', 1, 8, /comma or }/],
  ['{"a":', 1, 6, /value/],
  ['{', 1, 2, /field name/],
  ['{"a": 1} {"b": 2}', 1, 10, /end here/],
  ['{"a": 1}}', 1, 9, /end here/],
  ['// note\n{"a": 1}', 1, 1, /value/],
  ['{"a": 1, /* note */ "b": 2}', 1, 10, /field name/],
  ['{"é💊": "x"\r\n\r\n"b"}', 3, 1, /comma or }/],
  ['{"💊💊": x}', 1, 8, /value/],
  ['\u00a0{}', 1, 1, /value/],
])('%j is broken at line %i, column %i', (text, line, column, expected) => {
  expect(() => JSON.parse(text)).toThrow()
  const fault = faultIn(text)
  expect([fault.line, fault.column]).toEqual([line, column])
  expect(fault.expected).toMatch(expected)
})

test('for any JSON with a character changed, added or cut, the scan agrees with JSON.parse', () => {
  const isJson = (text: string) => {
    try {
      JSON.parse(text)
      return true
    } catch {
      return false
    }
  }
  const noise = fc.constantFrom(
    '',
    '"',
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '\\',
    '1',
    '-',
    '.',
    'e',
    't',
    '\n',
    '\u0001',
    '\u007f',
  )
  fc.assert(
    fc.property(fc.json(), fc.nat(), fc.nat(3), noise, (json, place, cut, added) => {
      const at = place % (json.length + 1)
      const text = json.slice(0, at) + added + json.slice(at + cut)
      const { line, column, expected } = faultIn(text)
      const isRead = expected === 'the body should end here' && offsetOf(text, line, column) === text.length
      expect([text, isRead]).toEqual([text, isJson(text)])
    }),
    { numRuns: 2_000 },
  )
})

function offsetOf(text: string, line: number, column: number): number {
  const lines = text.split(/(?<=\r\n|\n|\r(?!\n))/)
  const before = lines.slice(0, line - 1).join('')
  return before.length + [...(lines[line - 1] ?? '')].slice(0, column - 1).join('').length
}

test('a body of half a million brackets, or one text of a megabyte, is scanned without recursion', () => {
  expect(faultIn('['.repeat(500_000))).toMatchObject({ line: 1, column: 500_001 })
  expect(faultIn(`{"a": "${'x'.repeat(1_000_000)}`).expected).toMatch(/no closing quote/)
  expect(faultIn(`{"a": "${'\\n'.repeat(500_000)}" 1}`).expected).toMatch(/comma or }/)
})

test('what the scan says repeats nothing of the text', () => {
  const { expected } = faultIn('{"name": "Ada Lovelace", "phone": 0202555}')
  expect(expected).not.toMatch(/Ada|0202555|phone/)
})
