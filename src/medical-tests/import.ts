import { type SQL, sql } from 'drizzle-orm'
import * as v from 'valibot'
import { mayUse } from '../access/permissions'
import type { Ctx } from '../context'
import type { Kind } from '../imports/kind'
import { newRecordId, repeatsEarlierRow } from '../imports/model'
import { requiredCell, requiredLinesCell, safeText } from '../lib/schema'
import { iso } from '../lib/time'
import { medicalTests, RESULT_CHARACTERS_MAX } from './model'

export const MEDICAL_TEST_WORDS = {
  records: 'tests',
  statusPath: '/api/v1/tests/bulk/',
  created: ['created', 'created'],
  /**
   * The first two are those of duplicates: the record is there with the same fields, or an earlier row of the
   * file has them. `differs`: the test_id is taken by other fields, and these were not stored.
   */
  reasons: ['duplicate_in_file', 'duplicate_in_directory', 'differs', 'invalid'],
  countsDuplicates: true,
  activationPath: null,
  whose: 'ours',
} as const

/**
 * Records of medical tests as a kind of import, with the rules of `storeMedicalTest`: a test_id is stored
 * once in the namespace of the clinic whose key sends the file, and never changed. A row with the fields of
 * the stored record is a duplicate, one with other fields `differs`. Of the rows of a file with one test_id
 * the first is stored, in any order of chunks.
 */
export const MEDICAL_TESTS: Kind<MedicalTestRow> = {
  name: 'tests',
  columns: [
    { name: 'test_id', isRequired: true },
    { name: 'patient_id', isRequired: true },
    { name: 'clinic_id', isRequired: true },
    { name: 'test_type', isRequired: true },
    // In UTF-16, where a character takes two at most: a result that is cut there is still too long, so that
    // a repair refuses it.
    { name: 'result', isRequired: true, keptCharactersMax: 2 * RESULT_CHARACTERS_MAX + 2 },
  ],
  // A result of the longest characters in UTF-8 is 400,000 bytes.
  rowCharactersMax: 512 * 1024,
  row: medicalTestRow,
  stage: (row) => ({ cells: row, identity: row.test_id }),
  commit(db, { jobId, clinicId, rows, isLeased, now }) {
    const known = isKnown(clinicId)
    return {
      // The chunk of a later row stores the first row, if that row's own chunk has not run: so a duplicate
      // always has its record, also in an import that is then cancelled.
      statement: db
        .insert(medicalTests)
        .select(sql`
          SELECT NULL, ${clinicId}, first.identity, first.cells->>'clinic_id', ${newRecordId('first')},
            json_insert(first.cells, '$.created_at', ${iso(now)})
          FROM staged_rows first
          WHERE first.job_id = ${jobId} AND first.status IS NULL AND ${isLeased}
            AND first.row IN (SELECT ${firstRowOf('r')} FROM staged_rows r WHERE ${rows})
          ORDER BY first.row`)
        .onConflictDoNothing(),
      isCreated: isStored(clinicId, sql`AND m.op_id = ${newRecordId('staged_rows')}`),
      isDuplicate: known,
      reason: sql`CASE WHEN NOT ${known} THEN 'differs'
        WHEN ${isStored(clinicId, IS_OF_FILE)} THEN 'duplicate_in_file' ELSE 'duplicate_in_directory' END`,
    }
  },
  repeats,
  isKnown,
  conflict: (clinicId) => ({
    exists: sql`(${isStored(clinicId)} OR ${repeatsEarlierRow('staged_rows')})`,
    field: 'test_id',
    rule: 'unique',
    sentence: 'is the test_id of a record with other fields, which stays as it is',
  }),
  title: 'test_id',
  clinicColumn: 'clinic_id',
  recordId: sql`staged_rows.identity`,
}

/** The first row of the file with the test_id of a row: one step in an index. */
const firstRowOf = (row: 'r' | 'staged_rows'): SQL =>
  sql.raw(`(SELECT min(e.row) FROM staged_rows e
    WHERE e.job_id = ${row}.job_id AND e.identity = ${row}.identity)`)

/** Whether the clinic has the test_id of a row of `staged_rows`; `more` is about that record, `m`. */
const isStored = (clinicId: string, more = sql``): SQL => sql`EXISTS (SELECT 1 FROM medical_tests m
  WHERE m.owner_id = ${clinicId} AND m.test_id = staged_rows.identity ${more})`

/** The record was made by a row of the same import. */
const IS_OF_FILE = sql.raw(`AND substr(m.op_id, 1, length(staged_rows.job_id)) = staged_rows.job_id`)

function isKnown(clinicId: string): SQL {
  return isStored(clinicId, sql`AND ${hasFieldsOf('m.record')}`)
}

/** Only before the import: whether the first row with the test_id, which is new, has the same fields. */
function repeats(clinicId: string): SQL {
  return sql`(NOT ${isStored(clinicId)} AND ${repeatsEarlierRow('staged_rows')} AND EXISTS
    (SELECT 1 FROM staged_rows r
      WHERE r.job_id = staged_rows.job_id AND r.row = ${firstRowOf('staged_rows')}
        AND ${hasFieldsOf('r.cells')}))`
}

/** Whether JSON has the fields of a row of `staged_rows`. */
const hasFieldsOf = (json: string): SQL =>
  sql.raw(
    ['patient_id', 'clinic_id', 'test_type', 'result']
      .map((field) => `${json}->>'${field}' = staged_rows.cells->>'${field}'`)
      .join(' AND '),
  )

/** The rules of NewMedicalTest for cells, and of `requireClinic`: every other clinic gets the same fault. */
function medicalTestRow(ctx: Ctx) {
  const line = v.pipe(requiredCell(200), safeText('line'))
  return v.object({
    test_id: line,
    patient_id: line,
    clinic_id: v.pipe(
      line,
      v.check(
        (clinicId) => clinicId === ctx.clinic.id || mayUse(ctx, 'clinics:*'),
        'is no clinic of this API key; send its own clinic_id',
      ),
    ),
    test_type: line,
    result: v.pipe(requiredLinesCell(RESULT_CHARACTERS_MAX), safeText('lines')),
  })
}
type MedicalTestRow = v.InferOutput<ReturnType<typeof medicalTestRow>>
