import * as v from 'valibot'

/** The kinds of schema that all features share. */

/** An object that has this name in the OpenAPI document. */
export const component = <const Entries extends v.ObjectEntries>(
  ref: string,
  entries: Entries,
): v.ObjectSchema<Entries, undefined> =>
  v.pipe(v.object(entries as v.ObjectEntries), v.metadata({ ref })) as never

/** Text of 1 to `max` characters that is not blank; stored trimmed. */
export const text = (max: number) =>
  v.pipe(v.string(), v.regex(/\S/, 'must not be blank'), maxCharacters(max), v.trim())

/** The text of a cell in a file. */
export const cell = (max: number) =>
  v.pipe(v.string(), v.trim(), v.check(hasNoNul, 'must not hold a NUL'), maxCharacters(max))
export const requiredCell = (max: number) => v.pipe(cell(max), v.nonEmpty('is required'))

/** SQLite's text functions stop at the first NUL, so a search could never find the text after it. */
const hasNoNul = (text: string): boolean => !text.includes('\0')

/** `maxLength` that counts as JSON Schema does, in code points: an emoji is one character and not two. */
export function maxCharacters(max: number) {
  const maxLength = v.maxLength<string, number, string>(max, `must have at most ${max} characters`)
  const run: (typeof maxLength)['~run'] = (dataset, config) =>
    dataset.typed && [...dataset.value].length <= max ? dataset : maxLength['~run'](dataset, config)
  return { ...maxLength, '~run': run }
}
