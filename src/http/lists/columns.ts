import type * as v from 'valibot'
import { type Cell, csvLines } from './csv-text'

/** A field of a row, as the path that leads to it: `working_hours.from`. */
type Path = readonly string[]

/** A wrapper has another schema, an object entries. */
type Walked = v.GenericSchema & { wrapped?: v.GenericSchema; entries?: Record<string, v.GenericSchema> }

/**
 * A list as CSV: a column for each field that the schema of a row has, in its order, whatever the rows hold.
 * A field of an object within is a column of its own; a list, or an object whose fields no schema knows, is
 * JSON in one cell. An absent field, null and a field of an absent object are empty cells.
 */
export function csvOf(row: v.GenericSchema, rows: readonly unknown[]): string {
  const columns = columnsOf(row)
  const header = columns.map((path) => path.join('.'))
  return csvLines([header, ...rows.map((each) => columns.map((path) => cellAt(each, path)))])
}

function columnsOf({ wrapped, entries }: Walked, path: Path = []): Path[] {
  if (wrapped) return columnsOf(wrapped, path)
  if (!entries) return [path]
  return Object.entries(entries).flatMap(([name, field]) => columnsOf(field, [...path, name]))
}

function cellAt(row: unknown, path: Path): Cell {
  const value = path.reduce<unknown>(
    (object, name) => (typeof object === 'object' && object !== null ? Reflect.get(object, name) : null),
    row,
  )
  if (value === null || value === undefined) return null
  return typeof value === 'string' || typeof value === 'number' ? value : JSON.stringify(value)
}
