import { type Context, Hono, type MiddlewareHandler, type TypedResponse } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { describeRoute, resolver, uniqueSymbol } from 'hono-openapi'
import * as v from 'valibot'
import type { App } from '../context'
import { type TextPage, unmarked, unmarkedBytes } from '../lib/db'
import type { Page } from '../lib/page'
import type { ProblemCode } from '../problem'
import { checked, parse } from './failure'
import { idempotencyKey, prepareOnce } from './idempotency'
import { fieldsOf, NO_FIELDS } from './input/fields'
import { readJson } from './input/json'
import type { Whose } from './input/strangers'
import { chooseForm, type Form, formParameter, LIST_FORMS } from './lists/form'
import { replyCsv, wantsCsv } from './lists/reply'
import { checkQuery } from './url'

type Schema = v.GenericSchema<unknown, unknown>

export const resource = () => new Hono<App>()

/**
 * Documents a route: its summary and its successful answers. An array is a list, which can be CSV too; where
 * a list is an object around its rows, `forms` says so.
 */
export const doc = (
  summary: string,
  statuses: number | number[],
  reply: Schema | null,
  forms: readonly Form[] = reply?.type === 'array' ? LIST_FORMS : [],
) =>
  documents({
    summary,
    ...(forms.length > 0 && { parameters: [formParameter(forms)] }),
    responses: Object.fromEntries(
      [statuses].flat().map((status) => [status, responseOf(summary, status, reply, forms)]),
    ),
  })

/** Documents a route's own refusals. openapi.ts adds those that such routes share (no key, bad JSON …). */
export const refuses = (...problems: ProblemCode[]) =>
  documents({ 'x-problems': problems } as Parameters<typeof describeRoute>[0])

const documentations = new WeakSet<object>()

/** A handler that does nothing; only the OpenAPI document reads it. */
export function documents(operation: Parameters<typeof describeRoute>[0]): MiddlewareHandler {
  const handler = describeRoute(operation)
  documentations.add(handler)
  return handler
}

/** The router leaves such handlers out. */
export const isDocumentation = (handler: object): boolean => documentations.has(handler)

const responseOf = (description: string, status: number, reply: Schema | null, forms: readonly Form[]) => ({
  description,
  ...(reply && status !== NO_CONTENT && { content: { ...asJson(reply), ...asText(forms) } }),
})

const asText = (forms: readonly Form[]) =>
  Object.fromEntries(
    forms
      .filter((form) => form !== 'json')
      .map((form) => [`text/${form}`, { schema: { type: 'string' as const } }]),
  )

const NO_CONTENT = 204

const asJson = (schema: Schema) => ({
  'application/json': { schema: resolver(schema, { options: { typeMode: 'output' } }) },
})

type Validated<Target extends string, S extends Schema> = {
  in: { [K in Target]: v.InferInput<S> }
  out: { [K in Target]: v.InferOutput<S> }
}

/**
 * Reads and validates a JSON body, whatever its Content-Type, and gives the action its `once`. `forms`: of a
 * list that is asked for by POST.
 */
export const body = <S extends Schema>(schema: S, whose: Whose = 'ours', forms: readonly Form[] = []) => {
  const fields = fieldsOf(schema)
  return documented<'json', S>('json', schema, async (c, next) => {
    const sent = await readJson(c.req.raw)
    const { input, ignored } = checked(schema, fields, sent, whose)
    const alsoIgnored = unknownQuery(c, whose, forms)
    if (forms.length > 0) chooseForm(c, forms)
    const { idempotency_key, ...wanted } = input as { idempotency_key?: string }
    prepareOnce(c, idempotencyKey(c, idempotency_key), wanted, fields)
    c.req.addValidatedData('json', input as object)
    await next()
    tellIgnored(c, [...ignored, ...alsoIgnored])
  })
}

/** As `body`, for a route without a key, which gives the action its `once` itself. */
export const openBody = <S extends Schema>(schema: S) => {
  const fields = fieldsOf(schema)
  return documented<'json', S>('json', schema, async (c, next) => {
    const { input } = checked(schema, fields, await readJson(c.req.raw), 'ours')
    unknownQuery(c, 'ours')
    c.req.addValidatedData('json', input as object)
    await next()
  })
}

/**
 * Validates the query string. A query with `limit` is of a list, and so is one with `forms`: it takes
 * `format`, which decides the form of the answer together with `Accept`.
 */
export const query = <S extends Schema>(schema: S, whose: Whose = 'ours', forms?: readonly Form[]) => {
  const own = fieldsOf(schema)
  const listed = forms ?? (own.has('limit') ? LIST_FORMS : [])
  const fields = listed.length > 0 ? new Map([...own, ...fieldsOf(WITH_FORMAT)]) : own
  return documented<'query', S>('query', schema, async (c, next) => {
    checkQuery(c.req.url, fields)
    if (listed.length > 0) chooseForm(c, listed)
    const { input, ignored } = checked(schema, fields, c.req.query(), whose)
    c.req.addValidatedData('query', input as object)
    await next()
    tellIgnored(c, ignored)
  })
}

const WITH_FORMAT = v.object({ format: v.optional(v.string()) })

