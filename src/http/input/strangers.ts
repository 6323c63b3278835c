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
  if (fields.size === 0 || typeof value !== 'object' || value === null) return value
  if (!Array.isArray(value)) return keepKnown(value, fields, path, strangers)
  return value.map((item, n) => inner(item, fields, `${path}${n}.`, strangers))
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
    .map((known) => ({ known, distance: distanceOf(letters(name), letters(known)) }))
    .filter(({ known, distance }) => isNear(letters(name), letters(known), distance))
    .sort((a, b) => a.distance - b.distance)
  return near[0] ? path + near[0].known : null
}

/** `sharedPhone`, `Shared-Phone` and `shared_phone` are the same letters. */
const letters = (name: string): string =>
  name
    .normalize('NFKD')
    .replace(/[^\p{L}\p{N}]/gu, '')
    .toLowerCase()

/** The shorter a name, the more names are near to it by chance: `at` is not `to`, and `sage` is not `age`. */
function isNear(sent: string, known: string, distance: number): boolean {
  if (distance === 0) return true
  const beginsAlike = sent[0] === known[0] || (sent[0] === known[1] && sent[1] === known[0])
  if (known.length < 3) return false
  if (known.length < 5) return distance === 1 && beginsAlike
  if (known.length < 6) return distance === 1
  return distance === 1 || (distance === 2 && (beginsAlike || known.length > 7))
}

/** How many letters must be added, left out, replaced or exchanged with their neighbour. */
function distanceOf(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return Number.POSITIVE_INFINITY
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i += 1) {
    const [last = [], beforeLast = []] = [rows[i - 1], rows[i - 2]]
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = at(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const isExchanged = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const exchanged = isExchanged ? at(beforeLast, j - 2) + 1 : replaced
      row.push(Math.min(at(last, j) + 1, at(row, j - 1) + 1, replaced, exchanged))
    }
    rows.push(row)
  }
  return at(rows.at(-1) ?? [], b.length)
}

const at = (row: number[], index: number): number => row[index] ?? Number.POSITIVE_INFINITY
