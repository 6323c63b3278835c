import fc from 'fast-check'
import { expect, test } from 'vitest'
import { loneSurrogateIn, TEXTS, textFault, tidy } from '../src/lib/text'

const BLANK = 'must not be blank'
const ONE_LINE = 'must be one line, without tabs and line breaks'
const UNSAFE = 'must not hold control characters or direction overrides; leave them out'
const HALF = 'must not hold half of a surrogate pair; send whole characters'

test.each([
  ['nothing', ''],
  ['spaces of all kinds', ' \t\n\r\u00a0\u1680\u2003\u2028\u202f\u3000'],
  ['a zero-width space', '\u200b'],
  ['a word joiner', '\u2060'],
  ['a BOM', '\ufeff'],
  ['a soft hyphen', '\u00ad'],
  ['a zero-width joiner and non-joiner', '\u200d\u200c'],
  ['Hangul fillers', '\u115f\u1160\u3164\uffa0'],
  ['a braille cell without dots', '\u2800'],
  ['variation selectors', '\ufe0f\u{e0101}'],
  ['tags', '\u{e0001}\u{e0041}'],
  ['marks of direction', '\u200e\u200f\u061c'],
  ['Khmer and Mongolian signs without form', '\u17b4\u180e'],
  ['a mark without a letter', '\u0301\u034f'],
  ['marks of other blocks', '\u1dc0\ufe20\u1ab0\u20dd\u0488'],
  ['Arabic and Hebrew points', '\u064b\u0670\u05b0'],
  ['Egyptian format controls', '\u{13430}\u{1343f}'],
  ['music signs that show nothing', '\u{1d173}\u{1bca0}'],
])('%s is blank', (_, text) => {
  expect([textFault(text, 'line'), textFault(text, 'lines')]).toEqual([BLANK, BLANK])
})

test.each([
  ['NUL', 'Ada\0', 'must not hold a NUL'],
  ['NUL alone', '\0', 'must not hold a NUL'],
  ['escape', '\u001b[31mAda', UNSAFE],
  ['a bell', 'A\u0007da', UNSAFE],
  ['DEL', 'Ada\u007f', UNSAFE],
  ['C1, here NEL', 'A\u0085da', UNSAFE],
  ['a vertical tab', 'A\u000bda', UNSAFE],
  ['an override', 'Ada \u202etxt.exe', UNSAFE],
  ['an embedding at the edge', '\u202aAda\u202c', UNSAFE],
  ['an isolate', 'A\u2067da\u2069', UNSAFE],
  ['a noncharacter', 'Ada\uffff', UNSAFE],
  ['a noncharacter of another plane', 'Ada\u{1ffff}', UNSAFE],
  ['the last noncharacter', 'Ada\u{10fffe}', UNSAFE],
  ['a lone high surrogate', 'A\ud800', HALF],
  ['a lone low surrogate', '\udc00A', HALF],
  ['surrogates in the wrong order', 'A\udc00\ud800', HALF],
])('text with %s is refused, in one line and in several', (_, text, fault) => {
  expect([textFault(text, 'line'), textFault(text, 'lines')]).toEqual([fault, fault])
  expect([textFault(text, 'optionalLine'), textFault(text, 'optionalLines')]).toEqual([fault, fault])
})

test.each(['two\nlines', 'two\r\nlines', 'a\ttab', 'a\u2028line', ' a \n \n b '])(
  '%j has more than one line: a result may, a name may not',
  (text) => {
    expect([textFault(text, 'line'), textFault(text, 'lines')]).toEqual([ONE_LINE, null])
  },
)

test.each([
  ['a Persian name with a non-joiner', 'علی\u200cرضا'],
  ['Devanagari with a joiner', 'क्\u200dष'],
  ['an emoji of several', '👩\u200d👩\u200d👧'],
  ['a mark of direction inside', 'אבג\u200e 12'],
  ['a flag of tags', '🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}'],
  ['a soft hyphen inside a word', 'Donau\u00addampf'],
  ['one sign', '+'],
  ['one emoji', '😀'],
  ['a letter and its mark', 'e\u0301'],
  ['an Arabic name with points', 'مُحَمَّد'],
  ['a Hebrew name with points', 'שָׁלוֹם'],
  ['line breaks and tabs at the edges', '\t\n t1 \r\n'],
])('%s is a text', (_, text) => {
  expect([textFault(text, 'line'), textFault(text, 'lines')]).toEqual([null, null])
})

test.each([
  [' t1\r\n', 't1'],
  ['\u200bt1\u2060', 't1'],
  ['t1\u200d', 't1'],
  ['\u200ct1\ufe0f', 't1'],
  ['\ufefft1', 't1'],
  ['\u00a0t1\u3000\u00ad', 't1'],
  ['\u{e0041}t1\u{e0041}', 't1'],
  ['t\u200b1', 't\u200b1'],
  ['Cafe\u0301', 'Café'],
  ['A\u030angstrom', 'Ångstrom'],
  ['\u1112\u1161\u11ab', '한'],
  ['❤\ufe0f', '❤\ufe0f'],
  ['葛\u{e0100}', '葛\u{e0100}'],
  ['രാമന്\u200d', 'രാമന്\u200d'],
  ['क्\u200d\u200d ', 'क्\u200d'],
  ['', ''],
  [' \u200b ', ''],
])('%j is stored as %j', (text, stored) => {
  expect(tidy(text)).toBe(stored)
})

const anyText = fc.string({
  unit: fc.constantFrom(
    ...'aé \t\n\0',
    '\u200b',
    '\u200d',
    '\u0301',
    '्',
    '\u202e',
    '\ud800',
    '😀',
    '\ufe0f',
    '葛',
  ),
  maxLength: 8,
})

test('what is stored is stored again as it is, and whatever passes the rule passes it as stored', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      expect(tidy(tidy(text))).toBe(tidy(text))
      if (textFault(text, 'line') === null) expect(textFault(tidy(text), 'line')).toBeNull()
    }),
  )
})

test('the rules take a time that grows with the text and not with its square', () => {
  for (const part of [' ', '\n', ' \n', 'a', 'a ', 'a\n', '\u200b', '\u0301', 'e\u0301\u0316'])
    for (const text of [part.repeat(100_000), `${part.repeat(100_000)}\0`, `a${part.repeat(100_000)}b`])
      for (const kind of ['line', 'lines', 'optionalLine', 'optionalLines'] as const) {
        expect(typeof (textFault(text, kind) ?? '')).toBe('string')
        expect(tidy(text).length).toBeLessThanOrEqual(text.length)
      }
})

test('the patterns say no more than other languages know, for they are published', () => {
  for (const { source, flags } of Object.values(TEXTS))
    expect(source + flags).not.toMatch(/\\[pP]|\\u\{|\(\?<|u$/)
})

test.each([
  [{ a: 'x', b: ['y', { c: '\ud800' }] }, 'b.1.c'],
  [{ name: 'A\udc00' }, 'name'],
  [{ move_to: { doctor_id: '\ud83d' } }, 'move_to.doctor_id'],
  [{ 'x\ud800': 1 }, 'body'],
  [{ name: '😀', list: [null, 1, true] }, null],
])('of %j the field with half a character is %j', (json, field) => {
  expect(loneSurrogateIn(json)).toBe(field)
})

test('JSON nested deeper than the stack is searched all the same', () => {
  let json: object = { deepest: '\ud800' }
  for (let depth = 0; depth < 100_000; depth += 1) json = [json]
  expect(loneSurrogateIn({ json })).toMatch(/^json\.0\.0\.0/)
})
