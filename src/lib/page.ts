import * as v from 'valibot'
import { loneSurrogateIn } from './text'

export const PAGE_MAX = 1_000

/** The longest sort key of any list needs a tenth of this. */
const CURSOR_CHARACTERS_MAX = 1_000

/** A page: its rows, and the cursor of the next page (null on the last page). */
export interface Page<Row> {
  rows: Row[]
  next: string | null
}

/** `?limit=`: a whole number from 1. More than PAGE_MAX means PAGE_MAX: older clients ask for 5,000. */
export const limit = (standard: number) =>
  v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\d{1,15}$/, 'must be a whole number from 1'),
      v.transform(Number),
      v.minValue(1, 'must be a whole number from 1'),
      v.transform((wanted) => Math.min(wanted, PAGE_MAX)),
    ),
    String(standard),
  )

const NO_CURSOR = 'must be a cursor that this list returned'

/** `?cursor=`: the sort key of the last row seen, as `cutPage` wrote it. Opaque to clients. */
export const cursor = <const Parts extends v.TupleItems>(...parts: Parts) => {
  const sortKey = v.strictTuple(parts)
  return v.optional(
    v.pipe(
      v.string(),
      v.maxLength(CURSOR_CHARACTERS_MAX, NO_CURSOR),
      v.rawTransform(({ dataset, addIssue, NEVER }) => {
        const read = v.safeParse(sortKey, readCursor(dataset.value))
        if (read.success) return read.output
        addIssue({ message: NO_CURSOR })
        return NEVER
      }),
    ),
  )
}

/** Removes the row that was read beyond `size`; if there is one, another page follows. */
export function cutPage<Row>(rows: Row[], size: number, sortKey: (row: Row) => unknown[]): Page<Row> {
  const page = rows.slice(0, size)
  const last = page.at(-1)
  return { rows: page, next: last !== undefined && rows.length > size ? writeCursor(sortKey(last)) : null }
}

export const writeCursor = (sortKey: unknown[]): string =>
  Buffer.from(JSON.stringify(sortKey)).toString('base64url')

/** Null for a text that `writeCursor` cannot have written, like the number 1e999 or half of a character. */
function readCursor(cursor: string): unknown {
  try {
    const sortKey = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    return writeCursor(sortKey) === cursor && loneSurrogateIn(sortKey) === null ? sortKey : null
  } catch {
    return null
  }
}
