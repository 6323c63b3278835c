/** A change of `foldName` needs a higher number: names stored under an older one are then folded again. */
export const FOLDING = 2

/**
 * Two spellings of one name fold to the same text, which decides who is who and what a search finds. These do
 * not count: case (also ß, İ, ς), spaces, accents of Latin and Greek, ё, the points of Hebrew, and in Arabic
 * the harakat, the tatweel and the hamza on a letter. Letters with a stroke (ł, đ, ø) are those without it,
 * typographic quotes and hyphens are plain ones, and invisible characters are none. Other marks stay, because
 * without them two names would become equal: й and ї are letters, the marks of Indic scripts are vowels.
 *
 * `José  NÚÑEZ` → `jose nunez`, `O’Brien` → `o'brien`
 */
export function foldName(name: string): string {
  // Signs before NFKD too: it would write ´ as a space with an accent.
  const bare = replaced(replaced(name, SIGNS).normalize('NFKD'), [...SIGNS, ...MARKS])
  return replaced(bare.toLowerCase().toUpperCase().toLowerCase(), LETTERS)
    .normalize('NFC')
    .replace(/\s+/g, ' ')
    .trim()
}

type Rule = [spelling: RegExp, plain: string]

const replaced = (text: string, rules: readonly Rule[]): string =>
  rules.reduce((changed, [spelling, plain]) => changed.replace(spelling, plain), text)

const SIGNS: Rule[] = [
  [/[‘’‚‛ʹʻʼʽˈ′‵`´＇‹›՚׳ꞌꞋ]/g, "'"],
  [/[“”„‟″‶«»״＂]/g, '"'],
  [/[\p{Dash_Punctuation}−⁃]/gu, '-'],
]

const MARKS: Rule[] = [
  [/\p{Default_Ignorable_Code_Point}/gu, ''],
  [/([\p{Script=Latin}\p{Script=Greek}])\p{Mn}+/gu, '$1'],
  [/([ЕеЁё])\u0308/g, '$1'],
  /** The stress of a word; й, ў, ї, ѓ and ќ are letters of their own. */
  [/([АаЕеИиОоУуЫыЭэЮюЯяІіЄє])[\u0300\u0301]/g, '$1'],
  [/[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]/g, ''],
  [/[\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed]/g, ''],
]

/** Letters that Unicode does not take apart, and those that two Arabic keyboards write differently. */
const LETTERS: Rule[] = [
  [/ς/g, 'σ'],
  [/[æǽ]/g, 'ae'],
  [/œ/g, 'oe'],
  [/þ/g, 'th'],
  [/[ðđɖɗ]/g, 'd'],
  [/[ƀɓ]/g, 'b'],
  [/[ǥɠ]/g, 'g'],
  [/ħ/g, 'h'],
  [/[ıɨ]/g, 'i'],
  [/ȷ/g, 'j'],
  [/ƙ/g, 'k'],
  [/[łɫƚ]/g, 'l'],
  [/ŋ/g, 'n'],
  [/ø/g, 'o'],
  [/ŧ/g, 't'],
  [/ʉ/g, 'u'],
  [/ƴ/g, 'y'],
  [/ƶ/g, 'z'],
  [/ٱ/g, 'ا'],
  [/[ىی]/g, 'ي'],
  [/ک/g, 'ك'],
  [/[ةہ]/g, 'ه'],
]

/** The first version of `foldName`: texts that were stored under it are still found by it. */
export const foldedBefore = (name: string): string =>
  name
    .normalize('NFKD')
    .replace(/(\p{Script=Latin})\p{Mn}+/gu, '$1')
    .normalize('NFC')
    .toLowerCase()
    .replace(/\s+/g, ' ')
    .trim()
