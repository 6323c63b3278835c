import { and, asc, eq, gt, sql } from 'drizzle-orm'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import type { IfMatch } from '../http/etag'
import { invalid } from '../http/failure'
import { newId } from '../lib/crypto'
import { cutPage, type Page } from '../lib/page'
import { etagOf } from '../patients/model'
import { notFound, Problem } from '../problem'
import {
  type ChangeService,
  type ListServices,
  type NewService,
  type Service,
  type ServiceRow,
  services,
  toService,
} from './model'

export async function addService(ctx: Ctx, wanted: NewService): Promise<ServiceRow> {
  await requireDoctors(ctx, wanted.doctors)
  const id = newId()
  const { results } = await ctx.once.transact((op) => [
    ctx.db
      .insert(services)
      .values({ id, clinicId: ctx.clinic.id, ...wanted, createdAt: ctx.now, opId: op })
      .onConflictDoNothing(),
    audited(ctx, 'service.added', id),
    ctx.db.select().from(services).where(eq(services.opId, op)),
  ])
  return required(results[2])
}

export async function listServices(ctx: Ctx, wanted: ListServices): Promise<Page<Service>> {
  const rows = await ctx.db
    .select()
    .from(services)
    .where(and(eq(services.clinicId, ctx.clinic.id), gt(services.id, wanted.cursor?.[0] ?? '')))
    .orderBy(asc(services.id))
    .limit(wanted.limit + 1)
  return cutPage(rows.map(toService), wanted.limit, (service) => [service.id])
}

/** The services that this doctor does not offer. A clinic has a few dozen, of which most are everybody's. */
export const selectNotOffered = (ctx: Pick<Ctx, 'db' | 'clinic'>, doctorId: string) =>
  ctx.db
    .select({ id: services.id })
    .from(services)
    .where(
      and(
        eq(services.clinicId, ctx.clinic.id),
        sql`${services.doctors} IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM json_each(${services.doctors}) WHERE value = ${doctorId})`,
      ),
    )

export const requireService = async (ctx: Ctx, id: string): Promise<ServiceRow> =>
  required(await selectService(ctx, id))

/** Of those of the ids that are services of the clinic, the retired ones too. */
export async function serviceNames(ctx: Ctx, ids: string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map()
  const wanted = sql`${services.id} IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`
  const rows = await ctx.db
    .select({ id: services.id, name: services.name })
    .from(services)
    .where(and(eq(services.clinicId, ctx.clinic.id), wanted))
  return new Map(rows.map(({ id, name }) => [id, name]))
}

/**
 * Changes a service as the caller has read it: `ifMatch` is the ETag of that answer. What is booked keeps its
 * slots. A retry gets the service as it is by then.
 */
export async function changeService(
  ctx: Ctx,
  id: string,
  wanted: ChangeService,
  ifMatch: IfMatch | undefined,
): Promise<ServiceRow> {
  const before = await requireService(ctx, id)
  if (ifMatch === undefined)
    throw new Problem('if_match_required', 'Send If-Match with the ETag of the record')
  await requireDoctors(ctx, wanted.doctors ?? null)
  const { retired, ...fields } = wanted
  const isRead = ifMatch(etagOf(before.version))
  const { opId, reply, results } = await ctx.once.transact((op) => [
    ctx.db
      .update(services)
      .set({
        ...fields,
        ...(retired !== undefined && { retiredAt: retired ? (before.retiredAt ?? ctx.now) : null }),
        version: sql`${services.version} + 1`,
        changeOp: op,
      })
      .where(
        and(
          isService(ctx, id),
          eq(services.version, isRead ? before.version : NO_VERSION),
          sql`${op} = ${ctx.once.opId}`,
        ),
      ),
    audited(ctx, 'service.changed', id),
    selectService(ctx, id),
    ctx.once.keep(sql`SELECT 'changed' FROM services WHERE ${isService(ctx, id)} AND change_op = ${op}`),
  ])
  const row = required(results[2])
  if (row.changeOp === opId || reply !== null) return row
  throw new Problem('record_changed', 'The record has changed since it was read; read it again')
}

/** Counts begin at 1. */
const NO_VERSION = 0

const isService = (ctx: Ctx, id: string) => and(eq(services.clinicId, ctx.clinic.id), eq(services.id, id))

const selectService = (ctx: Ctx, id: string) => ctx.db.select().from(services).where(isService(ctx, id))

function required([service]: ServiceRow[]): ServiceRow {
  if (!service) throw notFound('Service')
  return service
}

/** A doctor is never removed, so a doctor who was found stays one. */
async function requireDoctors(ctx: Ctx, ids: string[] | null): Promise<void> {
  if (ids === null) return
  const { unknown } = await ctx.db.get<{ unknown: number }>(sql`
    SELECT count(*) AS "unknown" FROM json_each(${JSON.stringify(ids)}) AS named
    WHERE NOT EXISTS (SELECT 1 FROM doctors WHERE clinic_id = ${ctx.clinic.id} AND id = named.value)`)
  if (unknown > 0)
    throw invalid([
      {
        field: 'doctors',
        rule: 'value',
        message: `doctors must be ids of doctors of the clinic; not known: ${unknown} of them`,
      },
    ])
}
