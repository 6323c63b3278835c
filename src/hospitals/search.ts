import { type SQL, sql } from 'drizzle-orm'
import { foldedBefore, foldName } from '../lib/folding'
import { hospitals } from './model'

/**
 * The index of the search: `hospitals_search`, an FTS5 table that triggers keep in step with `hospitals`
 * (migrations/). It holds the trigrams of `folded` and, as one more trigram, the clinic: so of other clinics
 * nothing is read. It says where the trigrams of a word occur, and `occurs` whether the word does.
 */

/** A longer list of trigrams would make no search faster. */
const TRIGRAMS_MAX = 24

/**
 * Rows that the index may find. Words that occur more often are dense: reading in order finds them sooner.
 */
export const FOUND_MAX = 1_000

/** The words that are searched, each only once; a second list where older rows spell them otherwise. */
export function wordsOf(text: string): string[][] {
  const spellings = new Set([foldName(text), foldedBefore(text)])
  return [...spellings].map((spelling) => [...new Set(spelling.split(' '))].filter(Boolean))
}

/** No LIKE: D1 allows patterns of 50 bytes only, and % and _ in a caller’s word are not wildcards. */
export const occurs = (spellings: string[][]): SQL => {
  const each = spellings.map(
    (words) => sql`NOT EXISTS (SELECT 1 FROM json_each(${JSON.stringify(words)})
      WHERE instr(${hospitals.folded}, value) = 0)`,
  )
  return sql`(${sql.join(each, sql` OR `)})`
}

/**
 * The rows that the index finds, at most one more than FOUND_MAX. Null for words that are too short for it.
 */
export function indexed(clinicId: string, spellings: string[][]): SQL | null {
  const trigrams = spellings.map((words) => [...new Set(words.flatMap(trigramsOf))].slice(0, TRIGRAMS_MAX))
  if (trigrams.some((list) => list.length === 0)) return null
  const wanted = trigrams.map((list) => `(${list.map(quoted).join(' AND ')})`).join(' OR ')
  return sql`(SELECT rowid FROM hospitals_search WHERE hospitals_search MATCH
    (SELECT '"' || ${CLINIC_AS_TRIGRAM} || '" AND (' || ${wanted} || ')' FROM clinics WHERE id = ${clinicId})
    LIMIT ${FOUND_MAX + 1})`
}

/** Three characters that no language uses, made of the clinic’s number; the triggers write the same. */
const CLINIC_AS_TRIGRAM = sql.raw(
  'char(57344 + rowid % 6400, 57344 + rowid / 6400 % 6400, 57344 + rowid / 40960000 % 6400)',
)

function trigramsOf(word: string): string[] {
  const characters = [...word]
  return characters.slice(2).map((_, index) => characters.slice(index, index + 3).join(''))
}

const quoted = (trigram: string): string => `"${trigram.replaceAll('"', '""')}"`
