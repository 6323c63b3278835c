import { sha256 } from '../lib/crypto'
import type { Fingerprint } from '../once'
import { canonical, type Fields } from './input/fields'

/** Until 28 November 2026 a fingerprint held each default that its schema had then: at most this many. */
const DEFAULTS_MAX = 6

/**
 * What a request asks for: its method, its path and its parsed input, in the one form of `canonical`.
 * `earlier`: the forms that the input had in an earlier version.
 */
export function fingerprintOf(
  { method, path }: { method: string; path: string },
  input: unknown,
  fields: Fields,
  earlier = () => earlierForms(input, fields),
): Fingerprint {
  const hash = (form: unknown) => sha256(JSON.stringify([method, path, form]))
  return { current: hash(canonical(input, fields)), earlier: () => earlier().map(hash) }
}

/**
 * The forms in which an earlier version may have claimed the key of this request: the input in the order of
 * its schema, with each of its default values or without, because that version may not have known the field.
 */
function earlierForms(input: unknown, fields: Fields): unknown[] {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return [input]
  const isDefault = ([name, value]: [string, unknown]) =>
    value !== undefined && fields.get(name)?.absent === JSON.stringify(value)
  const entries = Object.entries(input)
  const defaults = entries.filter(isDefault).slice(0, DEFAULTS_MAX)
  return Array.from({ length: 2 ** defaults.length }, (_, bits) => {
    const unknown = new Set(defaults.filter((_, n) => bits & (1 << n)).map(([name]) => name))
    return Object.fromEntries(entries.filter(([name]) => !unknown.has(name)))
  })
}
