import { drizzle } from 'drizzle-orm/d1'
import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import type { App, Ctx } from '../context'
import { addHeader } from '../http/endpoint'
import { isDigestOf } from '../lib/crypto'
import { type Claim, NO_FINGERPRINT, once } from '../once'
import { Problem } from '../problem'
import { type KeyText, readKey } from './key-text'
import { findKey } from './known-keys'
import type { clinics } from './model'
import { heldScopes } from './permissions'

/** `Authorization: Bearer <key>` or `X-API-Key: <key>` → the clinic this request acts for, or 401. */
export const authenticate = createMiddleware<App>(async (c, next) => {
  const sent = credentials(c)
  const db = drizzle(c.env.DB)
  const found = isWorthALookup(sent, c.env) ? await findKey(db, sent) : undefined
  if (!sent || !found || !isDigestOf(sent.secret, found.secretDigest))
    throw new Problem('unauthenticated', 'This API key is unknown or revoked; send a valid one')
  const scopes = heldScopes(found.key.scopes)
  c.set('ctx', contextOf(c, db, found.clinic, { keyId: sent.id, scopes }))
  await next()
  // A reply is for the holder of the key only: no browser and no proxy may store it.
  addHeader(c, 'Cache-Control', 'no-store')
})

/** The key that the caller sent; null where it is no key. */
function credentials(c: Context<App>): KeyText | null {
  const bearer = c.req.header('Authorization')?.match(/^Bearer +(\S+)$/i)?.[1]
  const key = bearer ?? c.req.header('X-API-Key')?.trim()
  if (!key)
    throw new Problem('unauthenticated', 'Send your API key as "Authorization: Bearer <key>" or as X-API-Key')
  return readKey(c.env.DOCTORDAY_SECRET, key)
}

/**
 * A signature that is wrong proves that the key was made up, unless the deployment has lost the secret that
 * signed it: then the operator sets KEYS_OF_LOST_SECRET, and D1 is asked as for a key without a signature.
 */
const isWorthALookup = (sent: KeyText | null, env: Env): sent is KeyText =>
  sent !== null && (sent.proof !== 'wrong' || env.KEYS_OF_LOST_SECRET === 'true')

function contextOf(c: Context<App>, db: Ctx['db'], clinic: typeof clinics.$inferSelect, actor: Ctx['actor']) {
  const acting = {
    env: c.env,
    db,
    now: Date.now(),
    requestId: c.var.requestId,
    clinic: { id: clinic.id, timeZone: clinic.timeZone, country: clinic.country },
    actor,
    recordClaim: (claim: Claim) => c.set('claim', claim),
    later: (work: Promise<unknown>) => c.executionCtx.waitUntil(work),
  }
  return { ...acting, once: once(acting, { key: null, fingerprint: NO_FINGERPRINT }) }
}
