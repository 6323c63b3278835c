import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { routePath } from 'hono/route'
import type { App } from '../context'
import { textFault } from '../lib/text'
import type { Fault } from '../problem'
import { invalid } from './failure'
import type { Fields } from './input/fields'

/**
 * What a URL may hold. Bytes that are not UTF-8, like those of a lone surrogate, would be decoded as one and
 * the same replacement character, so that two ids became one.
 */

const NOT_UTF8 = 'must be percent-encoded UTF-8'
const ENCODED = /(?:%[0-9a-f]{2})+/gi

/** A host name or address, and a port. */
const AUTHORITY = String.raw`[\w.:[\]-]+`
const SOUND_HOST = new RegExp(`^${AUTHORITY}$`)
const SOUND_URL = new RegExp(`^https?://${AUTHORITY}(?=[/?#]|$)`)

/**
 * The runtime builds the URL of a request from the header Host, which the caller writes. With a Host that is
 * no host name, the router and the URL parser find different paths in that URL.
 */
export const soundHost = createMiddleware<App>((c, next) => {
  const { url } = c.req
  // A Host that has a path of its own makes a URL that is sound and not the caller's.
  const host = c.req.header('Host')
  const isSound = host === undefined || SOUND_HOST.test(host)
  if (!isSound || !SOUND_URL.test(url) || !URL.canParse(url))
    throw invalid([faultOf('Host', 'must be the name and port of this service', 'format')])
  return next()
})

/** A path that the URL parser would not change, and whose parts are sound texts. Most paths are. */
const PLAIN_PATH = /^(?:\/[\w~-][\w.~:@-]*)+$/

/** The parameters of the path: texts of one line that are not blank. */
export const soundPath = createMiddleware<App>((c, next) => {
  const faults = PLAIN_PATH.test(c.req.path) ? [] : pathFaults(c.req.url, patternOf(c))
  if (faults.length > 0) throw invalid(faults)
  return next()
})

/** Of the route that it stands in; where it stands before all routes, of the one that will answer. */
function patternOf(c: Context<App>): string {
  const here = routePath(c)
  return here.includes(':') ? here : routePath(c, -1)
}

function pathFaults(url: string, pattern: string): Fault[] {
  const given = new URL(url).pathname.split('/')
  return pattern
    .split('/')
    .flatMap((part, index) => faultOfParameter(/^:(\w+)/.exec(part)?.[1], given[index] ?? ''))
}

function faultOfParameter(named: string | undefined, encoded: string): Fault[] {
  if (named === undefined) return []
  // `:id_ics` is an id and the ending .ics.
  const name = named.replace(/_ics$/, '')
  const text = decoded(name === named ? encoded : encoded.replace(/\.ics$/, ''))
  const sentence = text === null ? NOT_UTF8 : textFault(text, 'line')
  return sentence === null ? [] : [faultOf(name, sentence)]
}

/**
 * Throws if a part of the query is not UTF-8, or if a field has two values: the caller meant one of them, and
 * which one counts differs between servers. A `%` that encodes nothing is itself.
 */
export function checkQuery(url: string, fields: Fields): void {
  if (!url.includes('?')) return
  const { search, searchParams } = new URL(url)
  const notUtf8 = search
    .slice(1)
    .split('&')
    .filter((pair) => decoded(pair) === null)
    .map((pair) => faultOf(decoded(pair.split('=', 1)[0] ?? '') ?? 'query', NOT_UTF8))
  const repeated = [...fields.keys()]
    .filter((name) => searchParams.getAll(name).length > 1)
    .map((name) => faultOf(name, 'is given more than once; send it once', 'unique'))
  if (notUtf8.length + repeated.length > 0) throw invalid([...notUtf8, ...repeated])
}

const faultOf = (field: string, sentence: string, rule = 'text'): Fault => ({
  field,
  rule,
  message: `${field} ${sentence}`,
})

/** Null if bytes in it are not UTF-8. */
function decoded(encoded: string): string | null {
  try {
    return encoded.replace(ENCODED, decodeURIComponent)
  } catch {
    return null
  }
}
