import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import * as v from 'valibot'
import type { App } from '../context'
import { logFailure } from '../lib/log'
import { isOutage } from '../lib/outage'
import { type Fault, PROBLEMS, Problem, type ProblemCode } from '../problem'

const RETRY_AFTER_SECONDS = 1

/** A client mends what it was told and sends again; more faults than this would only cost both sides. */
export const FAULTS_TOLD_MAX = 100

/** RFC 9457, with the names that clients of the older services read: `error`, `message`, `request_id`. */
export function failure(error: Error, c: Context<App>): Response {
  const problem = problemOf(error, c)
  const { status, title } = PROBLEMS[problem.code]
  c.set('problem', problem.code)
  const body = {
    type: `urn:doctorday:problem:${problem.code}`,
    title,
    status,
    detail: problem.sentence,
    error: title,
    message: problem.sentence,
    request_id: c.var.claim?.requestId ?? c.var.requestId,
    ...(problem.more.faults && { errors: problem.more.faults }),
    ...(problem.more.faultsLeftOut && { more_errors: problem.more.faultsLeftOut }),
    ...problem.more.transition,
    ...(c.var.tellsErrorType && { error_type: errorTypeOf(problem) }),
  }
  c.header('Content-Type', 'application/problem+json')
  if (status === 401) c.header('WWW-Authenticate', 'Bearer')
  if (status === 503 || status === 429)
    c.header('Retry-After', String(problem.more.retryAfterSeconds ?? RETRY_AFTER_SECONDS))
  return c.body(JSON.stringify(body), status)
}

/** For routes whose older clients branch on `error_type`. */
export const tellsErrorType = createMiddleware<App>(async (c, next) => {
  c.set('tellsErrorType', true)
  await next()
})

const ERROR_TYPES: Partial<Record<ContentfulStatusCode, string>> = {
  400: 'validation_error',
  403: 'permission_error',
  404: 'not_found',
  409: 'conflict',
  413: 'file_error',
  422: 'validation_error',
  503: 'service_unavailable',
}

/** A file whose rows break rules is a validation error; one that is no such file is a file error. */
function errorTypeOf({ code, status, more }: Problem): string {
  const isAboutRows = more.faults?.some(({ row }) => row !== undefined)
  if (code === 'invalid_file' && !isAboutRows) return 'file_error'
  return ERROR_TYPES[status] ?? 'internal_error'
}

/** The part of an error that the caller may see. A bug's or a library's message is never part of it. */
function problemOf(error: Error, c: Context<App>): Problem {
  if (error instanceof Problem) return error
  logFailure('failure', error, { request_id: c.var.requestId })
  if (isOutage(error) || isTimeout(error))
    return new Problem('unavailable', 'Retry with the same Idempotency-Key; it takes effect only once')
  return new Problem('internal', 'The service failed; report the request_id, which is also in our log')
}

/** Thrown by a request’s deadline (limits.ts), and by a call that took longer than it may (withTimeout). */
const isTimeout = (error: Error): boolean => error.name === 'TimeoutError'

// valibot's own messages repeat the received value, which can be personal. So a rule without a message of
// ours reports only its name.
v.setGlobalMessage((issue) => `breaks the rule ${issue.type}`)

const EXPECTED: Record<string, string> = {
  string: 'must be a string',
  number: 'must be a number',
  boolean: 'must be true or false',
  array: 'must be a list',
  object: 'must be an object',
}

/** Names the field and the rule of each fault, and repeats nothing of the input. */
const faultsOf = (issues: readonly v.BaseIssue<unknown>[]): Fault[] =>
  issues.map((issue) => {
    const field = v.getDotPath(issue) ?? 'body'
    const [rule, sentence] = ruleOf(issue)
    return { field, rule, message: `${field} ${sentence}` }
  })

function ruleOf(issue: v.BaseIssue<unknown>): [rule: string, sentence: string] {
  if (issue.kind !== 'schema') return [issue.type, issue.message]
  if (issue.received === 'undefined' && issue.path) return ['required', 'is required']
  if (issue.type === 'picklist') return ['picklist', `must be one of ${listed(issue.expected)}`]
  return [issue.type, EXPECTED[issue.type] ?? issue.message]
}

/** `("a" | "b")` → `a, b` */
const listed = (expected: string | null) => expected?.replace(/[()"]/g, '').replaceAll(' | ', ', ')

/** Parses, or throws a Problem that lists every fault. */
export function parse<Schema extends v.GenericSchema>(
  schema: Schema,
  input: unknown,
  code: ProblemCode = 'invalid_request',
): v.InferOutput<Schema> {
  const parsed = v.safeParse(schema, input)
  if (parsed.success) return parsed.output
  throw invalid(faultsOf(parsed.issues), code)
}

/** One Problem for all faults, each told once; its sentence joins their messages. */
export function invalid(found: Fault[], code: ProblemCode = 'invalid_request'): Problem {
  const once = new Map(found.map((fault) => [JSON.stringify(Object.values(fault)), fault]))
  const faults = [...once.values()].slice(0, FAULTS_TOLD_MAX)
  const faultsLeftOut = once.size - faults.length
  const sentences = faults.map((fault) => fault.message)
  if (faultsLeftOut > 0) sentences.push(`and ${faultsLeftOut} more`)
  return new Problem(code, sentences.join('; '), { faults, faultsLeftOut })
}
