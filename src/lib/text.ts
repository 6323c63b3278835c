/**
 * Two spellings of one name fold to the same text: case, runs of spaces and the accents of Latin letters do
 * not count. Marks of other scripts stay, because there they are vowels: without them two people would become
 * one.
 */
export const foldName = (name: string): string =>
  name
    .normalize('NFKD')
    .replace(/(\p{Script=Latin})\p{Mn}+/gu, '$1')
    .normalize('NFC')
    .toLowerCase()
    .replace(/\s+/g, ' ')
    .trim()
