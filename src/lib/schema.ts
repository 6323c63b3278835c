import * as v from 'valibot'
import { composed, TEXTS, type TextKind, textFault, tidy } from './text'

/** The kinds of schema that all features share. */

/** An object that has this name in the OpenAPI document. */
export const component = <const Entries extends v.ObjectEntries>(
  ref: string,
  entries: Entries,
): v.ObjectSchema<Entries, undefined> =>
  v.pipe(v.object(entries as v.ObjectEntries), v.metadata({ ref })) as never

/** A line of 1 to `max` characters that is not blank; stored trimmed, in NFC. */
export const text = (max: number) => textOf('line', max)
/** As `text`, but it may have several lines. */
export const lines = (max: number) => textOf('lines', max)

const textOf = (kind: TextKind, max: number) =>
  v.pipe(v.string(), maxCharacters(max), safeText(kind), tidied())

/**
 * A list of `min` to `max` items. Its length is checked before its items: each bad item would otherwise be a
 * fault of its own, and a body of 1 MB has a quarter of a million.
 */
export function list<const Item extends v.GenericSchema>(item: Item, max: number, what: string, min = 1) {
  const items = v.array(item)
  const run: (typeof items)['~run'] = (dataset, config) =>
    Array.isArray(dataset.value) && dataset.value.length > max
      ? { typed: true, value: dataset.value as v.InferOutput<Item>[] }
      : items['~run'](dataset, config)
  return v.pipe(
    { ...items, '~run': run },
    v.minLength(min, `must name at least one ${what}`),
    v.maxLength(max, `must name at most ${max} ${what}s`),
  )
}

/** A note: it may have several lines, be empty, or be left out. Stored as it is written, in NFC. */
export const note = (max: number) =>
  v.nullish(v.pipe(v.string(), maxCharacters(max), safeText('optionalLines'), v.transform(composed)), null)

/** The text of a cell in a file: one line, and after `requiredCell` not an empty one. */
export const cell = (max: number) => cellOf('optionalLine', max)
export const requiredCell = (max: number) => v.pipe(cell(max), v.nonEmpty('is required'))
/** As `cell`, but it may have several lines. */
export const linesCell = (max: number) => cellOf('optionalLines', max)
/** As `requiredCell`, but it may have several lines. */
export const requiredLinesCell = (max: number) => v.pipe(linesCell(max), v.nonEmpty('is required'))

const cellOf = (kind: TextKind, max: number) =>
  v.pipe(v.string(), safeText(kind), tidied(), maxCharacters(max))

/** Trims as `tidy` does. In JSON Schema it is `trim`. */
export function tidied() {
  const trim = v.trim()
  const run: (typeof trim)['~run'] = (dataset) => ({ ...dataset, value: tidy(dataset.value) })
  return { ...trim, '~run': run }
}

/** Refuses what `textFault` names; in JSON Schema a pattern. */
export const safeText = (kind: TextKind) =>
  v.regex<string, (issue: v.RegexIssue<string>) => string>(
    TEXTS[kind],
    ({ input }) => textFault(input, kind) ?? '',
  )

/**
 * Takes away what shows nothing, then does as `safeText`: a number that is copied from a page or an address
 * book has marks of direction around it.
 */
export function seenText(kind: TextKind) {
  const safe = safeText(kind)
  const run: (typeof safe)['~run'] = (dataset, config) =>
    safe['~run'](
      { ...dataset, value: String(dataset.value).replace(INVISIBLE, '') } as typeof dataset,
      config,
    )
  return { ...safe, '~run': run }
}

const INVISIBLE = /\p{Default_Ignorable_Code_Point}/gu

/** `maxLength` that counts as JSON Schema does, in code points: an emoji is one character and not two. */
export function maxCharacters(max: number) {
  const maxLength = v.maxLength<string, number, string>(max, `must have at most ${max} characters`)
  // A text of more than twice `max` code units is too long whatever it holds: it need not be counted.
  const fits = (text: string) => text.length <= max || (text.length <= 2 * max && [...text].length <= max)
  const run: (typeof maxLength)['~run'] = (dataset, config) =>
    dataset.typed && fits(dataset.value) ? dataset : maxLength['~run'](dataset, config)
  return { ...maxLength, '~run': run }
}
