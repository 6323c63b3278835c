import { createMiddleware } from 'hono/factory'
import { routePath } from 'hono/route'
import type { App } from '../context'
import { newId } from '../lib/crypto'
import { log } from '../lib/log'
import { addHeader } from './endpoint'

/** What we take for a request id from outside; anything else could forge log lines or blow them up. */
const SANE_REQUEST_ID = /^[A-Za-z0-9._-]{8,128}$/

/**
 * One line per request, of ids, codes and the route's pattern: the path itself can hold what a caller typed.
 */
export const requestLog = createMiddleware<App>(async (c, next) => {
  const startedAt = Date.now()
  const given = c.req.header('X-Request-Id')
  const requestId = given && SANE_REQUEST_ID.test(given) ? given : newId()
  c.set('requestId', requestId)
  await next()
  const { claim, ctx, problem } = c.var
  addHeader(c, 'X-Request-Id', requestId)
  if (claim?.replayed) addHeader(c, 'Idempotency-Replayed', 'true')
  log('request', {
    method: c.req.method,
    route: routePath(c),
    status: c.res.status,
    ms: Date.now() - startedAt,
    clinic: ctx?.clinic.id,
    key: ctx?.actor.keyId,
    request_id: requestId,
    problem,
  })
})
