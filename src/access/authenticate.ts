import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import type { ActingClinic, App, Ctx } from '../context'
import type { DayVersion } from '../doctor-day/state/day'
import { addHeader } from '../http/endpoint'
import { DAY_VERSION, toDayVersion } from '../http/input/day-version'
import { type Db, databaseOf } from '../lib/db'
import { type Claim, NO_FINGERPRINT, once } from '../once'
import { Problem } from '../problem'
import { type KeyText, readKey } from './key-text'
import { findKey } from './known-keys'

/** `Authorization: Bearer <key>` or `X-API-Key: <key>` → the clinic this request acts for, or 401. */
export const authenticate = createMiddleware<App>(async (c, next) => {
  const sent = credentials(c)
  const db = databaseOf(c.env.DB)
  const found = sent ? await findKey(c.env, db, sent) : undefined
  if (!sent || !found)
    throw new Problem('unauthenticated', 'This API key is unknown, revoked or expired; send a valid one')
  c.set('ctx', contextOf(c, db, found.clinic, { keyId: sent.id, scopes: found.scopes }))
  await next()
  const day = c.get('day')
  if (day) addHeader(c, DAY_VERSION, toDayVersion(day))
  // A reply is for the holder of the key only: no browser and no proxy may store it.
  addHeader(c, 'Cache-Control', 'no-store')
})

/** The key that the caller sent; null where it is no key. */
function credentials(c: Context<App>): KeyText | null {
  const bearer = c.req.header('Authorization')?.match(/^Bearer +(\S+)$/i)?.[1]
  const key = bearer ?? c.req.header('X-API-Key')?.trim()
  if (!key)
    throw new Problem('unauthenticated', 'Send your API key as "Authorization: Bearer <key>" or as X-API-Key')
  return readKey(key)
}

export function contextOf(c: Context<App>, db: Db, clinic: ActingClinic, actor: Ctx['actor']): Ctx {
  const acting = {
    env: c.env,
    db,
    now: Date.now(),
    requestId: c.get('requestId'),
    clinic,
    actor,
    recordClaim: (claim: Claim) => c.set('claim', claim),
    recordDay: (day: DayVersion) => c.set('day', day),
    later: (work: Promise<unknown>) => c.executionCtx.waitUntil(work),
  }
  return { ...acting, once: once(acting, { key: null, fingerprint: NO_FINGERPRINT }) }
}
