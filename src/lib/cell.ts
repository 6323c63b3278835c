import * as v from 'valibot'
import { maxCharacters } from './text'

/** What a cell of a file may hold. */

export const cell = (max: number) =>
  v.pipe(v.string(), v.trim(), v.check(hasNoNul, 'must not hold a NUL'), maxCharacters(max))
export const requiredCell = (max: number) => v.pipe(cell(max), v.nonEmpty('is required'))

/** SQLite's text functions stop at the first NUL, so what follows it could never be found again. */
const hasNoNul = (text: string): boolean => !text.includes('\0')
