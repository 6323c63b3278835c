import { createMiddleware } from 'hono/factory'
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
    const served = servedAt(routing(), c.req.path)
    if (served.length === 0 || served.includes(c.req.method === 'HEAD' ? 'GET' : c.req.method)) return next()
    const allowed = [...served, ...(served.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].sort().join(', ')
    c.header('Allow', allowed)
    if (c.req.method === 'OPTIONS') return c.body(null, 204)
    throw new Problem('method_not_allowed', `This path allows ${allowed}`)
  })

/**
 * The methods of the route that says most about the path. `/hospitals/bulk` is that route and not
 * `/hospitals/:id` too: a GET of it would otherwise look for a hospital named bulk.
 */
function servedAt(routing: Routing, path: string): string[] {
  const found = METHODS.flatMap((method) =>
    routing
      .match(method, path)[0]
      .filter(([[, route]]) => route.method === method)
      .map(([[, route]]) => ({ method, vagueness: vaguenessOf(route.path) })),
  )
  const [least] = found.map(({ vagueness }) => vagueness).sort()
  return [...new Set(found.filter(({ vagueness }) => vagueness === least).map(({ method }) => method))]
}

/** Compares as text: of two routes, the one whose earlier parts are written out comes first. */
const vaguenessOf = (route: string): string =>
  route
    .split('/')
    .map((part) => (!part.startsWith(':') ? 0 : part.includes('{') ? 1 : 2))
    .join('')
