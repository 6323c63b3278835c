import type { Context } from 'hono'
import { accepts } from 'hono/accepts'
import * as v from 'valibot'
import type { App } from '../context'
import { reply } from '../http/endpoint'
import { problemBody } from '../http/failure'
import { component } from '../lib/schema'
import { notFound, PROBLEMS, type ProblemCode } from '../problem'
import { ADVICE } from './advice'
import { page, textPage } from './pages'

/** Whether a retry helps. The answer to a client’s program; RETRIES has the sentences. */
const Retry = v.picklist(['same_answer', 'later', 'corrected'])

const RETRIES: Record<v.InferOutput<typeof Retry>, string> = {
  same_answer:
    'A retry with the same Idempotency-Key gets this answer again. For another try send a new key.',
  later:
    'Retry the same request with the same Idempotency-Key, after the seconds of Retry-After if it is there.',
  corrected: 'Correct the request first, and send the corrected one with a new Idempotency-Key.',
}

const Listed = { code: v.string(), type: v.string(), status: v.number(), meaning: v.string() }
export const ProblemList = component('ProblemList', { problems: v.array(v.object(Listed)) })

/** The explanation of one `type`. `example` is the body of such an answer. */
export const ProblemPage = component('ProblemPage', {
  ...Listed,
  cause: v.string(),
  action: v.string(),
  retry: Retry,
  retry_advice: v.string(),
  example: v.record(v.string(), v.unknown()),
})
type ProblemPage = v.InferOutput<typeof ProblemPage>

const isProblemCode = (text: string): text is ProblemCode => Object.hasOwn(PROBLEMS, text)

/** 409s that time alone ends. */
const PASSING: readonly ProblemCode[] = ['moving', 'import_not_finished']

function retryOf(code: ProblemCode): ProblemPage['retry'] {
  const problem = PROBLEMS[code]
  if ('final' in problem) return 'same_answer'
  return problem.status >= 500 || PASSING.includes(code) ? 'later' : 'corrected'
}

function explained(code: ProblemCode): ProblemPage {
  const { cause, action, detail } = ADVICE[code]
  const retry = retryOf(code)
  const example = problemBody(code, detail, '01998d2c-7c1e-7a55-9a3b-6f2d1c0b8e4f')
  return { ...listed(code), cause, action, retry, retry_advice: RETRIES[retry], example }
}

const listed = (code: ProblemCode) => ({
  code,
  type: `/problems/${code}`,
  status: PROBLEMS[code].status,
  meaning: PROBLEMS[code].title,
})

export function problemList(c: Context<App>) {
  const problems = Object.keys(PROBLEMS).filter(isProblemCode).map(listed)
  if (!wantsHtml(c)) return reply(c, ProblemList, { problems })
  const rows = problems.map(
    ({ code, type, status, meaning }) =>
      `<tr><td>${status}</td><td><a href="${type}">${code}</a></td><td>${escaped(meaning)}</td></tr>`,
  )
  return asPage(c, 'Problems', `<table><tbody>${rows.join('')}</tbody></table>`)
}

export function problemPage(c: Context<App>, code: string) {
  if (!isProblemCode(code)) return noSuchProblem(c)
  const problem = explained(code)
  if (!wantsHtml(c)) return reply(c, ProblemPage, problem)
  const { status, meaning, cause, action, retry_advice, example } = problem
  return asPage(
    c,
    meaning,
    `<p><a href="/problems">All problems</a></p>
<dl><dt>Code</dt><dd><code>${code}</code>, status ${status}</dd>
<dt>Cause</dt><dd>${escaped(cause)}</dd>
<dt>What to do</dt><dd>${escaped(action)}</dd>
<dt>Retry</dt><dd>${escaped(retry_advice)}</dd>
<dt>Example</dt><dd><pre>${escaped(JSON.stringify(example, null, 2))}</pre></dd></dl>`,
  )
}

/** A person who mistyped the code gets a page too. The code itself is not repeated: it can be anything. */
function noSuchProblem(c: Context<App>) {
  if (!wantsHtml(c)) throw notFound('Problem')
  c.set('problem', 'not_found')
  const content = '<p>No problem has this code.</p>\n<p><a href="/problems">All problems</a></p>'
  return asPage(c, 'Problem not found', content, 404)
}

/** A cache must not give a program the page of a browser. */
function wantsHtml(c: Context<App>): boolean {
  c.header('Vary', 'Accept')
  const supports = ['application/json', 'text/html']
  return accepts(c, { header: 'Accept', supports, default: 'application/json' }) === 'text/html'
}

const asPage = (c: Context<App>, title: string, content: string, status: 200 | 404 = 200) =>
  page(c, textPage(escaped(title), `<h1>${escaped(title)}</h1>\n${content}`), status)

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
