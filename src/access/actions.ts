import { and, asc, eq, gt, isNull, sql } from 'drizzle-orm'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { sha256 } from '../lib/crypto'
import { cutPage, type Page } from '../lib/page'
import { localDate } from '../lib/time'
import { notFound, Problem } from '../problem'
import { newKeyText } from './key-text'
import { forgetKey } from './known-keys'
import {
  apiKeys,
  type Clinic,
  type CreatedKey,
  clinics,
  type Key,
  type ListClinics,
  type ListKeys,
  type NewClinic,
  type NewKey,
  toClinic,
  toKey,
} from './model'
import { heldScopes, isNotLastAdmin, mayUse, requireClinic, requireScopes, wantedScopes } from './permissions'

/** The date at the clinic. A write passes when its key was first claimed, so a retry means the same day. */
export const today = (ctx: Ctx, at = ctx.now): string => localDate(at, ctx.clinic.timeZone)

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
    audited(ctx, 'clinic.opened', wanted.id),
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
        mayUse(ctx, 'clinics:*') ? undefined : eq(clinics.id, ctx.clinic.id),
      ),
    )
    .orderBy(asc(clinics.id))
    .limit(wanted.limit + 1)
  return cutPage(rows.map(toClinic), wanted.limit, (clinic) => [clinic.id])
}

/** Only the hash of the secret is stored, so a retry finds the key but cannot show its secret again. */
export async function createKey(ctx: Ctx, wanted: NewKey): Promise<CreatedKey> {
  requireClinic(ctx, wanted.clinic_id)
  const scopes = wantedScopes(wanted.scopes)
  requireScopes(ctx, scopes, 'Granting this scope')
  const { id, secret } = newKeyText(ctx.env.DOCTORDAY_SECRET, ctx.once.opId.replaceAll('-', ''))
  const ofClinic = ctx.db.select({ id: clinics.id }).from(clinics).where(eq(clinics.id, wanted.clinic_id))
  const { opId, results } = await ctx.once.transact(
    (op) => [
      ofClinic,
      ctx.db
        .insert(apiKeys)
        .select(sql`
        SELECT ${id}, id, ${wanted.name}, ${JSON.stringify(scopes)}, ${sha256(secret)},
          ${ctx.now}, NULL, ${op}
        FROM clinics WHERE id = ${wanted.clinic_id}`)
        .onConflictDoNothing(),
      audited(ctx, 'key.created', id),
    ],
    [ofClinic],
  )
  if (results[0].length === 0) throw notFound(`Clinic ${wanted.clinic_id}`)
  if (opId !== ctx.once.opId)
    throw new Problem(
      'key_shown_once',
      'The first request with this Idempotency-Key created the key; revoke that key and create another',
    )
  return { id, key: `${id}.${secret}`, clinic_id: wanted.clinic_id, scopes }
}

export async function listKeys(ctx: Ctx, wanted: ListKeys): Promise<Page<Key>> {
  const clinicId = wanted.clinic_id ?? (mayUse(ctx, 'clinics:*') ? undefined : ctx.clinic.id)
  if (clinicId !== undefined) requireClinic(ctx, clinicId)
  const rows = await ctx.db
    .select()
    .from(apiKeys)
    .where(
      and(
        gt(apiKeys.id, wanted.cursor?.[0] ?? ''),
        clinicId === undefined ? undefined : eq(apiKeys.clinicId, clinicId),
      ),
    )
    .orderBy(asc(apiKeys.id))
    .limit(wanted.limit + 1)
  return cutPage(rows.map(toKey), wanted.limit, (key) => [key.id])
}

/** Idempotent: revoking a revoked key changes nothing and is no error. */
export async function revokeKey(ctx: Ctx, id: string): Promise<Key> {
  const [target] = await ctx.db.select().from(apiKeys).where(eq(apiKeys.id, id))
  if (!target || (target.clinicId !== ctx.clinic.id && !mayUse(ctx, 'clinics:*'))) throw notFound('Key')
  requireScopes(ctx, heldScopes(target.scopes), 'Revoking this key')
  const [, , [key]] = await ctx.db
    .batch([
      ctx.db
        .update(apiKeys)
        .set({ revokedAt: ctx.now })
        .where(and(eq(apiKeys.id, id), isNull(apiKeys.revokedAt), isNotLastAdmin(ctx))),
      audited(ctx, 'key.revoked', id),
      ctx.db.select().from(apiKeys).where(eq(apiKeys.id, id)),
    ])
    // Also after a failure, because D1 may have committed the change.
    .finally(() => forgetKey(id))
  if (!key) throw notFound('Key')
  if (key.revokedAt === null)
    throw new Problem('last_admin_key', 'No other admin key is left for this clinic; create one first')
  return toKey(key)
}
