import { createMiddleware } from 'hono/factory'
import { routePath } from 'hono/route'
import type { App } from '../context'
import { newId } from '../lib/id'
import { log } from '../lib/log'

/** What we take for a request id from outside; anything else could forge log lines or blow them up. */
const SANE_REQUEST_ID = /^[A-Za-z0-9._-]{8,128}$/

/**
 * One line per request, of ids, codes and the route's pattern: the path itself can hold what a caller typed.
 */
export const requestLog = createMiddleware<App>(async (c, next) => {
  const startedAt = Date.now()
  const given = c.req.header('X-Request-Id')
  c.set('requestId', given && SANE_REQUEST_ID.test(given) ? given : newId())
  await next()
  c.header('X-Request-Id', c.var.requestId)
  if (c.var.ctx?.once.replayed) c.header('Idempotency-Replayed', 'true')
  log('request', {
    method: c.req.method,
    route: routePath(c),
    status: c.res.status,
    ms: Date.now() - startedAt,
    clinic: c.var.ctx?.clinic.id,
    key: c.var.ctx?.actor.keyId,
    request_id: c.var.requestId,
    problem: c.var.problem,
  })
})
