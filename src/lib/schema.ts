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
  v.pipe(v.string(), maxCharacters(max), v.regex(/\S/, 'must not be blank'), v.trim())

/**
 * A list of 1 to `max` items. Its length is checked before its items: each bad item would otherwise be a
 * fault of its own, and a body of 1 MB has a quarter of a million.
 */
export function list<const Item extends v.GenericSchema>(item: Item, max: number, what: string) {
  const items = v.array(item)
  const run: (typeof items)['~run'] = (dataset, config) =>
    Array.isArray(dataset.value) && dataset.value.length > max
      ? { typed: true, value: dataset.value as v.InferOutput<Item>[] }
      : items['~run'](dataset, config)
  return v.pipe(
    { ...items, '~run': run },
    v.minLength(1, `must name at least one ${what}`),
    v.maxLength(max, `must name at most ${max} ${what}s`),
  )
}

/** The text of a cell in a file. */
export const cell = (max: number) =>
  v.pipe(v.string(), v.trim(), v.check(hasNoNul, 'must not hold a NUL'), maxCharacters(max))
export const requiredCell = (max: number) => v.pipe(cell(max), v.nonEmpty('is required'))

/** SQLite's text functions stop at the first NUL, so a search could never find the text after it. */
const hasNoNul = (text: string): boolean => !text.includes('\0')

/** `maxLength` that counts as JSON Schema does, in code points: an emoji is one character and not two. */
export function maxCharacters(max: number) {
  const maxLength = v.maxLength<string, number, string>(max, `must have at most ${max} characters`)
  // A text of more than twice `max` code units is too long whatever it holds: it need not be counted.
  const fits = (text: string) => text.length <= max || (text.length <= 2 * max && [...text].length <= max)
  const run: (typeof maxLength)['~run'] = (dataset, config) =>
    dataset.typed && fits(dataset.value) ? dataset : maxLength['~run'](dataset, config)
  return { ...maxLength, '~run': run }
}
