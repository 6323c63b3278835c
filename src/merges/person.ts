import { and, eq, type SQL, sql } from 'drizzle-orm'
import type { Ctx } from '../context'
import type { KnownAliases } from '../doctor-day/moving/requests'
import { Problem } from '../problem'
import { mergedPatients, survivorOf } from './model'

/** By which ids one person is known. */

/**
 * All ids of a person, the one of the record in use first: whichever of them is asked for, one query by
 * index finds them. An id that no patient has is alone. `idsIn` reads the rows.
 */
export const selectIds = (ctx: Ctx, id: string) =>
  ctx.db
    .select({ survivor: SURVIVOR, others: othersOf(ctx.clinic.id, SURVIVOR) })
    .from(sql`(SELECT ${survivorOf(ctx.clinic.id, sql`${id}`)} AS survivor)`)

const SURVIVOR = sql<string>`survivor`

export const idsIn = (rows: Awaited<ReturnType<typeof selectIds>>): string[] =>
  rows.flatMap(({ survivor, others }) => [survivor, ...(JSON.parse(others) as string[])])

/** As JSON, the ids of the records that were merged into this one. */
const othersOf = (clinicId: string, survivor: SQL) => sql<string>`(SELECT json_group_array(m.old_id)
  FROM merged_patients m WHERE m.clinic_id = ${clinicId} AND m.survivor_id = ${survivor})`

/** The merge by which this record was merged into another one. */
export const selectMerge = (ctx: Ctx, oldId: string) =>
  ctx.db
    .select()
    .from(mergedPatients)
    .where(and(eq(mergedPatients.clinicId, ctx.clinic.id), eq(mergedPatients.oldId, oldId)))

/** Of the patients who have appointments on a doctor’s day, in D1’s copy: those who have several ids. */
export const selectAliases = (ctx: Pick<Ctx, 'db' | 'clinic'>, doctorId: string, date: string) =>
  ctx.db
    .select({ id: sql<string>`id`, survivor: SURVIVOR, others: sql<string>`others` })
    .from(sql`(SELECT id, survivor, ${othersOf(ctx.clinic.id, SURVIVOR)} AS others FROM (
      SELECT a.patient_id AS id, ${survivorOf(ctx.clinic.id, sql`a.patient_id`)} AS survivor
      FROM appointments a
      WHERE a.clinic_id = ${ctx.clinic.id} AND a.doctor_id = ${doctorId} AND a.date = ${date}))`)
    .where(sql`others <> '[]'`)

export const aliasesIn = (rows: Awaited<ReturnType<typeof selectAliases>>): KnownAliases =>
  Object.fromEntries(
    rows.map(({ id, survivor, others }) => [
      id,
      [survivor, ...(JSON.parse(others) as string[])].filter((other) => other !== id),
    ]),
  )

/** Names the record in use, so that the caller can go on with it. */
export const alreadyMerged = (survivorId: string, which = 'This patient'): Problem =>
  new Problem('patient_merged', `${which} was merged into ${survivorId}; use that id`)
