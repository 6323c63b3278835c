import { sql } from 'drizzle-orm'
import * as v from 'valibot'
import type { Kind } from '../imports/kind'
import { newRecordId, repeatsEarlierRow } from '../imports/model'
import { PhoneText, toE164 } from '../lib/phone'
import { cell, requiredCell } from '../lib/schema'
import { foldName } from '../lib/text'
import { AGE_MAX, AGE_RULE, Email, patients } from './model'

export const PATIENT_WORDS = {
  records: 'patients',
  statusPath: '/api/v1/patients/bulk/',
  created: ['created', 'created'],
  /** `duplicate_in_directory`: the patient was already registered, and the record was not changed. */
  reasons: ['duplicate_in_file', 'duplicate_in_directory', 'phone_in_use', 'invalid'],
  activationPath: null,
} as const

/**
 * Patients as a kind of import, with the rules of `registerPatient`: the same name on the same phone is the
 * same patient; another name on a known phone needs `shared_phone`. In a file the first row with a phone owns
 * it, and the first row of a patient counts, in any order of chunks.
 */
export const PATIENTS: Kind<PatientRow> = {
  name: 'patients',
  columns: [
    { name: 'name', isRequired: true },
    { name: 'phone', isRequired: true },
    { name: 'age', isRequired: false },
    { name: 'gender', isRequired: false },
    { name: 'email', isRequired: false },
    { name: 'shared_phone', isRequired: false },
  ],
  row: ({ country }) => patientRow(country),
  stage(row, { country }) {
    const phone = toE164(row.phone, country)
    const folded = foldName(row.name)
    return { cells: { ...row, phone, folded }, identity: `${phone}\n${folded}` }
  },
  commit(db, { clinicId, rows, isLeased, now }) {
    const owner = (more = sql``) => sql`EXISTS (SELECT 1 FROM patients p
      WHERE p.clinic_id = ${clinicId} AND p.phone_owner = t.phone ${more})`
    return {
      statement: db
        .insert(patients)
        .select(sql`
          SELECT t.id, ${clinicId}, t.cells->>'name', t.cells->>'folded', t.phone,
            CASE WHEN t.place > 1 THEN NULL
              WHEN t.is_shared AND ${owner()} THEN NULL
              WHEN ${owner(IS_LATER_SHARING_ROW)} THEN NULL
              ELSE t.phone END,
            t.cells->>'age', t.cells->>'gender', t.cells->>'email', ${now}, t.job_id
          FROM (SELECT ${newRecordId('r')} AS id, r.job_id, r.row, r.cells, r.cells->>'phone' AS phone,
              r.cells->>'shared_phone' AS is_shared,
              row_number() OVER (PARTITION BY r.cells->>'phone' ORDER BY r.row) AS place
            FROM staged_rows r
            WHERE ${rows} AND NOT ${repeatsEarlierRow('r')} AND ${isLeased}
              AND (r.cells->>'shared_phone' OR NOT ${PHONE_ON_EARLIER_ROW})) t
          WHERE true
          ORDER BY t.row`)
        .onConflictDoNothing(),
      isCreated: sql`EXISTS (SELECT 1 FROM patients p
        WHERE p.clinic_id = ${clinicId} AND p.id = ${newRecordId('staged_rows')})`,
      reason: sql`CASE WHEN ${repeatsEarlierRow('staged_rows')} THEN 'duplicate_in_file'
        WHEN ${isKnown(clinicId)} THEN 'duplicate_in_directory' ELSE 'phone_in_use' END`,
    }
  },
  isKnown: (clinicId) => isKnown(clinicId),
  recordId: newRecordId('staged_rows'),
}

const isKnown = (clinicId: string) => sql`EXISTS (SELECT 1 FROM patients p WHERE p.clinic_id = ${clinicId}
  AND p.phone = staged_rows.cells->>'phone' AND p.name_folded = staged_rows.cells->>'folded')`

/**
 * Chunks run in any order, so a later row that shares the phone may own it before its first row in the file
 * runs. Then that first row is still created. It is refused if the owner does not share the phone, which
 * happens if a repair gave the first row this phone.
 */
const IS_LATER_SHARING_ROW =
  sql.raw(`AND p.op_id = t.job_id AND (SELECT s.cells->>'shared_phone' FROM staged_rows s
  WHERE s.job_id = t.job_id AND s.row = CAST(substr(p.id, length(t.job_id) + 2) AS INTEGER))`)

/** Identities start with the phone and a line break, so the rows of a phone are a range of the index. */
const PHONE_ON_EARLIER_ROW = sql.raw(`EXISTS (SELECT 1 FROM staged_rows e
  WHERE e.job_id = r.job_id AND e.row < r.row
    AND e.identity > (r.cells->>'phone') || char(10) AND e.identity < (r.cells->>'phone') || char(11))`)

const orNull = (text: string): string | null => text || null

/** The rules of NewPatient for text cells; an empty cell is an absent value. */
const patientRow = (country: string) =>
  v.object({
    name: requiredCell(200),
    phone: v.pipe(
      requiredCell(200),
      PhoneText,
      v.check((phone) => toE164(phone, country) !== null, 'must be a phone number'),
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
      v.transform(orNull),
    ),
    shared_phone: v.pipe(
      cell(200),
      v.regex(/^(true|false|)$/i, 'must be true or false'),
      v.transform((shared) => shared.toLowerCase() === 'true'),
    ),
  })
type PatientRow = v.InferOutput<ReturnType<typeof patientRow>>
