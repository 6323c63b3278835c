import { and, eq, inArray, isNull, sql } from 'drizzle-orm'
import { KEY_SHOWN, keyTextFor } from '../access/keys'
import { apiKeys, type CreatedKey, isoOrNull } from '../access/model'
import { scopesByRole, scopesOfRole } from '../access/roles'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { sha256 } from '../lib/crypto'
import { DAY_MS, iso, MINUTE_MS } from '../lib/time'
import { Problem } from '../problem'
import { hasLeft, hasRoleToGive, isStaff, required, roleBeyond, selectStaff } from './actions'
import { newLinkToken } from './link-text'
import { type NewStaffKey, type SignInLink, type StaffRow, signInLinks, staff } from './model'

/** A key of a person has the scopes of the person's role. Its secret is shown once. */
export async function createStaffKey(ctx: Ctx, staffId: string, wanted: NewStaffKey): Promise<CreatedKey> {
  const { id, secret } = keyTextFor(ctx)
  const { expires_in_days: days } = wanted
  const expiresAt = days == null ? null : ctx.now + days * DAY_MS
  const found = selectStaff(ctx, staffId)
  const { opId, results } = await ctx.once.transact(
    (op) => [
      found,
      ctx.db
        .insert(apiKeys)
        .select(sql`
        SELECT ${id}, ${ctx.clinic.id}, ${wanted.name}, ${scopesByRole(sql`staff.role`)}, ${sha256(secret)},
          ${ctx.now}, NULL, ${op}, staff.id, ${expiresAt}
        FROM staff WHERE ${mayReceive(ctx, staffId)}`)
        .onConflictDoNothing(),
      audited(ctx, 'key.created', id),
      ctx.db.select({ id: apiKeys.id }).from(apiKeys).where(eq(apiKeys.opId, op)),
    ],
    [found],
  )
  const person = required(results[0])
  const [made] = results[3]
  if (made === undefined) throw refusalFor(person)
  if (opId !== ctx.once.opId) throw new Problem('key_shown_once', KEY_SHOWN)
  const key = { id, key: `${id}.${secret}`, clinic_id: ctx.clinic.id, staff_id: staffId }
  return { ...key, scopes: [...scopesOfRole(person.role)], expires_at: isoOrNull(expiresAt) }
}

/** The statement writes nothing for a person who has left, or whose role the caller may not give. */
const mayReceive = (ctx: Ctx, staffId: string) =>
  and(isStaff(ctx, staffId), isNull(staff.leftAt), hasRoleToGive(ctx))

const refusalFor = (person: StaffRow): Problem => (person.leftAt === null ? roleBeyond() : hasLeft())

/** Long enough to send the link to the person, who opens it at once. */
export const LINK_MS = 15 * MINUTE_MS

/** As long as an Idempotency-Key is valid, so that a retry learns that its link was shown already. */
const REMEMBERED_MS = DAY_MS

/** Each new link removes up to this many that are long over. */
const SWEPT_PER_LINK = 10

/** Only the hash of the token is stored, so a retry cannot get the same link again. */
export async function issueSignInLink(ctx: Ctx, staffId: string): Promise<SignInLink> {
  const expiresAt = ctx.now + LINK_MS
  const token = newLinkToken(ctx.env.DOCTORDAY_SECRET, ctx.clinic.id, expiresAt)
  const found = selectStaff(ctx, staffId)
  const { opId, results } = await ctx.once.transact(
    (op) => [
      found,
      sweepLinks(ctx),
      ctx.db
        .insert(signInLinks)
        .select(sql`SELECT ${sha256(token)}, ${ctx.clinic.id}, staff.id, ${expiresAt}, ${op}, NULL
        FROM staff WHERE ${mayReceive(ctx, staffId)}`)
        .onConflictDoNothing(),
      audited(ctx, 'staff.link_issued', staffId),
      ctx.db.select({ hash: signInLinks.hash }).from(signInLinks).where(eq(signInLinks.opId, op)),
    ],
    [found],
  )
  const person = required(results[0])
  const [issued] = results[4]
  if (issued === undefined) throw refusalFor(person)
  if (opId !== ctx.once.opId)
    throw new Problem('key_shown_once', 'The first request received the link; ask for another one')
  return { url: `/sign-in#${token}`, expires_at: iso(expiresAt) }
}

const sweepLinks = (ctx: Ctx) =>
  ctx.db.delete(signInLinks).where(
    inArray(
      signInLinks.hash,
      sql`(SELECT hash FROM sign_in_links WHERE clinic_id = ${ctx.clinic.id}
        AND expires_at <= ${ctx.now - REMEMBERED_MS} LIMIT ${SWEPT_PER_LINK})`,
    ),
  )
