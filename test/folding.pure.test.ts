import fc from 'fast-check'
import { expect, test } from 'vitest'
import { foldName } from '../src/lib/folding'

test.each([
  ['case and spaces', ['Ada  Lovelace', ' ADA\u00a0lovelace ', 'ada\tlovelace']],
  ['accents, composed or not', ['José Núñez', 'JOSE NUNEZ', 'Jose\u0301 Nun\u0303ez']],
  ['Vietnamese', ['Nguyễn Đức Thưởng', 'NGUYEN DUC THUONG']],
  ['ß and its capital', ['Strauß', 'STRAUSS', 'Strauẞ', 'strauss']],
  ['Turkish i', ['Işık', 'ISIK', 'İSİK', 'ısik']],
  ['the final sigma, and accents of Greek', ['Γιώργος', 'ΓΙΩΡΓΟΣ', 'γιωργοσ', 'Γιώργoς'.replace('o', 'ο')]],
  ['Greek breathings and the iota below', ['ᾍδης', 'Αδης', 'ἅδης']],
  ['Polish ł', ['Wałęsa', 'Walesa', 'WAŁĘSA']],
  ['Croatian đ', ['Đorđe', 'Dorde', 'ĐORĐE']],
  ['Danish ø and æ', ['Søren Kjær', 'Soren Kjaer', 'SØREN KJÆR']],
  ['French œ', ['Cœur', 'COEUR', 'Cœur\u200b']],
  ['Icelandic þ and ð', ['Þórður', 'Thordur', 'ÞÓRÐUR']],
  ['Maltese ħ and Sami ŧ and ŋ', ['Ħaŧŋ', 'hatn', 'ĦAŦŊ']],
  ['Hausa letters with hooks', ['Ɗanladi Ɓala', 'Danladi Bala']],
  ['ligatures and wide letters', ['ﬁona', 'FIONA', 'ｆｉｏｎａ']],
  ['apostrophes', ['O’Brien', "O'Brien", 'Oʼbrien', 'O´Brien', 'o`brien', 'O‘BRIEN', 'O＇Brien', 'O′Brien']],
  ['quotes', ['„Bo“ Li', '"Bo" Li', '«Bo» Li', '“Bo” Li']],
  ['hyphens', ['Smith-Jones', 'Smith‐Jones', 'Smith‑Jones', 'smith–jones', 'SMITH—JONES', 'Smith−Jones']],
  [
    'what shows nothing',
    ['Donaudampf', 'Donau\u00addampf', '\u2060Donau\u200bdampf', 'Donaudampf\ufeff\u200e'],
  ],
  ['Arabic alef with hamza, madda and wasla', ['أحمد', 'احمد', 'إحمد', 'ٱحمد', 'آحمد']],
  ['Arabic hamza on waw and yeh', ['مؤمن', 'مومن']],
  ['Arabic harakat and tatweel', ['مُحَمَّد', 'محمد', 'محـــمد', 'مُحمّد']],
  ['Arabic and Persian yeh and kaf', ['علي كريم', 'علی کریم', 'على كريم']],
  ['Arabic teh marbuta', ['فاطمة', 'فاطمه']],
  ['Hebrew points', ['שָׁלוֹם', 'שלום', 'שׁלום']],
  ['Hebrew geresh and maqaf', ['ג׳ורג׳ בן־דוד', "ג'ורג' בן-דוד"]],
  ['Cyrillic ё', ['Фёдор', 'ФЕДОР', 'Фе\u0308дор']],
  ['Cyrillic stress', ['Ива\u0301н', 'иван']],
  ['й, composed or not', ['Сергей', 'СЕРГЕИ\u0306']],
  ['Persian with and without a non-joiner', ['علی\u200cرضا', 'علیرضا']],
  ['Devanagari with and without a joiner', ['क्\u200dष', 'क्ष']],
])('%s: all are one name', (_, spellings) => {
  expect(new Set(spellings.map(foldName))).toEqual(new Set([foldName(spellings[0] ?? '')]))
})

test.each([
  ['vowels of Devanagari', 'राम', 'रमा'],
  ['the Devanagari i', 'मिना', 'मीना'],
  ['vowels of Tamil', 'கலா', 'காலா'],
  ['vowels and tones of Thai', 'มา', 'ม้า'],
  ['й and и', 'Сергей', 'Сергеи'],
  ['ї and і', 'Їжа', 'Іжа'],
  ['ў and у', 'ўс', 'ус'],
  ['Macedonian ќ and к', 'Ќосе', 'Косе'],
  ['voiced kana', 'かな', 'がな'],
  ['Hangul', '한', '하'],
  ['Latin and Cyrillic letters that look alike', 'Mapa', 'Мара'],
  ['a hyphen and a space', 'Smith-Jones', 'Smith Jones'],
  ['letters', 'Ada', 'Ida'],
])('%s: two names', (_, one, other) => {
  expect(foldName(one)).not.toBe(foldName(other))
})

test.each([
  ['José  NÚÑEZ', 'jose nunez'],
  ['Ærøskøbing – „Straße“', 'aeroskobing - "strasse"'],
  ['\u200b', ''],
])('%j folds to %j', (name, folded) => {
  expect(foldName(name)).toBe(folded)
})

test('what is folded folds to itself, in every script', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 20 }), (name) => {
      expect(foldName(foldName(name))).toBe(foldName(name))
    }),
    { numRuns: 500 },
  )
})
