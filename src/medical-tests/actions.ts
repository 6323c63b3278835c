import { and, asc, eq, gt } from 'drizzle-orm'
import { mayUse } from '../access/actions'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { cutPage, type Page } from '../lib/page'
import { Problem } from '../problem'
import {
  type ListMedicalTests,
  type MedicalTest,
  medicalTests,
  type NewMedicalTest,
  type StoredMedicalTest,
  toMedicalTest,
  toStored,
} from './model'

/** A record is written once and never changed: the same test_id again is refused, whatever its body says. */
export async function storeMedicalTest(ctx: Ctx, wanted: NewMedicalTest): Promise<StoredMedicalTest> {
  mayUse(ctx, wanted.clinic_id)
  const { opId, results } = await ctx.once.transact((op) => [
    ctx.db
      .insert(medicalTests)
      .values({
        ownerId: ctx.clinic.id,
        testId: wanted.test_id,
        clinicId: wanted.clinic_id,
        patientId: wanted.patient_id,
        testType: wanted.test_type,
        result: wanted.result,
        createdAt: ctx.now,
        opId: op,
      })
      .onConflictDoNothing(),
    audited(ctx, 'medical_test.stored', wanted.test_id),
    ctx.db
      .select()
      .from(medicalTests)
      .where(and(eq(medicalTests.ownerId, ctx.clinic.id), eq(medicalTests.testId, wanted.test_id))),
  ])
  const [stored] = results[2]
  if (stored?.opId !== opId)
    throw new Problem('medical_test_exists', 'A medical test with this test_id already exists')
  return toStored(stored)
}

/** A clinic's records in the order they were stored, whoever posted them. */
export async function listMedicalTests(ctx: Ctx, wanted: ListMedicalTests): Promise<Page<MedicalTest>> {
  mayUse(ctx, wanted.clinic_id)
  const rows = await ctx.db
    .select()
    .from(medicalTests)
    .where(and(eq(medicalTests.clinicId, wanted.clinic_id), gt(medicalTests.seq, wanted.cursor?.[0] ?? 0)))
    .orderBy(asc(medicalTests.seq))
    .limit(wanted.limit + 1)
  const page = cutPage(rows, wanted.limit, (row) => [row.seq])
  return { ...page, rows: page.rows.map(toMedicalTest) }
}
