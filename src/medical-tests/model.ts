import { getTableColumns, sql } from 'drizzle-orm'
import { index, integer, sqliteTable, text as textColumn, uniqueIndex } from 'drizzle-orm/sqlite-core'
import * as v from 'valibot'
import { cursor, limit, PAGE_MAX } from '../lib/page'
import { component, lines, text } from '../lib/schema'
import { iso } from '../lib/time'

/** `ownerId` is the clinic whose key posted; `testId` is unique in it. The record belongs to `clinicId`. */
export const medicalTests = sqliteTable(
  'medical_tests',
  {
    seq: integer('seq').primaryKey({ autoIncrement: true }),
    ownerId: textColumn('owner_id').notNull(),
    testId: textColumn('test_id').notNull(),
    clinicId: textColumn('clinic_id').notNull(),
    patientId: textColumn('patient_id').notNull(),
    testType: textColumn('test_type').notNull(),
    result: textColumn('result').notNull(),
    createdAt: integer('created_at').notNull(),
    opId: textColumn('op_id').notNull(),
  },
  (t) => [
    uniqueIndex('medical_tests_test_id').on(t.ownerId, t.testId),
    index('medical_tests_by_clinic').on(t.clinicId, t.seq),
  ],
)

export const NewMedicalTest = component('NewMedicalTest', {
  test_id: text(200),
  patient_id: text(200),
  clinic_id: text(200),
  test_type: text(200),
  result: lines(100_000),
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
type Row = typeof medicalTests.$inferSelect

const { result: _, ...withoutResult } = getTableColumns(medicalTests)

/** The columns that a reply needs. The result may be long and stays in the database. */
export const replyColumns = withoutResult

export const toStored = (row: Omit<Row, 'result'>): StoredMedicalTest => ({
  status: 'success',
  message: 'Medical test stored',
  test_id: row.testId,
  patient_id: row.patientId,
  clinic_id: row.clinicId,
  created_at: iso(row.createdAt),
})

/** A row as the JSON of a MedicalTest. */
export const medicalTestAsJson = sql`json_object(
  'test_id', ${medicalTests.testId}, 'patient_id', ${medicalTests.patientId},
  'clinic_id', ${medicalTests.clinicId}, 'test_type', ${medicalTests.testType},
  'result', ${medicalTests.result},
  'created_at', strftime('%Y-%m-%dT%H:%M:%fZ', ${medicalTests.createdAt} / 1000.0, 'unixepoch'))`

export const ListMedicalTests = v.object({
  clinic_id: text(200),
  limit: limit(PAGE_MAX),
  cursor: cursor(v.number()),
})
export type ListMedicalTests = v.InferOutput<typeof ListMedicalTests>
