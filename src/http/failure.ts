import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import * as v from 'valibot'
import type { App } from '../context'
import { logFailure } from '../lib/log'
import { isOutage } from '../lib/outage'
import { type Fault, PROBLEMS, Problem, type ProblemCode, type Rule } from '../problem'
import type { Fields } from './input/fields'
import { type Stranger, sortFields, type Whose } from './input/strangers'

const RETRY_AFTER_SECONDS = 1

/** A client corrects what it was told and sends again; more faults than this would only cost both sides. */
export const FAULTS_TOLD_MAX = 100

export function failure(error: Error, c: Context<App>): Response {
  const problem = problemOf(error, c)
  const { status } = PROBLEMS[problem.code]
  c.set('problem', problem.code)
  const body = {
    ...problemBody(problem.code, problem.sentence, c.get('claim')?.requestId ?? c.get('requestId')),
    ...(problem.more.faults && { errors: problem.more.faults }),
    ...(problem.more.faultsLeftOut && { more_errors: problem.more.faultsLeftOut }),
    ...problem.more.transition,
    ...(problem.more.alternatives && { alternatives: problem.more.alternatives }),
    ...(problem.more.appointments && { appointments: problem.more.appointments }),
    ...(c.get('tellsErrorType') && { error_type: errorTypeOf(problem) }),
  }
  if (status === 401) c.header('WWW-Authenticate', 'Bearer')
  if (status === 503 || status === 429)
    c.header('Retry-After', String(problem.more.retryAfterSeconds ?? RETRY_AFTER_SECONDS))
  return c.body(`${JSON.stringify(body)}\n`, status, { 'Content-Type': 'application/problem+json' })
}

/**
 * RFC 9457, with the names that clients of the older services read: `error`, `message`, `request_id`.
 * `type` is a relative reference to the page that explains the problem.
 */
export function problemBody(code: ProblemCode, sentence: string, requestId: string) {
  const { status, title } = PROBLEMS[code]
  const named = { type: `/problems/${code}`, title, status, detail: sentence }
  return { ...named, error: title, message: sentence, request_id: requestId }
}

/** For routes whose older clients branch on `error_type`. */
export const tellsErrorType = createMiddleware<App>((c, next) => {
  c.set('tellsErrorType', true)
  return next()
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
  logFailure('failure', error, { request_id: c.get('requestId') })
  if (isOutage(error))
    return new Problem('unavailable', 'Retry with the same Idempotency-Key; it takes effect only once')
  return new Problem('internal', 'The service failed; report the request_id, which is also in our log')
}

// valibot's own messages repeat the received value, which can be personal.
v.setGlobalMessage('has a value that is not possible here')

const EXPECTED: Record<string, string> = {
  string: 'must be a string',
  number: 'must be a number',
  boolean: 'must be true or false',
  array: 'must be a list',
  object: 'must be an object',
}

/** valibot’s names for what our schemas check, in the words that a client reads. */
const RULE_OF: Record<string, Rule> = {
  picklist: 'choice',
  literal: 'choice',
  min_length: 'length',
  max_length: 'length',
  non_empty: 'length',
  integer: 'range',
  min_value: 'range',
  max_value: 'range',
  regex: 'format',
  email: 'format',
}

/** Names each field once, with the first rule that it breaks, and repeats nothing of the input. */
function faultsOf(issues: readonly v.BaseIssue<unknown>[]): Fault[] {
  const faults = new Map<string, Fault>()
  for (const issue of issues) {
    const field = v.getDotPath(issue) ?? 'body'
    const [rule, sentence] = ruleOf(issue)
    if (!faults.has(field)) faults.set(field, { field, rule, message: `${named(field)} ${sentence}` })
  }
  return [...faults.values()]
}

/** As a sentence names a field: `scopes.0` is item 1 of scopes. */
export function named(field: string): string {
  const [, list, index, inner] = /^(.+?)\.(\d+)(?:\.(.+))?$/.exec(field) ?? []
  if (list === undefined) return field
  const item = `item ${Number(index) + 1} of ${list}`
  return inner === undefined ? item : `${named(inner)} of ${item}`
}

const REQUIRED = 'is required'

/** The rule in our words, and the sentence that follows the name of the field. */
export function ruleOf(issue: v.BaseIssue<unknown>): [rule: Rule, sentence: string] {
  const isAbsent = issue.kind === 'schema' && issue.received === 'undefined' && issue.path
  if (isAbsent || issue.message === REQUIRED) return ['required', REQUIRED]
  if (issue.type === 'picklist') return ['choice', `must be one of ${listed(issue.expected)}`]
  const expected = issue.kind === 'schema' ? EXPECTED[issue.type] : undefined
  if (expected) return ['type', expected]
  return [RULE_OF[issue.type] ?? 'value', issue.message]
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

/** Parses as `parse` does, and judges the fields that the schema does not know: `Whose` in endpoint.ts. */
export function checked<Schema extends v.GenericSchema>(
  schema: Schema,
  fields: Fields,
  sent: object,
  whose: Whose,
): { input: v.InferOutput<Schema>; ignored: string[] } {
  const { known, strangers } = sortFields(sent, fields)
  const refused = strangers.filter(({ meant }) => meant !== null || whose === 'ours')
  const parsed = v.safeParse(schema, known)
  if (parsed.success && refused.length === 0)
    return { input: parsed.output, ignored: strangers.map(({ name }) => name) }
  const misspelt = new Set(refused.map(({ meant }) => meant))
  const faults = faultsOf(parsed.issues ?? []).filter(({ field }) => !misspelt.has(field))
  throw invalid([...faults, ...refused.slice(0, STRANGERS_TOLD_MAX).map(faultOf)])
}

const STRANGERS_TOLD_MAX = 20

const faultOf = ({ name, meant }: Stranger): Fault => ({
  field: name,
  rule: 'unknown',
  message: `${name} is unknown; ${meant === null ? 'leave it out' : `did you mean ${meant}?`}`,
})

/** One Problem for all faults, each told once; its sentence joins their messages. */
export function invalid(found: Fault[], code: ProblemCode = 'invalid_request'): Problem {
  const once = new Map(found.map((fault) => [JSON.stringify(Object.values(fault)), fault]))
  const faults = [...once.values()].slice(0, FAULTS_TOLD_MAX)
  const faultsLeftOut = once.size - faults.length
  const sentences = faults.map((fault) => fault.message)
  if (faultsLeftOut > 0) sentences.push(`and ${faultsLeftOut} more`)
  return new Problem(code, sentences.join('; '), { faults, faultsLeftOut })
}