/** For a route that reads neither a query nor a body. */
export const noQuery = (whose: Whose = 'ours') =>
  readsNothing(async (c, next) => {
    const ignored = unknownQuery(c, whose)
    await next()
    tellIgnored(c, ignored)
  })

/** Validates the path's parameters. A malformed value is 400; only a well-formed unknown one is 404. */
export const path = <S extends Schema>(schema: S) =>
  documented<'param', S>('param', schema, async (c, next) => {
    c.req.addValidatedData('param', parse(schema, c.req.param()) as object)
    await next()
  })

/** For a POST that needs no body: gives the action its `once`. An empty object is no body either. */
export const noBody = readsNothing(async (c, next) => {
  unknownQuery(c, 'ours')
  if (c.req.raw.body !== null) checked(NOTHING, NO_FIELDS, await readJson(c.req.raw), 'ours')
  prepareOnce(c, idempotencyKey(c), null, NO_FIELDS)
  await next()
})

const NOTHING = v.object({})

/** What the query of a route that reads none holds: the names to tell. Throws what `checked` throws. */
function unknownQuery(c: Context<App>, whose: Whose, forms: readonly Form[] = []): string[] {
  if (!c.req.url.includes('?')) return []
  const schema = forms.length > 0 ? WITH_FORMAT : NOTHING
  const fields = fieldsOf(schema)
  checkQuery(c.req.url, fields)
  return checked(schema, fields, c.req.query(), whose).ignored
}

function readsNothing(middleware: MiddlewareHandler<App>): MiddlewareHandler<App> {
  const spec = { 'x-problems': ['invalid_request', 'invalid_json', 'body_too_large'] }
  return Object.assign(middleware, { [uniqueSymbol]: { spec } })
}

function documented<Target extends 'json' | 'query' | 'param', S extends Schema>(
  target: Target,
  schema: S,
  middleware: MiddlewareHandler<App>,
): MiddlewareHandler<App, string, Validated<Target, S>> {
  return Object.assign(middleware as MiddlewareHandler<App, string, Validated<Target, S>>, {
    [uniqueSymbol]: { target, ...resolver(schema, { options: { typeMode: 'input' } }) },
  })
}

const tellIgnored = (c: Context<App>, names: string[]): void => {
  if (names.length > 0) addHeader(c, 'Ignored-Fields', names.slice(0, IGNORED_MAX).join(', '))
}

/** More would make a header that some proxies refuse. */
const IGNORED_MAX = 20

/** Answers with the schema's fields only, so that an undocumented field cannot leave. */
export function reply<S extends Schema, Status extends ContentfulStatusCode = 200>(
  c: Context<App>,
  schema: S,
  value: v.InferInput<S>,
  status?: Status,
): Response & TypedResponse<v.InferOutput<S>, Status, 'json'> {
  return json(c, v.parse(schema, value), status)
}

/** JSON ends with a line break, so that the prompt of a shell does not follow it on its line. */
export const json = <T, Status extends ContentfulStatusCode = 200>(
  c: Context<App>,
  value: T,
  status?: Status,
): Response & TypedResponse<T, Status, 'json'> =>
  c.body(`${JSON.stringify(value)}\n`, status ?? 200, { 'Content-Type': 'application/json' }) as never

/** Answers with a bare array, or with CSV; `Link: <…>; rel="next"` points to the next page. */
export function replyPage<S extends Schema>(c: Context<App>, row: S, page: Page<v.InferInput<S>>) {
  return replyListed(c, row, page, () => reply(c, v.array(row), page.rows))
}

/** As `replyPage`, for a list whose JSON is more than its rows: `json` answers with it. */
export function replyListed<S extends Schema, Json extends Response>(
  c: Context<App>,
  row: S,
  page: Page<v.InferInput<S>>,
  json: () => Json,
): Json {
  linkNext(c, page.next)
  return wantsCsv(c) ? (replyCsv(c, row, v.parse(v.array(row), page.rows)) as Json) : json()
}

/** As `replyPage`, for rows that are already JSON; the query that selected them chose their fields. */
export function replyTextPage<S extends Schema>(
  c: Context<App>,
  row: S,
  page: TextPage,
): Response & TypedResponse<v.InferOutput<S>[], 200, 'json'> {
  linkNext(c, page.next)
  if (wantsCsv(c)) return replyCsv(c, row, JSON.parse(unmarked(page.marked))) as never
  return c.body(unmarkedBytes(`${page.marked}\n`), 200, { 'Content-Type': 'application/json' }) as never
}

/** A relative reference: scheme and host of the request may be a proxy’s, or forged. */
export function linkNext(c: Context<App>, value: string | null, parameter = 'cursor'): void {
  if (value === null) return
  const { pathname, searchParams } = new URL(c.req.url)
  searchParams.set(parameter, value)
  c.header('Link', `<${pathname}?${searchParams}>; rel="next"`)
}

/** For a search by POST, whose next page no link can name. Call it before the answer is made. */
export function tellNext(c: Context<App>, cursor: string | null): void {
  if (cursor !== null) c.header('X-Next-Cursor', cursor)
}

/**
 * Adds a header to a finished response. `c.header` would first build another response whose body is a stream:
 * one more copy of a page of 1,000 records.
 */
export const addHeader = (c: Context<App>, name: string, value: string): void =>
  c.res.headers.set(name, value)
