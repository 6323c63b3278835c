import { and, asc, eq, gt, isNotNull, sql } from 'drizzle-orm'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { cutPage, type Page } from '../lib/page'
import { localDate } from '../lib/time'
import { notFound, Problem } from '../problem'
import {
  apiKeys,
  type Clinic,
  type ClinicRow,
  clinics,
  type ListClinics,
  type NewClinic,
  toClinic,
} from './model'
import { administersAll } from './permissions'

/** The date at the clinic. A write passes when its key was first claimed, so a retry means the same day. */
export const today = (ctx: Pick<Ctx, 'now' | 'clinic'>, at = ctx.now): string =>
  localDate(at, ctx.clinic.timeZone)

/** Whether a patient may have two appointments with a doctor a day, where the request does not say. */
export const allowsAnother = (ctx: Ctx, wanted: { allow_another?: boolean }): boolean =>
  wanted.allow_another ?? ctx.clinic.settings.allowAnother ?? false

export async function openClinic(ctx: Ctx, wanted: NewClinic): Promise<Clinic> {
  const { opId, results } = await ctx.once.transact((op) => [
    ctx.db
      .insert(clinics)
      .values({
        id: wanted.id,
        name: wanted.name,
        timeZone: wanted.time_zone,
        country: wanted.country,
        createdAt: ctx.now,
        opId: op,
      })
      .onConflictDoNothing(),
    audited(ctx, 'clinic.opened', wanted.id, wanted.id),
    ctx.db.select().from(clinics).where(eq(clinics.id, wanted.id)),
  ])
  const [clinic] = results[2]
  if (clinic?.opId !== opId) throw new Problem('clinic_exists', `Clinic ${wanted.id} already exists`)
  return toClinic(clinic)
}

export async function listClinics(ctx: Ctx, wanted: ListClinics): Promise<Page<Clinic>> {
  const rows = await ctx.db
    .select()
    .from(clinics)
    .where(
      and(
        gt(clinics.id, wanted.cursor?.[0] ?? ''),
        administersAll(ctx) ? undefined : eq(clinics.id, ctx.clinic.id),
      ),
    )
    .orderBy(asc(clinics.id))
    .limit(wanted.limit + 1)
  return cutPage(rows.map(toClinic), wanted.limit, (clinic) => [clinic.id])
}

export const selectClinic = (ctx: Ctx, id: string) => ctx.db.select().from(clinics).where(eq(clinics.id, id))

/** A clinic that the caller administers; every other one is 404. */
export async function requireClinicRow(ctx: Ctx, id: string): Promise<ClinicRow> {
  const [clinic] = id === ctx.clinic.id || administersAll(ctx) ? await selectClinic(ctx, id) : []
  if (!clinic) throw notFound('Clinic')
  return clinic
}

/** The people whose keys these are, by key; a key of no person has none. One query for any number of keys. */
export async function staffOf(ctx: Ctx, keyIds: string[]): Promise<Map<string, string>> {
  if (keyIds.length === 0) return new Map()
  const ids = JSON.stringify([...new Set(keyIds)])
  const rows = await ctx.db
    .select({ id: apiKeys.id, staffId: sql<string>`${apiKeys.staffId}` })
    .from(apiKeys)
    .where(and(sql`${apiKeys.id} IN (SELECT value FROM json_each(${ids}))`, isNotNull(apiKeys.staffId)))
  return new Map(rows.map(({ id, staffId }) => [id, staffId]))
}
