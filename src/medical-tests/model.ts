import { index, integer, sqliteTable, text as textColumn, uniqueIndex } from 'drizzle-orm/sqlite-core'
import * as v from 'valibot'
import { cursor, limit, PAGE_MAX } from '../lib/page'
import { component, lines, text } from '../lib/schema'
import { iso } from '../lib/time'

/**
 * `ownerId` is the clinic whose key posted; `testId` is unique in it. The record belongs to `clinicId`. It is
 * kept as it is read, the JSON of a MedicalTest: to write a thousand rows as JSON would take half of the time
 * of a page.
 */
export const medicalTests = sqliteTable(
  'medical_tests',
  {
    seq: integer('seq').primaryKey({ autoIncrement: true }),
    ownerId: textColumn('owner_id').notNull(),
    testId: textColumn('test_id').notNull(),
    clinicId: textColumn('clinic_id').notNull(),
    opId: textColumn('op_id').notNull(),
    record: textColumn('record').notNull(),
  },
  (t) => [
    uniqueIndex('medical_tests_test_id').on(t.ownerId, t.testId),
    index('medical_tests_by_clinic').on(t.clinicId, t.seq),
  ],
)

export const RESULT_CHARACTERS_MAX = 100_000

export const NewMedicalTest = component('NewMedicalTest', {
  test_id: text(200),
  patient_id: text(200),
  clinic_id: text(200),
  test_type: text(200),
  result: lines(RESULT_CHARACTERS_MAX),
})
export type NewMedicalTest = v.InferOutput<typeof NewMedicalTest>

/** Only ids and a status: replies are kept for retries, and results must not be. */
export const StoredMedicalTest = component('StoredMedicalTest', {
  status: v.literal('success'),
  message: v.string(),
  test_id: v.string(),
  patient_id: v.string(),
  clinic_id: v.string(),
  created_at: v.string(),
})
export type StoredMedicalTest = v.InferOutput<typeof StoredMedicalTest>

export const MedicalTest = component('MedicalTest', {
  test_id: v.string(),
  patient_id: v.string(),
  clinic_id: v.string(),
  test_type: v.string(),
  result: v.string(),
  created_at: v.string(),
})
export type MedicalTest = v.InferOutput<typeof MedicalTest>

export const toRecord = (wanted: NewMedicalTest, at: number): MedicalTest => ({
  test_id: wanted.test_id,
  patient_id: wanted.patient_id,
  clinic_id: wanted.clinic_id,
  test_type: wanted.test_type,
  result: wanted.result,
  created_at: iso(at),
})

export const toStored = ({
  test_id,
  patient_id,
  clinic_id,
  created_at,
}: Omit<MedicalTest, 'test_type' | 'result'>): StoredMedicalTest => ({
  status: 'success',
  message: 'Medical test stored',
  test_id,
  patient_id,
  clinic_id,
  created_at,
})

export const ListMedicalTests = v.object({
  clinic_id: text(200),
  limit: limit(PAGE_MAX),
  cursor: cursor(v.number()),
})
export type ListMedicalTests = v.InferOutput<typeof ListMedicalTests>
