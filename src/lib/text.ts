import * as v from 'valibot'

/** Text of 1 to `max` characters that is not blank; stored trimmed. */
export const text = (max: number) =>
  v.pipe(v.string(), v.regex(/\S/, 'must not be blank'), maxCharacters(max), v.trim())

/** `maxLength` that counts as JSON Schema does, in code points: an emoji is one character and not two. */
export function maxCharacters(max: number) {
  const maxLength = v.maxLength<string, number, string>(max, `must have at most ${max} characters`)
  const run: (typeof maxLength)['~run'] = (dataset, config) =>
    dataset.typed && [...dataset.value].length <= max ? dataset : maxLength['~run'](dataset, config)
  return { ...maxLength, '~run': run }
}

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
