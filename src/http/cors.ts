import { cors } from 'hono/cors'
import { createMiddleware } from 'hono/factory'
import type { App } from '../context'
import { log } from '../lib/log'
import { HOUR_MS, SECOND_MS } from '../lib/time'

/** What a browser’s script may read of an answer, and send with a request. Never a cookie. */
const READ = [
  'Allow',
  'ETag',
  'Idempotency-Replayed',
  'Ignored-Fields',
  'Link',
  'Retry-After',
  'X-Next-Cursor',
  'X-Request-Id',
  'X-As-Of',
  'X-Day-Version',
  'Content-Disposition',
]
const SENT = [
  'Authorization',
  'Content-Type',
  'Idempotency-Key',
  'If-Match',
  'Last-Event-ID',
  'X-API-Key',
  'X-Request-Id',
]

const allowOrigins = cors({
  origin: (origin, c) => (originsOf(c.env.CORS_ORIGINS).includes(origin) ? origin : null),
  allowMethods: ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'],
  allowHeaders: SENT,
  exposeHeaders: READ,
  maxAge: HOUR_MS / SECOND_MS,
})

/**
 * Lets the pages of the origins in the setting `CORS_ORIGINS` read answers; without it, those of none. A
 * WebSocket is not subject to CORS, and OPTIONS that is no preflight is answered like any other method.
 */
export const crossOrigin = createMiddleware<App>((c, next) => {
  if (originsOf(c.env.CORS_ORIGINS).length === 0) return next()
  const isPlainOptions = c.req.method === 'OPTIONS' && !c.req.header('Access-Control-Request-Method')
  return isPlainOptions || c.req.header('Upgrade') ? next() : allowOrigins(c, next)
})

/** Scheme, host and port as a browser sends them. A wildcard would let every page in; `null` is any file. */
const ORIGIN = /^https?:\/\/[a-z0-9.-]+(?::\d+)?$/

const isOrigin = (text: string): boolean => ORIGIN.test(text) && URL.parse(text)?.origin === text

let read: { setting: string; origins: string[] } | undefined

/** Read once per isolate. An entry that is no origin lets nobody in and is logged. */
function originsOf(setting = ''): string[] {
  if (read?.setting === setting) return read.origins
  const entries = setting.split(',').flatMap((entry) => entry.trim() || [])
  const origins = entries.filter(isOrigin)
  if (origins.length < entries.length) log('cors.no_origin', { entries: entries.length - origins.length })
  read = { setting, origins }
  return origins
}
