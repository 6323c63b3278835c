import { and, eq, sql } from 'drizzle-orm'
import { requireClinic } from '../access/permissions'
import { auditOfLot } from '../audit/model'
import type { Ctx } from '../context'
import { type TextPage, textPage } from '../lib/db'
import { Problem } from '../problem'
import { kindOf } from '../recorder/kind'
import {
  type ListMedicalTests,
  medicalTests,
  type NewMedicalTest,
  type StoredMedicalTest,
  toRecord,
  toStored,
} from './model'

/** The clinic that a record is about; of an id that no clinic has here, the one that sent it. */
const OPEN_CLINIC = `iif(of_clinic = clinic, clinic,
    coalesce((SELECT id FROM clinics WHERE id = of_clinic), clinic))`

/** The result tells whether this request has stored the record. */
export const MEDICAL_TEST = kindOf<[testId: string, clinicId: string, record: string], boolean>({
  name: 'medical_test',
  columns: ['test_id', 'of_clinic'],
  long: 'record',
  statements: ({ sent, performed }) => [
    `INSERT INTO medical_tests (owner_id, test_id, clinic_id, record, op_id)
     SELECT clinic, test_id, of_clinic, record, op FROM ${performed} WHERE true
     ON CONFLICT DO NOTHING RETURNING op_id AS op`,
    auditOfLot(
      'medical_test.stored',
      'sent.test_id',
      `${sent} CROSS JOIN medical_tests
        ON owner_id = clinic AND medical_tests.test_id = sent.test_id AND op_id = asked`,
      OPEN_CLINIC,
    ),
  ],
  result: ([stored = []]) => stored.length > 0,
})

/** A record is stored once and never changed: a second POST of its test_id is refused, whatever its body. */
export async function storeMedicalTest(ctx: Ctx, wanted: NewMedicalTest): Promise<StoredMedicalTest> {
  const { test_id, clinic_id } = wanted
  requireClinic(ctx, clinic_id)
  const record = toRecord(wanted, ctx.now)
  const { opId, result } = await ctx.once.record(MEDICAL_TEST, test_id, clinic_id, JSON.stringify(record))
  if (result) return toStored(record)
  const stored = await findStored(ctx, test_id)
  if (stored?.opId !== opId)
    throw new Problem('medical_test_exists', 'A medical test with this test_id already exists')
  return toStored(stored)
}

/** The stored record is from an earlier attempt of this request, or from another request. */
async function findStored(ctx: Ctx, testId: string) {
  const { record, opId, ownerId } = medicalTests
  // The result may be long and stays in the database.
  const [stored] = await ctx.db
    .select({
      opId,
      test_id: medicalTests.testId,
      clinic_id: medicalTests.clinicId,
      patient_id: sql<string>`${record}->>'patient_id'`,
      created_at: sql<string>`${record}->>'created_at'`,
    })
    .from(medicalTests)
    .where(and(eq(ownerId, ctx.clinic.id), eq(medicalTests.testId, testId)))
  return stored
}

/** A clinic's records in the order they were stored, whichever key posted them; each as JSON. */
export async function listMedicalTests(ctx: Ctx, wanted: ListMedicalTests): Promise<TextPage> {
  requireClinic(ctx, wanted.clinic_id)
  const { clinicId, seq } = medicalTests
  return textPage(
    ctx.db,
    ({ after, limit }) => sql`
      SELECT ${seq} AS seq, ${medicalTests.record} AS json FROM ${medicalTests}
      WHERE ${clinicId} = ${wanted.clinic_id} AND ${seq} > ${after} ORDER BY ${seq} LIMIT ${limit}`,
    wanted.limit,
    wanted.cursor?.[0],
  )
}
