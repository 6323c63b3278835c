import { type Context, Hono, type MiddlewareHandler, type TypedResponse } from 'hono'
import { createMiddleware } from 'hono/factory'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { describeRoute, resolver, uniqueSymbol } from 'hono-openapi'
import * as v from 'valibot'
import type { App } from '../context'
import type { TextPage } from '../lib/db'
import type { Page } from '../lib/page'
import { LONE_SURROGATE, loneSurrogateIn } from '../lib/text'
import { Problem, type ProblemCode } from '../problem'
import { invalid, parse } from './failure'
import { fieldsOf, NO_FIELDS } from './fields'
import { idempotencyKey, prepareOnce } from './idempotency'
import { JSON_BYTES_MAX, readText } from './limits'
import { checkQuery } from './url'

type Schema = v.GenericSchema<unknown, unknown>

export const resource = () => new Hono<App>()

/** Documents a route: its summary and its successful answers. */
export const doc = (summary: string, statuses: number | number[], reply: Schema | null) =>
  describeRoute({
    summary,
    responses: Object.fromEntries(
      [statuses].flat().map((status) => [status, responseOf(summary, status, reply)]),
    ),
  })

/** Documents a route's own refusals. openapi.ts adds those that such routes share (no key, bad JSON …). */
export const refuses = (...problems: ProblemCode[]) =>
  describeRoute({ 'x-problems': problems } as Parameters<typeof describeRoute>[0])

const responseOf = (description: string, status: number, reply: Schema | null) => ({
  description,
  ...(reply && status !== NO_CONTENT && { content: asJson(reply) }),
})

const NO_CONTENT = 204

const asJson = (schema: Schema) => ({
  'application/json': { schema: resolver(schema, { options: { typeMode: 'output' } }) },
})

type Validated<Target extends string, S extends Schema> = {
  in: { [K in Target]: v.InferInput<S> }
  out: { [K in Target]: v.InferOutput<S> }
}

/** Reads and validates a JSON body, whatever its Content-Type, and gives the action its `once`. */
export const body = <S extends Schema>(schema: S) => {
  const fields = fieldsOf(schema)
  return documented<'json', S>('json', schema, async (c, next) => {
    const input = parse(schema, await readJson(c))
    const { idempotency_key, ...wanted } = input as { idempotency_key?: string }
    prepareOnce(c, idempotencyKey(c, idempotency_key), wanted, fields)
    c.req.addValidatedData('json', input as object)
    await next()
  })
}

/** Validates the query string. If a parameter is given twice, its first value counts. */
export const query = <S extends Schema>(schema: S) =>
  documented<'query', S>('query', schema, async (c, next) => {
    checkQuery(c.req.url)
    c.req.addValidatedData('query', parse(schema, c.req.query()) as object)
    await next()
  })

/** Validates the path's parameters. A malformed value is 400; only a well-formed unknown one is 404. */
export const path = <S extends Schema>(schema: S) =>
  documented<'param', S>('param', schema, async (c, next) => {
    c.req.addValidatedData('param', parse(schema, c.req.param()) as object)
    await next()
  })

/** For a POST that needs no body: gives the action its `once` and reads nothing. */
export const noBody = createMiddleware<App>(async (c, next) => {
  prepareOnce(c, idempotencyKey(c), null, NO_FIELDS)
  await next()
})

function documented<Target extends 'json' | 'query' | 'param', S extends Schema>(
  target: Target,
  schema: S,
  middleware: MiddlewareHandler<App>,
): MiddlewareHandler<App, string, Validated<Target, S>> {
  return Object.assign(middleware as MiddlewareHandler<App, string, Validated<Target, S>>, {
    [uniqueSymbol]: { target, ...resolver(schema, { options: { typeMode: 'input' } }) },
  })
}

/** The bytes are UTF-8, so only an escape can be half of a surrogate pair. */
const ESCAPED_SURROGATE = /\\u[dD][89a-fA-F]/

/** Always an object, so that a schema's own checks can read its fields. */
async function readJson(c: Context<App>): Promise<object> {
  const text = await readText(c.req.raw, JSON_BYTES_MAX)
  const value = parsed(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid([{ field: 'body', rule: 'object', message: 'The body must be a JSON object' }])
  const field = ESCAPED_SURROGATE.test(text) ? loneSurrogateIn(value) : null
  if (field !== null) throw invalid([{ field, rule: 'text', message: `${field} ${LONE_SURROGATE}` }])
  return value
}

function parsed(text: string): unknown {
  try {
    return text.trim() === '' ? {} : JSON.parse(text)
  } catch {
    throw new Problem('invalid_json', 'The body must be valid JSON')
  }
}

/** Answers with the schema's fields only, so that an undocumented field cannot leave. */
export function reply<S extends Schema, Status extends ContentfulStatusCode = 200>(
  c: Context<App>,
  schema: S,
  value: v.InferInput<S>,
  status?: Status,
): Response & TypedResponse<v.InferOutput<S>, Status, 'json'> {
  return c.json(v.parse(schema, value) as never, status ?? 200) as never
}

/** Answers with a bare array; `Link: <…>; rel="next"` points to the next page. */
export function replyPage<S extends Schema>(c: Context<App>, row: S, page: Page<v.InferInput<S>>) {
  linkNext(c, page.next)
  return reply(c, v.array(row), page.rows)
}

/** As `replyPage`, for rows that are already JSON; the query that selected them chose their fields. */
export function replyTextPage<S extends Schema>(
  c: Context<App>,
  _row: S,
  page: TextPage,
): Response & TypedResponse<v.InferOutput<S>[], 200, 'json'> {
  linkNext(c, page.next)
  return c.body(page.text, 200, { 'Content-Type': 'application/json' }) as never
}

/** A relative reference: scheme and host of the request may be a proxy’s, or forged. */
export function linkNext(c: Context<App>, value: string | null, parameter = 'cursor'): void {
  if (value === null) return
  const { pathname, searchParams } = new URL(c.req.url)
  searchParams.set(parameter, value)
  c.header('Link', `<${pathname}?${searchParams}>; rel="next"`)
}

/**
 * Adds a header to a finished response. `c.header` would first build another response whose body is a stream:
 * one more copy of a page of 1,000 records.
 */
export const addHeader = (c: Context<App>, name: string, value: string): void =>
  c.res.headers.set(name, value)
