import { and, asc, eq, gt, isNull, or, type SQL, sql } from 'drizzle-orm'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { invalid } from '../http/failure'
import { sha256 } from '../lib/crypto'
import { cutPage, type Page } from '../lib/page'
import { instantOf } from '../lib/time'
import { notFound, Problem } from '../problem'
import { staff } from '../staff/model'
import { newKeyText } from './key-text'
import { forgetKey } from './known-keys'
import {
  apiKeys,
  type ChangeKey,
  type CreatedKey,
  clinics,
  isoOrNull,
  type Key,
  type KeyOfRole,
  type ListKeys,
  type NewKey,
  scopesOfKey,
  toKey,
} from './model'
import {
  administersAll,
  isNotLastAdmin,
  requireAdministered,
  requireScopes,
  wantedScopes,
} from './permissions'

/** The text of a key that the operation of this request makes. */
export const keyTextFor = (ctx: Ctx) =>
  newKeyText(ctx.env.DOCTORDAY_SECRET, ctx.once.opId.replaceAll('-', ''))

export const KEY_SHOWN =
  'The first request with this Idempotency-Key created the key; revoke that key and create another'

/** Only the hash of the secret is stored, so a retry finds the key but cannot show its secret again. */
export async function createKey(ctx: Ctx, wanted: NewKey): Promise<CreatedKey> {
  const { clinic_id = ctx.clinic.id } = wanted
  requireAdministered(ctx, clinic_id)
  const scopes = wantedScopes(wanted.scopes)
  requireScopes(ctx, scopes, 'Granting this scope')
  const expiresAt = expiryOf(ctx, wanted.expires_at)
  const { id, secret } = keyTextFor(ctx)
  const ofClinic = ctx.db.select({ id: clinics.id }).from(clinics).where(eq(clinics.id, clinic_id))
  const { opId, results } = await ctx.once.transact(
    (op) => [
      ofClinic,
      ctx.db
        .insert(apiKeys)
        .select(sql`
        SELECT ${id}, id, ${wanted.name}, ${JSON.stringify(scopes)}, ${sha256(secret)},
          ${ctx.now}, NULL, ${op}, NULL, ${expiresAt}
        FROM clinics WHERE id = ${clinic_id}`)
        .onConflictDoNothing(),
      audited(ctx, 'key.created', id, clinic_id),
    ],
    [ofClinic],
  )
  if (results[0].length === 0) throw notFound(`Clinic ${clinic_id}`)
  if (opId !== ctx.once.opId) throw new Problem('key_shown_once', KEY_SHOWN)
  return { id, key: `${id}.${secret}`, clinic_id, scopes, staff_id: null, expires_at: isoOrNull(expiresAt) }
}

function expiryOf(ctx: Ctx, expiresAt: string | null): number | null {
  const at = expiresAt === null ? null : Date.parse(instantOf(expiresAt))
  if (at !== null && at <= ctx.now)
    throw invalid([{ field: 'expires_at', rule: 'value', message: EXPIRES_LATER }])
  return at
}

const EXPIRES_LATER = 'expires_at must be later than now; to end a key at once, revoke it'

export async function listKeys(ctx: Ctx, wanted: ListKeys): Promise<Page<Key>> {
  const clinicId = wanted.clinic_id ?? (administersAll(ctx) ? undefined : ctx.clinic.id)
  if (clinicId !== undefined) requireAdministered(ctx, clinicId)
  const rows = await ctx.db
    .select({ key: apiKeys, role: staff.role })
    .from(apiKeys)
    .leftJoin(staff, eq(staff.id, apiKeys.staffId))
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

const selectKey = (ctx: Ctx, id: string) =>
  ctx.db
    .select({ key: apiKeys, role: staff.role })
    .from(apiKeys)
    .leftJoin(staff, eq(staff.id, apiKeys.staffId))
    .where(eq(apiKeys.id, id))

/** A key that the caller reaches, and may give and take. */
async function requireKey(ctx: Ctx, id: string, purpose: string): Promise<KeyOfRole> {
  const [target] = await selectKey(ctx, id)
  if (!target || (target.key.clinicId !== ctx.clinic.id && !administersAll(ctx))) throw notFound('Key')
  requireScopes(ctx, scopesOfKey(target), purpose)
  return target
}

/** A person may get a role meanwhile whose scopes the caller does not hold. */
const hasStillRole = ({ role }: KeyOfRole): SQL | undefined =>
  role === null
    ? undefined
    : sql`EXISTS (SELECT 1 FROM staff WHERE staff.id = api_keys.staff_id AND staff.role = ${role})`

/** A key that was revoked or has expired stays so. Only the request that claimed its key changes anything. */
export async function changeKey(ctx: Ctx, id: string, wanted: ChangeKey): Promise<Key> {
  const target = await requireKey(ctx, id, 'Changing this key')
  const expiresAt = expiryOf(ctx, wanted.expires_at)
  const { reply, results } = await ctx.once
    .transact((op) => [
      ctx.db
        .update(apiKeys)
        .set({ expiresAt })
        .where(
          and(
            eq(apiKeys.id, id),
            isNull(apiKeys.revokedAt),
            or(isNull(apiKeys.expiresAt), gt(apiKeys.expiresAt, ctx.now)),
            expiresAt === null ? undefined : isNotLastAdmin(ctx),
            hasStillRole(target),
            sql`${op} = ${ctx.once.opId}`,
          ),
        )
        .returning({ id: apiKeys.id }),
      audited(ctx, 'key.changed', id, target.key.clinicId),
      ctx.once.keep(sql`SELECT 'changed' WHERE changes() > 0`),
      selectKey(ctx, id),
    ])
    // Also after a failure, because D1 may have committed the change.
    .finally(() => forgetKey(id))
  const [found] = results[3]
  if (!found) throw notFound('Key')
  if (results[0].length === 0 && reply === null) throw notChanged(ctx, found)
  return toKey(found)
}

function notChanged(ctx: Ctx, { key, role }: KeyOfRole): Problem {
  if (key.revokedAt !== null || (key.expiresAt !== null && key.expiresAt <= ctx.now))
    return new Problem('key_over', 'This key was revoked or has expired; create another')
  return notPermitted({ key, role })
}

const notPermitted = ({ role }: KeyOfRole): Problem =>
  role === null ? new Problem('last_admin_key', LAST_ADMIN) : new Problem('unavailable', ROLE_CHANGED)

const LAST_ADMIN = 'No other admin key that never expires is left for this clinic; create one first'
const ROLE_CHANGED = 'The role of the person has changed at this moment; try again'

/** Idempotent: revoking a revoked key changes nothing and is no error. */
export async function revokeKey(ctx: Ctx, id: string): Promise<Key> {
  const target = await requireKey(ctx, id, 'Revoking this key')
  const [, , [found]] = await ctx.db
    .batch([
      ctx.db
        .update(apiKeys)
        .set({ revokedAt: ctx.now })
        .where(and(eq(apiKeys.id, id), isNull(apiKeys.revokedAt), isNotLastAdmin(ctx), hasStillRole(target))),
      audited(ctx, 'key.revoked', id, target.key.clinicId),
      selectKey(ctx, id),
    ])
    // Also after a failure, because D1 may have committed the change.
    .finally(() => forgetKey(id))
  if (!found) throw notFound('Key')
  if (found.key.revokedAt === null) throw notPermitted(found)
  return toKey(found)
}
