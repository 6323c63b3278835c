import { and, eq, lt, type SQL, sql } from 'drizzle-orm'
import * as v from 'valibot'
import type { Db } from '../lib/db'
import { FOLDING, foldName } from '../lib/folding'
import { DAY_MS } from '../lib/time'
import { patients } from './model'

/**
 * Who is who. The same name on the same phone is the same patient. Only where people say that they share the
 * phone can two of them have one name, like father and son: then birth date, age and gender tell them apart.
 */

/** A whole number: then SQLite divides without a rest. */
const YEAR_MS = sql.raw(String(365.25 * DAY_MS))

/** What is said of a person, as SQL, and when (epoch ms). `gender` is folded. */
interface Said {
  age: SQL
  birthDate: SQL
  gender: SQL
  at: SQL
}

/** The same of a request or a record. */
export const saidOf = (said: {
  age: number | null
  birthDate: string | null
  genderFolded: string | null
  at: number
}): Said => ({
  age: sql`${said.age}`,
  birthDate: sql`${said.birthDate}`,
  gender: sql`${said.genderFolded}`,
  at: sql`${said.at}`,
})

/**
 * Whether the patient of `table` is another person. Two birth dates are equal or not. Beside one birth date
 * counts the age that it gives when the other's was said, and of two ages, that they grow by a year each
 * year: both may be one more or less, because an age is rounded. Genders may be written as one letter (`f`
 * for `female`). What was not said contradicts nothing.
 */
export function contradicts(table: 'p' | 'q' | 'patients', said: Said): SQL {
  const known = (column: string) => sql.raw(`${table}.${column}`)
  const [born, knownAt] = [known('birth_date'), sql.raw(`coalesce(${table}.age_at, ${table}.created_at)`)]
  return sql`(coalesce(CASE
      WHEN ${born} IS NOT NULL AND ${said.birthDate} IS NOT NULL THEN ${born} <> ${said.birthDate}
      WHEN ${born} IS NOT NULL THEN abs(${ageAt(said.at, born)} - ${said.age}) > 1
      WHEN ${said.birthDate} IS NOT NULL THEN abs(${ageAt(knownAt, said.birthDate)} - ${known('age')}) > 1
      ELSE abs(${known('age')} - ${said.age}) > 1 + abs(${said.at} - ${knownAt}) / ${YEAR_MS} END, 0)
    OR ${otherGender(known('gender_folded'), said.gender)})`
}

/** The age at an instant (epoch ms), in UTC. */
const ageAt = (at: SQL, born: SQL): SQL => {
  const date = sql`date(${at} / 1000, 'unixepoch')`
  return sql`(substr(${date}, 1, 4) - substr(${born}, 1, 4) - (substr(${date}, 5) < substr(${born}, 5)))`
}

/** Whether two folded genders differ; not if one is missing. */
export const otherGender = (one: SQL, other: SQL): SQL => sql`coalesce(${one} <> ${other}
  AND NOT (substr(${one}, 1, 1) = substr(${other}, 1, 1) AND min(length(${one}), length(${other})) = 1), 0)`

/** As `otherGender`. */
export function isOtherGender(one: string | null, other: string | null): boolean {
  const [a, b] = [foldGender(one) ?? '', foldGender(other) ?? '']
  return a !== b && !(a[0] === b[0] && Math.min(a.length, b.length) === 1)
}

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
