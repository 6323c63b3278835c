import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import type { Router } from 'hono/router'
import type { RouterRoute } from 'hono/types'
import type { App } from '../context'
import { notFound, Problem } from '../problem'

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

/** Of each match a router gives handler and route; the route of a middleware has the method ALL. */
export type Routing = Router<[unknown, RouterRoute]>

/**
 * Answers a request that no route serves: 404 where the path does not exist; 405, or OPTIONS with `Allow`,
 * where only its method does not. It reads nothing and the document is public, so it asks for no key: a
 * browser that looks for /favicon.ico and a caller who misspells a path learn what is wrong.
 * `open`: the routes without a key, which people type into a browser.
 */
export const knownRoute = (routing: () => Routing, open: () => Routing) =>
  createMiddleware<App>(async (c, next) => {
    const { methods } = routeAt(routing(), c.req.path)
    if (methods.length === 0) return elsewhere(c, routing(), open())
    if (methods.includes(methodOf(c))) return next()
    const allowed = [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].sort().join(', ')
    c.header('Allow', allowed)
    if (c.req.method === 'OPTIONS') return c.body(null, 204)
    throw new Problem('method_not_allowed', `This path allows ${allowed}`)
  })

const methodOf = (c: Context<App>): string => (c.req.method === 'HEAD' ? 'GET' : c.req.method)

/** A path that is right but for a slash at its end: a browser is led on, a program is told. */
function elsewhere(c: Context<App>, routing: Routing, open: Routing): Response {
  const path = c.req.path.replace(SLASHES_AT_END, '')
  const { pattern } = routeAt(routing, path)
  if (path === c.req.path || path === '' || pattern === null) throw notFound('Route')
  const { pathname, search } = new URL(c.req.url)
  if (routeAt(open, path).methods.includes(methodOf(c)))
    return c.redirect(pathname.replace(SLASHES_AT_END, '') + search, 308)
  // The pattern and not the path, which can hold an id or a name.
  const shown = pattern.replace(/:(\w+)(?:\{[^}]*\})?/g, '{$1}')
  throw new Problem('not_found', `Route not found; send the path without a slash at its end: ${shown}`)
}

const SLASHES_AT_END = /\/+$/

/**
 * The route that says most about the path: its pattern, and its methods. The path `/hospitals/bulk` is not a
 * `/hospitals/:id` too: a GET of it would otherwise look for a hospital named bulk.
 */
function routeAt(routing: Routing, path: string): { pattern: string | null; methods: string[] } {
  const found = METHODS.flatMap((method) =>
    routing.match(method, path)[0].flatMap(([[, route]]) => (route.method === method ? route : [])),
  )
  const [least] = found.map((route) => vaguenessOf(route.path)).sort()
  const closest = found.filter((route) => vaguenessOf(route.path) === least)
  return {
    pattern: closest[0]?.path ?? null,
    methods: [...new Set(closest.map(({ method }) => method))],
  }
}

/** Compares as text: of two routes, the one whose earlier parts are written out comes first. */
const vaguenessOf = (route: string): string =>
  route
    .split('/')
    .map((part) => (!part.startsWith(':') ? 0 : part.includes('{') ? 1 : 2))
    .join('')
