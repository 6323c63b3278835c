import fc from 'fast-check'
import { TrieRouter } from 'hono/router/trie-router'
import type { RouterRoute } from 'hono/types'
import { expect, test } from 'vitest'
import { api } from '../src/api'
import { isDocumentation } from '../src/http/endpoint'
import { closestRouter } from '../src/http/router'

/** Hono's own router, which finds every route that a path could be; and the rule that one of them is meant. */
const tree = new TrieRouter<RouterRoute>()
for (const route of api.routes) tree.add(route.method, route.path, route)

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']
const vagueness = (path: string) =>
  path
    .split('/')
    .map((part) => (part.startsWith(':') ? (part.includes('{') ? 1 : 2) : 0))
    .join('')

function expected(method: string, path: string) {
  const served = METHODS.flatMap((one) => tree.match(one, path)[0].filter(([route]) => route.method === one))
  const [least] = served.map(([route]) => vagueness(route.path)).sort()
  const chain = tree
    .match(method, path)[0]
    .filter(([route]) => route.method === 'ALL' || vagueness(route.path) === least)
  const found = served.filter(([route]) => vagueness(route.path) === least).map(([route]) => route.method)
  return { chain, methods: [...new Set(found)].sort() }
}

const pieces = ['', 'x', '019f-1', 'bulk', 'holds', 'doctors', 'serve', 'no-show', 'docs', 'a.b', 'é', 'a\nb']
const written = api.routes.flatMap(({ path }) => path.split('/')).filter((part) => !/^[:*]/.test(part))
const piece = fc.constantFrom(...pieces, ...new Set(written))
const filled = fc
  .constantFrom(...new Set(api.routes.map(({ path }) => path)))
  .chain((path) =>
    fc.tuple(...path.split('/').map((part) => (/^[:*]/.test(part) ? piece : fc.constant(part)))),
  )
  .map((parts) => parts.join('/'))
const anyPath = fc.oneof(
  { weight: 6, arbitrary: filled },
  { weight: 2, arbitrary: fc.tuple(filled, piece).map(([path, more]) => `${path}/${more}`) },
  { weight: 1, arbitrary: fc.array(piece, { maxLength: 8 }).map((parts) => `/${parts.join('/')}`) },
)

test('every path reaches the handlers that Hono’s own router finds for the closest route, in order', () => {
  const reached = new Set<string>()
  fc.assert(
    fc.property(fc.constantFrom(...METHODS, 'OPTIONS', 'PROPFIND'), anyPath, (method, path) => {
      const { chain, methods } = expected(method, path)
      const [found, stash] = api.router.match(method, path) as [[[unknown, RouterRoute], object][], string[]]
      const doing = chain.filter(([{ handler }]) => !isDocumentation(handler))
      expect(found.map(([[, route]]) => route)).toEqual(doing.map(([route]) => route))
      const valuesOf = (names: object) => Object.entries(names).map(([name, n]) => [name, stash[n]])
      expect(found.map(([, names]) => valuesOf(names))).toEqual(
        doing.map(([, params]) => Object.entries(params)),
      )
      if (methods.length > 0) reached.add(`${methods} ${chain.at(-1)?.[0].path}`)
    }),
    { numRuns: 5_000 },
  )
  expect(reached.size).toBeGreaterThan(60)
})

test('a router takes no route after the first request, and no handler of all methods that is below an id', () => {
  const router = closestRouter<() => void>(() => false)
  const route = { basePath: '/', path: '/a/:id/*', method: 'ALL', handler: () => {} }
  expect(() => router.add('ALL', route.path, [route.handler, route])).toThrow(route.path)
  router.match('GET', '/')
  expect(() => router.add('GET', '/b', [route.handler, route])).toThrow('/b')
})
