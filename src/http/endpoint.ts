import { type Context, Hono, type MiddlewareHandler, type TypedResponse } from 'hono'
import { createMiddleware } from 'hono/factory'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { describeRoute, resolver, uniqueSymbol } from 'hono-openapi'
import * as v from 'valibot'
import type { App } from '../context'
import type { TextPage } from '../lib/db'
import type { Page } from '../lib/page'
import { Problem, type ProblemCode } from '../problem'
import { invalid, parse } from './failure'
import { idempotencyKey, identify } from './idempotency'
import { JSON_BYTES_MAX, readText } from './limits'

type Schema = v.GenericSchema<unknown, unknown>

export const resource = () => new Hono<App>()

/** What the document says of a route: what it does, and what it answers. */
export const doc = (summary: string, statuses: number | number[], reply: Schema | null) =>
  describeRoute({
    summary,
    responses: Object.fromEntries(
      [statuses].flat().map((status) => [status, responseOf(summary, status, reply)]),
    ),
  })

/**
 * Which refusals of its own a route knows. Those that every such route shares (no key, bad JSON …) are added
 * where the document is put together.
 */
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

/**
 * Reads and validates a JSON body, whatever Content-Type says, and learns which operation this request is.
 */
export const body = <S extends Schema>(schema: S) =>
  documented<'json', S>('json', schema, async (c, next) => {
    const input = parse(schema, await readJson(c))
    const { idempotency_key, ...wanted } = input as { idempotency_key?: string }
    identify(c, idempotencyKey(c, idempotency_key), wanted)
    c.req.addValidatedData('json', input as object)
    await next()
  })

/** Validates the query string. A parameter given twice counts once, the first. */
export const query = <S extends Schema>(schema: S) =>
  documented<'query', S>('query', schema, async (c, next) => {
    c.req.addValidatedData('query', parse(schema, c.req.query()) as object)
    await next()
  })

/** Validates what stands in the path. A value that cannot be is 400, not a record that was not found. */
export const path = <S extends Schema>(schema: S) =>
  documented<'param', S>('param', schema, async (c, next) => {
    c.req.addValidatedData('param', parse(schema, c.req.param()) as object)
    await next()
  })

/** For a POST whose path says all: learns which operation this request is, and reads no body. */
export const noBody = createMiddleware<App>(async (c, next) => {
  identify(c, idempotencyKey(c), null)
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

/** Always an object, so that a schema's own checks may look into it. */
async function readJson(c: Context<App>): Promise<object> {
  const text = await readText(c.req.raw, JSON_BYTES_MAX)
  const value = parsed(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid([{ field: 'body', rule: 'object', message: 'The body must be a JSON object' }])
  return value
}

function parsed(text: string): unknown {
  try {
    return text.trim() === '' ? {} : JSON.parse(text)
  } catch {
    throw new Problem('invalid_json', 'The body must be JSON')
  }
}

/** Answers with what the schema names and nothing else: a field that is not documented cannot leave. */
export function reply<S extends Schema, Status extends ContentfulStatusCode = 200>(
  c: Context<App>,
  schema: S,
  value: v.InferInput<S>,
  status?: Status,
): Response & TypedResponse<v.InferOutput<S>, Status, 'json'> {
  return c.json(v.parse(schema, value) as never, status ?? 200) as never
}

/** Answers with a bare array; `Link: <…>; rel="next"` leads on. */
export function replyPage<S extends Schema>(c: Context<App>, row: S, page: Page<v.InferInput<S>>) {
  linkNext(c, page.next)
  return reply(c, v.array(row), page.rows)
}

/** As `replyPage`, for rows that are JSON already; what they hold was chosen where they were selected. */
export function replyTextPage<S extends Schema>(
  c: Context<App>,
  _row: S,
  page: TextPage,
): Response & TypedResponse<v.InferOutput<S>[], 200, 'json'> {
  linkNext(c, page.next)
  return c.body(page.text, 200, { 'Content-Type': 'application/json' }) as never
}

export function linkNext(c: Context<App>, value: string | null, parameter = 'cursor'): void {
  if (value === null) return
  const next = new URL(c.req.url)
  next.searchParams.set(parameter, value)
  c.header('Link', `<${next}>; rel="next"`)
}

/**
 * For an answer that is made already. `c.header` would first make another of it, whose body is a stream: of a
 * page of 1,000 records that is a copy more.
 */
export const addHeader = (c: Context<App>, name: string, value: string): void =>
  c.res.headers.set(name, value)
