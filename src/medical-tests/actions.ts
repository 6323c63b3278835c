import { and, eq, sql } from 'drizzle-orm'
import { mayUse } from '../access/actions'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { type TextPage, textPage } from '../lib/db'
import { Problem } from '../problem'
import {
  type ListMedicalTests,
  medicalTestAsJson,
  medicalTests,
  type NewMedicalTest,
  receipt,
  type StoredMedicalTest,
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
      .onConflictDoNothing()
      .returning(receipt),
    audited(ctx, 'medical_test.stored', wanted.test_id),
  ])
  const stored = results[0][0] ?? (await storedBefore(ctx, wanted.test_id))
  if (stored?.opId !== opId)
    throw new Problem('medical_test_exists', 'A medical test with this test_id already exists')
  return toStored(stored)
}

/** By this very request, where its answer was lost, or by another. */
async function storedBefore(ctx: Ctx, testId: string) {
  const [stored] = await ctx.db
    .select(receipt)
    .from(medicalTests)
    .where(and(eq(medicalTests.ownerId, ctx.clinic.id), eq(medicalTests.testId, testId)))
  return stored
}

/** A clinic's records in the order they were stored, whoever posted them; each as JSON. */
export async function listMedicalTests(ctx: Ctx, wanted: ListMedicalTests): Promise<TextPage> {
  mayUse(ctx, wanted.clinic_id)
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
