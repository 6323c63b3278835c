/**
 * Two spellings of one name fold to the same text: case, runs of spaces and the accents of Latin letters do
 * not count. Marks of other scripts stay, because they are vowels there: without them two different names
 * would become equal.
 *
 * `José  NÚÑEZ` → `jose nunez`
 */
export const foldName = (name: string): string =>
  name
    .normalize('NFKD')
    .replace(/(\p{Script=Latin})\p{Mn}+/gu, '$1')
    .normalize('NFC')
    .toLowerCase()
    .replace(/\s+/g, ' ')
    .trim()
