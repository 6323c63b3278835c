import { nearness } from '../../lib/near'
import type { Fields } from './fields'

/**
 * Whose route it is. On `ours` an unknown field is refused. On the `contract`’s it is ignored, because old
 * clients send some, unless it looks like a misspelt field that is absent.
 */
export type Whose = 'ours' | 'contract'

/** A field of the input that the schema does not know. Its `name` is a path, and safe to repeat. */
export interface Stranger {
  name: string
  /** The path of the known field that was probably meant; it is absent in the input. */
  meant: string | null
}

/** More unknown fields than this are ignored or refused without a look at their names. */
const JUDGED_MAX = 100
const NAME_CHARACTERS_MAX = 40

/** Sorts an input: `known` fields, without those nulls that mean the same as no field, and unknown ones. */
export function sortFields(input: object, fields: Fields): { known: object; strangers: Stranger[] } {
  const strangers: Stranger[] = []
  return { known: keepKnown(input, fields, '', strangers), strangers }
}

function keepKnown(input: object, fields: Fields, path: string, strangers: Stranger[]): object {
  const known: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(input)) {
    const field = fields.get(name)
    if (field === undefined) {
      if (strangers.length < JUDGED_MAX)
        strangers.push({ name: path + safe(name), meant: meantBy(name, input, fields, path) })
    } else if (value !== null || field.takesNull || !field.isOptional)
      known[name] = inner(value, field.fields, `${path}${name}.`, strangers)
  }
  return known
}

function inner(value: unknown, fields: Fields, path: string, strangers: Stranger[]): unknown {
  if (fields.size === 0 || !Array.isArray(value)) return withKnown(value, fields, path, strangers)
  return value.map((item, n) => withKnown(item, fields, `${path}${n}.`, strangers))
}

/** A list within a list, which no schema has, is left to the schema to refuse. */
function withKnown(value: unknown, fields: Fields, path: string, strangers: Stranger[]): unknown {
  if (fields.size === 0 || typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return keepKnown(value, fields, path, strangers)
}

/** A name can hold anything: line breaks, which would forge a header, or a text of a megabyte. */
const safe = (name: string): string => {
  const shown = name.slice(0, NAME_CHARACTERS_MAX).replace(/[^A-Za-z0-9_.-]/g, '?')
  return shown.length < name.length ? `${shown}...` : shown
}

function meantBy(name: string, input: object, fields: Fields, path: string): string | null {
  if (name.length > NAME_CHARACTERS_MAX) return null
  const near = [...fields.keys()]
    .filter((known) => Reflect.get(input, known) == null)
    .flatMap((known) => {
      const distance = nearness(name, known)
      return distance === null ? [] : [{ known, distance }]
    })
    .sort((a, b) => a.distance - b.distance)
  return near[0] ? path + near[0].known : null
}
