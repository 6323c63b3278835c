import * as v from 'valibot'

/** The fields that a schema knows, by name. Gathered once per schema, when its route is defined. */
export type Fields = ReadonlyMap<string, Field>

interface Field {
  isOptional: boolean
  /** What an absent field is parsed to, as canonical JSON. */
  absent: string | undefined
  /** Null is a value of its own. Where it is not, null in an optional field means the same as no field. */
  takesNull: boolean
  /** The fields of an object, or of the objects in a list. */
  fields: Fields
}

/** An object has entries, a wrapper another schema, a union options, a list an item. */
type Walked = v.GenericSchema & {
  entries?: Record<string, v.GenericSchema>
  wrapped?: v.GenericSchema
  options?: readonly unknown[]
  item?: v.GenericSchema
}

export const NO_FIELDS: Fields = new Map()

export function fieldsOf({ entries, wrapped, options, item }: Walked): Fields {
  const inner = wrapped ?? item
  if (inner) return fieldsOf(inner)
  if (options) return new Map(options.filter(isSchema).flatMap((option) => [...fieldsOf(option)]))
  if (!entries) return NO_FIELDS
  return new Map(Object.entries(entries).map(([name, schema]) => [name, fieldOf(schema)]))
}

/** The options of a picklist are values. */
const isSchema = (option: unknown): option is v.GenericSchema =>
  typeof option === 'object' && option !== null && '~run' in option

function fieldOf(schema: v.GenericSchema): Field {
  const fields = fieldsOf(schema)
  const absent = v.safeParse(schema, undefined)
  return {
    isOptional: absent.success,
    absent: JSON.stringify(canonical(absent.output, fields)),
    takesNull: v.safeParse(schema, null).success,
    fields,
  }
}

/**
 * One form for all inputs that mean the same: names in order, absent and default values left out. A field
 * that the schema gets later, with a default, changes no form. A list keeps its order.
 */
export function canonical(parsed: unknown, fields: Fields): unknown {
  if (Array.isArray(parsed)) return parsed.map((item) => canonical(item, fields))
  if (typeof parsed !== 'object' || parsed === null) return parsed
  const told: [string, unknown][] = []
  for (const [name, value] of Object.entries(parsed)) {
    const field = fields.get(name)
    const form = canonical(value, field?.fields ?? NO_FIELDS)
    if (form !== undefined && !(field?.isOptional && JSON.stringify(form) === field.absent))
      told.push([name, form])
  }
  return Object.fromEntries(told.sort(([a], [b]) => (a < b ? -1 : 1)))
}
