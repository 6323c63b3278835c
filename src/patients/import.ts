import { type SQL, sql } from 'drizzle-orm'
import * as v from 'valibot'
import { type Kind, rowContext } from '../imports/kind'
import { newRecordId } from '../imports/model'
import { PhoneText, phoneFault, toE164 } from '../lib/phone'
import { cell, linesCell, requiredCell, seenText, tidied } from '../lib/schema'
import { yearsBetween } from '../lib/time'
import { BIRTH_RULES, wrongBirth } from './birth'
import { contradicts, foldedCells, otherGender, refold, refoldRows, selectOutdated } from './identity'
import { AGE_MAX, AGE_RULE, BirthDate, Email, Language, NOTES_CHARACTERS_MAX, patients } from './model'
import { readsNotes } from './shown'

export const PATIENT_WORDS = {
  records: 'patients',
  statusPath: '/api/v1/patients/bulk/',
  created: ['created', 'created'],
  /** `duplicate_in_directory`: the patient was already registered, and the record was not changed. */
  reasons: ['duplicate_in_file', 'duplicate_in_directory', 'phone_in_use', 'invalid'],
  activationPath: null,
  whose: 'ours',
} as const

/**
 * Patients as a kind of import, with the rules of `registerPatient`: the same name on the same phone is the
 * same patient, unless a row with `shared_phone` has another birth date, age or gender; another name on a
 * known phone needs `shared_phone`. In a file the first row with a phone owns it, and the first row of a
 * patient counts, in any order of chunks. A file has no identifiers.
 */
export const PATIENTS: Kind<PatientRow> = {
  name: 'patients',
  columns: [
    { name: 'name', isRequired: true },
    { name: 'phone', isRequired: true },
    { name: 'age', isRequired: false, json: 'number' },
    { name: 'gender', isRequired: false },
    { name: 'email', isRequired: false },
    { name: 'shared_phone', isRequired: false, json: 'boolean' },
    { name: 'birth_date', isRequired: false },
    { name: 'language', isRequired: false },
    { name: 'notes', isRequired: false },
    { name: 'contact_ok', isRequired: false, json: 'boolean' },
  ],
  row(ctx) {
    const { country, today } = rowContext(ctx)
    return patientRow(country, today)
  },
  stage(row, { country, today }) {
    const phone = toE164(row.phone, country)
    const { identity, ...folded } = foldedCells(row, phone)
    const known_age = row.birth_date === null ? row.age : yearsBetween(row.birth_date, today)
    return { cells: { ...row, phone, known_age, ...folded }, identity }
  },
  async prepare(db, { clinicId, rows }) {
    await refoldRows(db, rows)
    const phones = sql`(SELECT r.cells->>'phone' FROM staged_rows r WHERE ${rows})`
    const outdated = await selectOutdated(db, clinicId, phones)
    if (outdated.length > 0) await refold(db, clinicId, outdated)
  },
  commit(db, { clinicId, rows, isLeased, now }) {
    const owner = (more = sql``) => sql`EXISTS (SELECT 1 FROM patients p
      WHERE p.clinic_id = ${clinicId} AND p.phone_owner = t.phone ${more})`
    return {
      statement: db
        .insert(patients)
        .select(sql`
          SELECT t.id, ${clinicId}, t.cells->>'name', t.folded, t.phone,
            CASE WHEN t.place > 1 THEN NULL
              WHEN t.is_shared AND ${owner()} THEN NULL
              WHEN ${owner(IS_LATER_SHARING_ROW)} THEN NULL
              ELSE t.phone END,
            ${SAID_AGE}, t.cells->>'gender', t.cells->>'email', ${now}, t.job_id,
            t.cells->>'gender_folded', t.cells->>'folding', t.namesake + coalesce((SELECT max(p.namesake) + 1
              FROM patients p WHERE p.clinic_id = ${clinicId} AND p.phone = t.phone
                AND p.name_folded = t.folded), 0), 1, NULL,
            t.cells->>'birth_date', iif(${SAID_AGE} IS NULL, NULL, ${now}), t.cells->>'language',
            t.cells->>'notes', t.cells->>'contact_ok', NULL
          FROM (SELECT ${newRecordId('r')} AS id, r.job_id, r.row, r.cells, r.cells->>'phone' AS phone,
              r.cells->>'shared_phone' AS is_shared, r.cells->>'folded' AS folded,
              row_number() OVER (PARTITION BY r.cells->>'phone' ORDER BY r.row) AS place,
              row_number() OVER (PARTITION BY r.identity ORDER BY r.row) - 1 AS namesake
            FROM staged_rows r
            WHERE ${rows} AND NOT ${repeats('r')} AND NOT ${isKnown('r', clinicId, now)} AND ${isLeased}
              AND (r.cells->>'shared_phone' OR NOT ${isPhoneOnEarlierRow('r')})) t
          WHERE true
          ORDER BY t.row`)
        .onConflictDoNothing(),
      isCreated: sql`EXISTS (SELECT 1 FROM patients p
        WHERE p.clinic_id = ${clinicId} AND p.id = ${newRecordId('staged_rows')})`,
      reason: sql`CASE WHEN ${repeats('staged_rows')} THEN 'duplicate_in_file'
        WHEN ${isKnown('staged_rows', clinicId, now)} THEN 'duplicate_in_directory' ELSE 'phone_in_use' END`,
    }
  },
  repeats: () => repeats('staged_rows'),
  isKnown: (clinicId, now) => isKnown('staged_rows', clinicId, now),
  conflict: (clinicId) => ({
    exists: sql`NOT staged_rows.cells->>'shared_phone' AND (${isPhoneOnEarlierRow('staged_rows')}
      OR EXISTS (SELECT 1 FROM patients p
        WHERE p.clinic_id = ${clinicId} AND p.phone_owner = staged_rows.cells->>'phone'))`,
    field: 'phone',
    rule: 'unique',
    sentence: 'is the phone of another patient; where both have it, set shared_phone to true',
  }),
  hidden: (ctx) => (readsNotes(ctx) ? [] : ['notes']),
  title: 'name',
  recordId: newRecordId('staged_rows'),
}

