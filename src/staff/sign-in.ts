import { eq, sql } from 'drizzle-orm'
import { keyTextFor } from '../access/keys'
import { apiKeys } from '../access/model'
import { scopesByRole } from '../access/roles'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { sha256 } from '../lib/crypto'
import { HOUR_MS, iso } from '../lib/time'
import { Problem } from '../problem'
import { type SignedIn, signInLinks, staff } from './model'

/** A working day. Then the person needs another link. */
export const SESSION_MS = 12 * HOUR_MS

/**
 * Exchanges the token of a link for a key of the person, once: one statement decides which request has used
 * the link, and the key is made for that one. `ctx` acts for the clinic that the token names.
 */
export async function signIn(ctx: Ctx, token: string): Promise<SignedIn> {
  const hash = sha256(token)
  const { id, secret } = keyTextFor(ctx)
  const expiresAt = ctx.now + SESSION_MS
  const { opId, results } = await ctx.once.transact((op) => [
    ctx.db
      .update(signInLinks)
      .set({ usedOp: op })
      .where(sql`${signInLinks.hash} = ${hash}
      AND clinic_id = ${ctx.clinic.id} AND used_op IS NULL AND expires_at > ${ctx.now}
      AND EXISTS (SELECT 1 FROM staff WHERE staff.id = sign_in_links.staff_id AND staff.left_at IS NULL)`),
    ctx.db
      .insert(apiKeys)
      .select(sql`
      SELECT ${id}, staff.clinic_id, 'sign-in', ${scopesByRole(sql`staff.role`)}, ${sha256(secret)},
        ${ctx.now}, NULL, ${op}, staff.id, ${expiresAt}
      FROM sign_in_links CROSS JOIN staff ON staff.id = sign_in_links.staff_id AND staff.left_at IS NULL
      WHERE sign_in_links.hash = ${hash} AND sign_in_links.used_op = ${op}`)
      .onConflictDoNothing(),
    audited(
      { ...ctx, actor: { ...ctx.actor, keyId: id } },
      'staff.signed_in',
      sql`(SELECT staff_id
      FROM sign_in_links WHERE hash = ${hash})`,
    ),
    ctx.db
      .select({ usedOp: signInLinks.usedOp, staffId: signInLinks.staffId, role: staff.role })
      .from(signInLinks)
      .innerJoin(staff, eq(staff.id, signInLinks.staffId))
      .where(eq(signInLinks.hash, hash)),
  ])
  const [link] = results[3]
  if (link?.usedOp !== opId) throw notValid()
  if (opId !== ctx.once.opId)
    throw new Problem('key_shown_once', 'The first request has used this link; ask for another one')
  const { staffId: staff_id, role } = link
  const key = `${id}.${secret}`
  return { key, clinic_id: ctx.clinic.id, staff_id, role, expires_at: iso(expiresAt) }
}

export const notValid = () =>
  new Problem('unauthenticated', 'This sign-in link was used, has expired or was never issued; get a new one')
