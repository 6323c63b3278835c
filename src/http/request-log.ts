import { createMiddleware } from 'hono/factory'
import { routePath } from 'hono/route'
import type { App } from '../context'
import { newId } from '../lib/crypto'
import { log } from '../lib/log'
import { addHeader } from './endpoint'

/** A caller's request id must look like this; any other text could forge log lines or make them huge. */
const VALID_REQUEST_ID = /^[A-Za-z0-9._-]{8,128}$/

const HSTS = 'max-age=31536000'

/** Logs ids, codes and the route's pattern of each request; the path itself can contain personal text. */
export const requestLog = createMiddleware<App>(async (c, next) => {
  const startedAt = Date.now()
  const given = c.req.header('X-Request-Id')
  const requestId = given && VALID_REQUEST_ID.test(given) ? given : newId()
  c.set('requestId', requestId)
  await next()
  // Each use of `c.var` would copy all of them.
  const [claim, ctx] = [c.get('claim'), c.get('ctx')]
  addHeader(c, 'X-Request-Id', requestId)
  addHeader(c, 'X-Content-Type-Options', 'nosniff')
  // What a browser has reached by https, it never asks for by http again, where others could read the key.
  if (c.req.url.startsWith('https:')) addHeader(c, 'Strict-Transport-Security', HSTS)
  if (claim?.replayed) addHeader(c, 'Idempotency-Replayed', 'true')
  log('request', {
    method: c.req.method,
    route: routePath(c),
    status: c.res.status,
    ms: Date.now() - startedAt,
    clinic: ctx?.clinic.id,
    key: ctx?.actor.keyId,
    request_id: requestId,
    problem: c.get('problem'),
  })
})