const SAID_AGE = sql.raw(`iif(t.cells->>'birth_date' IS NULL, t.cells->>'age', NULL)`)

type StagedAs = 'r' | 'staged_rows'

/**
 * Two rows of one file were said at one time, so their birth dates are equal, or where one has none, their
 * ages differ by one at most. Rows that were staged by an earlier version have no `known_age`. A row that
 * shares the phone is compared with the rows that may be patients: the first of the name, and those that
 * share it too.
 */
function repeats(row: StagedAs): SQL {
  const cell = (name: string) => sql.raw(`${row}.cells->>'${name}'`)
  const earlier = (name: string) => sql.raw(`e.cells->>'${name}'`)
  return sql`EXISTS (SELECT 1 FROM staged_rows e
    WHERE e.job_id = ${sql.raw(row)}.job_id AND e.identity = ${sql.raw(row)}.identity
      AND e.row < ${sql.raw(row)}.row AND NOT (${cell('shared_phone')} AND (${IS_NO_PATIENT}
        OR coalesce(${earlier('birth_date')} <> ${cell('birth_date')}, abs(${knownAge('e')}
          - ${knownAge(row)}) > 1, 0)
          OR ${otherGender(earlier('gender_folded'), cell('gender_folded'))})))`
}

const knownAge = (row: 'e' | StagedAs): SQL =>
  sql.raw(`coalesce(${row}.cells->>'known_age', ${row}.cells->>'age')`)

/** As `registerPatient` finds who is known. A later row of the file is only another row of its own. */
function isKnown(row: StagedAs, clinicId: string, now: number): SQL {
  const cell = (name: string) => sql.raw(`${row}.cells->>'${name}'`)
  const isOther = contradicts('p', {
    age: cell('age'),
    birthDate: cell('birth_date'),
    gender: cell('gender_folded'),
    at: sql`${now}`,
  })
  const isLater = sql.raw(`p.op_id = ${row}.job_id AND ${ROW_OF_PATIENT} > ${row}.row`)
  return sql`EXISTS (SELECT 1 FROM patients p WHERE p.clinic_id = ${clinicId}
    AND p.phone = ${cell('phone')} AND p.name_folded = ${cell('folded')}
    AND NOT ((${cell('shared_phone')} OR ${isLater}) AND ${isOther}))`
}

