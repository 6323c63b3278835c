import { and, eq, lt, type SQL, sql } from 'drizzle-orm'
import * as v from 'valibot'
import type { Db } from '../lib/db'
import { FOLDING, foldName } from '../lib/folding'
import { DAY_MS } from '../lib/time'
import { patients } from './model'

/**
 * Who is who. The same name on the same phone is the same patient. Only where people say that they share the
 * phone can two of them have one name, like father and son: then age and gender tell them apart.
 */

/** A whole number: then SQLite divides without a rest. */
const YEAR_MS = sql.raw(String(365.25 * DAY_MS))

/** What was said of a person, as SQL. `gender` is folded. */
interface Said {
  age: SQL
  gender: SQL
  now: number
}

/**
 * Whether the patient of `table` is another person. An age grows by a year each year, and by one more because
 * it was rounded. Genders may be written as one letter (`f` for `female`). What was not said contradicts
 * nothing.
 */
export function contradicts(table: 'p' | 'q' | 'patients', { age, gender, now }: Said): SQL {
  const known = (column: string) => sql.raw(`${table}.${column}`)
  return sql`(coalesce(abs(${known('age')} - ${age}) > 1 + (${now} - ${known('created_at')}) / ${YEAR_MS}, 0)
    OR ${otherGender(known('gender_folded'), gender)})`
}

/** Whether two folded genders differ; not if one is missing. */
export const otherGender = (one: SQL, other: SQL): SQL => sql`coalesce(${one} <> ${other}
  AND NOT (substr(${one}, 1, 1) = substr(${other}, 1, 1) AND min(length(${one}), length(${other})) = 1), 0)`

export const foldGender = (gender: string | null): string | null => gender && foldName(gender)

/**
 * Patients whose names were folded by an older rule. SQL cannot fold, so such a row equals no new spelling.
 */
export const selectOutdated = (db: Db, clinicId: string, phones: SQL) =>
  db
    .select({ id: patients.id, name: patients.name, gender: patients.gender })
    .from(patients)
    .where(
      and(
        eq(patients.clinicId, clinicId),
        lt(patients.folding, sql.raw(String(FOLDING))),
        sql`${patients.phone} IN ${phones}`,
      ),
    )

export type Outdated = Awaited<ReturnType<typeof selectOutdated>>

/**
 * Folds their names by the rule of today. Names that are equal now and were not before stay two patients: all
 * of a phone are renumbered behind its highest `namesake`, because a statement checks uniqueness row by row.
 */
export async function refold(db: Db, clinicId: string, outdated: Outdated): Promise<void> {
  const folded = outdated.map(({ id, name, gender }) => [id, foldName(name), foldGender(gender)])
  const highest = sql`(SELECT max(q.namesake) FROM patients q
    WHERE q.clinic_id = ${clinicId} AND q.phone = patients.phone)`
  await db.run(sql`
    UPDATE patients SET name_folded = n.value->>1, gender_folded = n.value->>2, folding = ${FOLDING},
      namesake = ${highest} + 1 + n.key
    FROM json_each(${JSON.stringify(folded)}) n
    WHERE patients.id = n.value->>0 AND patients.clinic_id = ${clinicId} AND folding < ${FOLDING}`)
}

/** What is stored of a row beside its cells, and what the row is compared by. */
export function foldedCells({ name, gender }: { name: string; gender: string | null }, phone: string | null) {
  const folded = foldName(name)
  const cells = { folded, gender_folded: foldGender(gender), folding: FOLDING }
  return { ...cells, identity: `${phone}\n${folded}` }
}

/** Rows that were staged before the rule changed. `rows` selects them as `r`. */
export async function refoldRows(db: Db, rows: SQL): Promise<void> {
  const outdated = await db.all<{ job_id: string; row: number; cells: string }>(sql`
    SELECT r.job_id, r.row, r.cells FROM staged_rows r
    WHERE ${rows} AND coalesce(r.cells->>'folding', 1) < ${FOLDING}`)
  if (outdated.length === 0) return
  const folded = outdated.map(({ job_id, row, cells }) => {
    const person = v.parse(StagedPerson, JSON.parse(cells))
    const { identity, ...more } = foldedCells(person, person.phone)
    return [job_id, row, JSON.stringify({ ...person, ...more }), identity]
  })
  await db.run(sql`
    UPDATE staged_rows SET cells = n.value->>2, identity = n.value->>3
    FROM json_each(${JSON.stringify(folded)}) n
    WHERE staged_rows.job_id = n.value->>0 AND staged_rows.row = n.value->>1`)
}

const StagedPerson = v.looseObject({ name: v.string(), gender: v.nullable(v.string()), phone: v.string() })
