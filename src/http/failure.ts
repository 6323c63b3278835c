import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { App } from '../context'
import { logFailure } from '../lib/log'
import { isOutage } from '../lib/outage'
import { PROBLEMS, Problem } from '../problem'

const RETRY_AFTER_SECONDS = 1

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
    request_id: c.var.ctx?.once.requestId ?? c.var.requestId,
    ...(problem.more.faults && { errors: problem.more.faults }),
    ...problem.more.transition,
  }
  c.header('Content-Type', 'application/problem+json')
  if (status === 401) c.header('WWW-Authenticate', 'Bearer')
  if (status === 503) c.header('Retry-After', String(problem.more.retryAfterSeconds ?? RETRY_AFTER_SECONDS))
  return c.body(JSON.stringify(body), status)
}

/** What the caller may know of an error. A bug or a library's message stays inside. */
function problemOf(error: Error, c: Context<App>): Problem {
  if (error instanceof Problem) return error
  logFailure('failure', error, { request_id: c.var.requestId })
  if (isOutage(error) || isTimeout(error))
    return new Problem('unavailable', 'Try again with the same Idempotency-Key; nothing will happen twice')
  return new Problem('internal', 'Something went wrong here; the request id finds it in our log')
}

/** What `deadline` throws. */
const isTimeout = (error: Error): boolean => error instanceof HTTPException && error.status === 504