const IS_NO_PATIENT = sql.raw(`NOT e.cells->>'shared_phone' AND EXISTS (SELECT 1 FROM staged_rows f
  WHERE f.job_id = e.job_id AND f.identity = e.identity AND f.row < e.row)`)

const ROW_OF_PATIENT = 'CAST(substr(p.id, length(p.op_id) + 2) AS INTEGER)'

/**
 * Chunks run in any order, so a later row that shares the phone may own it before its first row in the file
 * runs. Then that first row is still created. It is refused if the owner does not share the phone, which
 * happens if a repair gave the first row this phone.
 */
const IS_LATER_SHARING_ROW =
  sql.raw(`AND p.op_id = t.job_id AND (SELECT s.cells->>'shared_phone' FROM staged_rows s
  WHERE s.job_id = t.job_id AND s.row = ${ROW_OF_PATIENT})`)

/** Identities start with the phone and a line break, so the rows of a phone are a range of the index. */
const isPhoneOnEarlierRow = (row: StagedAs) =>
  sql.raw(`EXISTS (SELECT 1 FROM staged_rows e
  WHERE e.job_id = ${row}.job_id AND e.row < ${row}.row
    AND e.identity > (${row}.cells->>'phone') || char(10)
    AND e.identity < (${row}.cells->>'phone') || char(11))`)

const orNull = (text: string): string | null => text || null

/** A cell with the rule of a field of `NewPatient`; an empty cell is an absent value. */
const ruledCell = <const Schema extends v.GenericSchema<string, string>>(schema: Schema) =>
  v.pipe(
    cell(200),
    v.rawTransform(({ dataset, addIssue, NEVER }): string | null => {
      if (dataset.value === '') return null
      const { success, output, issues } = v.safeParse(schema, dataset.value)
      if (success) return output
      addIssue({ message: issues[0].message })
      return NEVER
    }),
  )

const IS_BOOLEAN = /^(true|false|)$/i
const BOOLEAN_RULE = 'must be true or false'
const booleanCell = v.pipe(cell(200), v.regex(IS_BOOLEAN, BOOLEAN_RULE))
const isTrue = (text: string): boolean => text.toLowerCase() === 'true'

/** The rules of NewPatient for text cells. */
const patientRow = (country: string, today: string) =>
  v.pipe(
    v.object({
      name: requiredCell(200),
      phone: v.pipe(
        v.string(),
        seenText('optionalLine'),
        tidied(),
        v.nonEmpty('is required'),
        PhoneText,
        v.check(
          (phone) => toE164(phone, country) !== null,
          ({ input }) => phoneFault(input),
        ),
      ),
      age: v.pipe(
        cell(200),
        v.check((age) => age === '' || (/^\d{1,3}$/.test(age) && Number(age) <= AGE_MAX), AGE_RULE),
        v.transform((age) => (age === '' ? null : Number(age))),
      ),
      gender: v.pipe(cell(50), v.transform(orNull)),
      email: v.pipe(
        cell(254),
        v.check((email) => email === '' || v.is(Email, email), 'must be an e-mail address'),
        v.transform((email) => (email === '' ? null : v.parse(Email, email))),
      ),
      shared_phone: v.pipe(booleanCell, v.transform(isTrue)),
      birth_date: ruledCell(BirthDate),
      language: ruledCell(Language),
      notes: v.pipe(linesCell(NOTES_CHARACTERS_MAX), v.transform(orNull)),
      contact_ok: v.pipe(
        booleanCell,
        v.transform((text) => (text === '' ? null : isTrue(text))),
      ),
    }),
    v.forward(
      v.check((row) => wrongBirth(row, today) !== 'birth_date', BIRTH_RULES.birth_date),
      ['birth_date'],
    ),
    v.forward(
      v.check((row) => wrongBirth(row, today) !== 'age', BIRTH_RULES.age),
      ['age'],
    ),
  )
type PatientRow = v.InferOutput<ReturnType<typeof patientRow>>
