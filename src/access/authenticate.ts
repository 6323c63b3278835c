import { drizzle } from 'drizzle-orm/d1'
import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import type { App, Ctx } from '../context'
import { addHeader } from '../http/endpoint'
import { isDigestOf } from '../lib/crypto'
import { type Claim, NO_FINGERPRINT, once } from '../once'
import { Problem } from '../problem'
import { findKey } from './known-keys'
import type { clinics } from './model'

/** `Authorization: Bearer <key>` or `X-API-Key: <key>` → the clinic this request acts for, or 401. */
export const authenticate = createMiddleware<App>(async (c, next) => {
  const [keyId, secret] = credentials(c)
  const db = drizzle(c.env.DB)
  const found = await findKey(db, keyId)
  if (!found || !isDigestOf(secret, found.secretDigest))
    throw new Problem('unauthenticated', 'This API key is unknown or revoked; send a valid one')
  c.set('ctx', contextOf(c, db, found.clinic, { keyId, scopes: found.key.scopes }))
  await next()
  // A reply is for the holder of the key only: no browser and no proxy may store it.
  addHeader(c, 'Cache-Control', 'no-store')
})

/** A key has the form `<id>.<secret>`: the id finds the row, the secret proves the caller. */
function credentials(c: Context<App>): [keyId: string, secret: string] {
  const bearer = c.req.header('Authorization')?.match(/^Bearer +(\S+)$/i)?.[1]
  const key = bearer ?? c.req.header('X-API-Key')?.trim()
  if (!key)
    throw new Problem('unauthenticated', 'Send your API key as "Authorization: Bearer <key>" or as X-API-Key')
  const [keyId = '', secret = '', ...rest] = key.split('.')
  return rest.length === 0 ? [keyId, secret] : ['', '']
}

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
