import { and, type SQL, sql } from 'drizzle-orm'
import type { Ctx } from '../context'
import { isPatient } from '../patients/actions'
import { patients } from '../patients/model'
import { ERASING_MS } from './model'

/**
 * A patient who is being erased is found no more, as in doctors/finding.ts: what is written of the patient
 * once the erasure has read the record would outlive it.
 */
export const stays = (ctx: Ctx, id: string): SQL => sql`NOT EXISTS (SELECT 1 FROM erasures e
  WHERE e.clinic_id = ${ctx.clinic.id} AND e.patient_id = ${id} AND e.erased_at >= ${ctx.now - ERASING_MS})`

export const selectStaying = (ctx: Ctx, id: string) =>
  ctx.db
    .select({ id: patients.id })
    .from(patients)
    .where(and(isPatient(ctx, id), stays(ctx, id)))
