import { and, eq, sql } from 'drizzle-orm'
import { requireClinic } from '../access/permissions'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { type TextPage, textPage } from '../lib/db'
import { Problem } from '../problem'
import {
  type ListMedicalTests,
  medicalTestAsJson,
  medicalTests,
  type NewMedicalTest,
  replyColumns,
  type StoredMedicalTest,
  toStored,
} from './model'

/** A record is stored once and never changed: a second POST of its test_id is refused, whatever its body. */
export async function storeMedicalTest(ctx: Ctx, wanted: NewMedicalTest): Promise<StoredMedicalTest> {
  requireClinic(ctx, wanted.clinic_id)
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
      .onConflictDoNothing()
      .returning(replyColumns),
    audited(ctx, 'medical_test.stored', wanted.test_id),
  ])
  const stored = results[0][0] ?? (await findStored(ctx, wanted.test_id))
  if (stored?.opId !== opId)
    throw new Problem('medical_test_exists', 'A medical test with this test_id already exists')
  return toStored(stored)
}

/** The stored record is from an earlier attempt of this request, or from another request. */
async function findStored(ctx: Ctx, testId: string) {
  const [stored] = await ctx.db
    .select(replyColumns)
    .from(medicalTests)
    .where(and(eq(medicalTests.ownerId, ctx.clinic.id), eq(medicalTests.testId, testId)))
  return stored
}

/** A clinic's records in the order they were stored, whichever key posted them; each as JSON. */
export async function listMedicalTests(ctx: Ctx, wanted: ListMedicalTests): Promise<TextPage> {
  requireClinic(ctx, wanted.clinic_id)
  const { clinicId, seq } = medicalTests
  return textPage(
    ctx.db,
    ({ limit, offset }) => sql`
      SELECT ${seq} AS seq, ${medicalTestAsJson} AS json FROM ${medicalTests}
      WHERE ${clinicId} = ${wanted.clinic_id} AND ${seq} > ${wanted.cursor?.[0] ?? 0}
      ORDER BY ${seq} LIMIT ${limit} OFFSET ${offset}`,
    wanted.limit,
  )
}
