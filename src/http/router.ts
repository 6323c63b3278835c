import { METHOD_NAME_ALL, type ParamIndexMap, type ParamStash, type Router } from 'hono/router'
import type { RouterRoute } from 'hono/types'

/** What Hono adds for each handler of a route: the handler, and the route as it was defined. */
type Routed<Handler> = [handler: Handler, route: RouterRoute]

interface Added<Handler> {
  method: string
  path: string
  routed: Routed<Handler>
}

/** What answers one method of a path, in the order of definition, and where each parameter is found. */
type Chain<Handler> = [Routed<Handler>, ParamIndexMap][]

/** The routes whose paths differ at most in the names of their parameters. */
interface Place<Handler> {
  pattern: string
  chains: Map<string, Chain<Handler>>
}

export type ClosestRouter<Handler> = Router<Routed<Handler>> & {
  /** The pattern of the routes that serve the path, null where none does, and their methods. */
  at(path: string): { pattern: string | null; methods: string[] }
}

/**
 * Leads a path only to the routes that say most about it. The path `/hospitals/bulk` is no `/hospitals/:id`
 * too: a GET of it would otherwise look for a hospital named bulk.
 *
 * Hono's fast router refuses such neighbours, and its other one walks a tree for each request; this one runs
 * a regular expression. It leaves out handlers that are `idle`, which only document their route.
 */
export function closestRouter<Handler>(idle: (handler: Handler) => boolean): ClosestRouter<Handler> {
  const added: Added<Handler>[] = []
  let finder: ReturnType<typeof finderOf<Handler>> | undefined
  const find = (path: string) => {
    finder ??= finderOf(added)
    return finder(path)
  }
  return {
    name: 'closestRouter',
    add(method, path, routed) {
      if (finder) throw new Error(`${method} ${path} is added after the first request`)
      if (method === METHOD_NAME_ALL && !FRONT.test(path))
        throw new Error(`${path} is no path and all below it`)
      if (!idle(routed[0])) added.push({ method, path, routed })
    },
    match(method, path) {
      const { place, stash } = find(path)
      return [place?.chains.get(method) ?? chainOf(added, path, NOTHING_SERVED), stash]
    },
    at(path) {
      const { place } = find(path)
      return { pattern: place?.pattern ?? null, methods: [...(place?.chains.keys() ?? [])] }
    },
  }
}

const NO_STASH: ParamStash = []

/** Built with the first request, when all routes are known. */
function finderOf<Handler>(added: Added<Handler>[]) {
  const written = new Map<string, Place<Handler>>()
  const byMark = new Map<number, Place<Handler>>()
  const sources: string[] = []
  let groups = 0
  for (const shape of shapesOf(added)) {
    const place = placeOf(added, shape, groups + 1)
    const parameters = partsOf(shape).filter(isParameter).length
    if (parameters === 0) written.set(shape, place)
    else {
      groups += parameters + 1
      byMark.set(groups, place)
      // An empty group, and no parameter is empty, tells which of the shapes has matched.
      sources.push(`${sourceOf(shape)}()`)
    }
  }
  const shapes = new RegExp(`^(?:${sources.join('|')})$`)
  return (path: string) => {
    const place = written.get(path)
    if (place) return { place, stash: NO_STASH }
    const stash = shapes.exec(path) ?? NO_STASH
    return { place: byMark.get(stash.indexOf('', 1)), stash }
  }
}

/** `firstGroup`: the group of the regular expression in which the first parameter is found. */
function placeOf<Handler>(added: Added<Handler>[], shape: string, firstGroup: number): Place<Handler> {
  const ofShape = added.filter(({ method, path }) => method !== METHOD_NAME_ALL && shapeOf(path) === shape)
  const methods = new Set(ofShape.map(({ method }) => method))
  const chains = [...methods].map((method) => [method, chainOf(added, shape, method, firstGroup)] as const)
  return { pattern: ofShape[0]?.path ?? shape, chains: new Map(chains) }
}

const NOTHING_SERVED = ''

/** What stands in front of all routes below a path, and the handlers that serve the method of this shape. */
function chainOf<Handler>(added: Added<Handler>[], shape: string, method: string, firstGroup = 1) {
  return added.flatMap((one): Chain<Handler> => {
    if (one.method === METHOD_NAME_ALL) return isBelow(shape, one.path) ? [[one.routed, {}]] : []
    if (one.method !== method || shapeOf(one.path) !== shape) return []
    const names = partsOf(one.path).filter(isParameter).map(nameOf)
    return [[one.routed, Object.fromEntries(names.map((name, n) => [name, firstGroup + n]))]]
  })
}

/** The path of a handler for all methods. */
const FRONT = /^[^:*]*\/\*$/

/** `/hospitals/*` is in front of `/hospitals` too, and `/*` of whatever else a forged Host makes a path. */
function isBelow(path: string, front: string): boolean {
  const root = front.slice(0, -'/*'.length)
  return root === '' || path === root || path.startsWith(`${root}/`)
}

/** Each shape once. Of two that match the same path, the one with its earlier parts written out is first. */
function shapesOf<Handler>(added: Added<Handler>[]): string[] {
  const shapes = added.filter(({ method }) => method !== METHOD_NAME_ALL).map(({ path }) => shapeOf(path))
  return [...new Set(shapes)].sort((a, b) => vaguenessOf(a).localeCompare(vaguenessOf(b)))
}

const partsOf = (path: string): string[] => path.split('/')
const isParameter = (part: string): boolean => part.startsWith(':')
const nameOf = (parameter: string): string => /^:(\w+)/.exec(parameter)?.[1] ?? ''
/** `/patients/:id` and `/patients/:patient_id` have one shape. */
const shapeOf = (path: string): string => path.replace(/\/:\w+/g, '/:')

/** Compares as text. */
const vaguenessOf = (shape: string): string =>
  partsOf(shape)
    .map((part) => (!isParameter(part) ? 0 : part.includes('{') ? 1 : 2))
    .join('')

const sourceOf = (shape: string): string =>
  partsOf(shape)
    .map((part) => (isParameter(part) ? `(${patternIn(part) ?? '[^/]+'})` : part.replace(/\W/g, '\\$&')))
    .join('/')

/** `{…}` after the name of a parameter. */
const patternIn = (parameter: string): string | undefined => /\{(.+)\}$/.exec(parameter)?.[1]

/** Hono has no text behind a parameter: what is `:id_ics{…[.]ics}` to it, is `{id}.ics` to callers. */
export const withEnding = (path: string): string => path.replace(/\{(\w+)_ics\}/, '{$1}.ics')
