import { createMiddleware } from 'hono/factory'
import { matchedRoutes } from 'hono/route'
import type { Router } from 'hono/router'
import type { RouterRoute } from 'hono/types'
import type { App } from '../context'
import { Problem } from '../problem'

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

/** Of each match a router gives handler and route; the route of a middleware has the method ALL. */
export type Routing = Router<[unknown, RouterRoute]>

/**
 * Answers a request whose path exists, but not with its method: OPTIONS with `Allow`, any other with 405.
 * It reads nothing, so it asks for no key. What exists at no path at all is left to `authenticate`.
 */
export const knownMethod = (routing: () => Routing) =>
  createMiddleware<App>(async (c, next) => {
    if (matchedRoutes(c).some(({ method }) => method !== 'ALL')) return next()
    const allowed = allowedAt(routing(), c.req.path)
    if (allowed.length === 0) return next()
    c.header('Allow', allowed.join(', '))
    if (c.req.method === 'OPTIONS') return c.body(null, 204)
    throw new Problem('method_not_allowed', `This path allows ${allowed.join(', ')}`)
  })

function allowedAt(routing: Routing, path: string): string[] {
  const served = METHODS.filter((method) =>
    routing.match(method, path)[0].some(([[, route]]) => route.method === method),
  )
  if (served.length === 0) return []
  return [...served, ...(served.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].sort()
}
