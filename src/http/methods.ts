import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { matchedRoutes } from 'hono/route'
import { METHOD_NAME_ALL, type Router } from 'hono/router'
import type { H, RouterRoute } from 'hono/types'
import type { App } from '../context'
import { notFound, Problem } from '../problem'
import { type ClosestRouter, withEnding } from './router'

/**
 * Answers a request that no route serves: 404 where the path does not exist; 405, or OPTIONS with `Allow`,
 * where only its method does not. It reads nothing and the document is public, so it asks for no key: a
 * browser that looks for /favicon.ico and a caller who misspells a path learn what is wrong.
 * `open`: the routes without a key, which people type into a browser.
 */
export const knownRoute = (router: ClosestRouter<H>, open: () => Router<[H, RouterRoute]>) =>
  createMiddleware<App>((c, next) =>
    matchedRoutes(c).some(isServing) ? next() : answerUnserved(c, router, open()),
  )

/** The handlers in front of the routes have all methods. */
const isServing = ({ method }: RouterRoute): boolean => method !== METHOD_NAME_ALL

async function answerUnserved(
  c: Context<App>,
  router: ClosestRouter<H>,
  open: Router<[H, RouterRoute]>,
): Promise<Response> {
  const { methods } = router.at(c.req.path)
  if (methods.length === 0) return elsewhere(c, router, open)
  const allowed = [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].sort().join(', ')
  c.header('Allow', allowed)
  if (c.req.method === 'OPTIONS') return c.body(null, 204)
  throw new Problem('method_not_allowed', `This path allows ${allowed}`)
}

/** A path that is right but for a slash at its end: a browser is led on, a program is told. */
function elsewhere(c: Context<App>, router: ClosestRouter<H>, open: Router<[H, RouterRoute]>): Response {
  const path = c.req.path.replace(SLASHES_AT_END, '')
  const { pattern } = router.at(path)
  if (path === c.req.path || path === '' || pattern === null) throw notFound('Route')
  const { pathname, search } = new URL(c.req.url)
  const method = c.req.method === 'HEAD' ? 'GET' : c.req.method
  if (open.match(method, path)[0].some(([[, route]]) => isServing(route)))
    return c.redirect(pathname.replace(SLASHES_AT_END, '') + search, 308)
  // The pattern and not the path, which can hold an id or a name.
  const shown = withEnding(pattern.replace(/:(\w+)(?:\{[^}]*\})?/g, '{$1}'))
  throw new Problem('not_found', `Route not found; send the path without a slash at its end: ${shown}`)
}

const SLASHES_AT_END = /\/+$/
