// How a script calls a Doctorday service over any network: streams, retries, and problems as text.
import http from 'node:http'
import https from 'node:https'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** While the service works it sends data at least every 15 seconds. */
const SILENCE_MS_MAX = 60_000

/** An answer may still arrive after the connection has refused the rest of a file. */
const LATE_ANSWER_MS = 1_000

const WAIT_MS_MIN = 1_000
const WAIT_MS_MAX = 30_000
/** So five tries of an upload fit into the five minutes for which the service remembers its key. */
const RETRY_AFTER_SECONDS_MAX = 60

/** The statuses that a retry may change. Every retry carries the same Idempotency-Key. */
const RETRYABLE = [429, 502, 503, 504]

const ANSWER_CHARACTERS_MAX = 8 * 1024 * 1024
const FAULTS_SHOWN = 50

/** An expected end of the command: a sentence for its user, and the exit code. */
export const exitError = (exitCode, sentence) => Object.assign(new Error(sentence), { exitCode })
export const EXIT = { done: 0, failed: 1, usage: 2, unreachable: 3, stopped: 130 }

/** One request. It follows no redirect, so that the key goes nowhere else. The caller must read the body. */
export function send({ url, key }, method, path, { headers = {}, body } = {}) {
  const target = new URL(path, url)
  const { request } = target.protocol === 'https:' ? https : http
  return new Promise((resolve, reject) => {
    const outgoing = request(target, {
      method,
      headers: { Authorization: `Bearer ${key}`, ...headers },
      timeout: SILENCE_MS_MAX,
      agent: false,
    })
    outgoing.once('response', resolve)
    outgoing.on('error', reject)
    outgoing.once('timeout', () => outgoing.destroy(new Error(`no data for ${SILENCE_MS_MAX / 1_000} s`)))
    if (body) pipeline(body(), outgoing).catch((error) => setTimeout(reject, LATE_ANSWER_MS, error))
    else outgoing.end()
  })
}

/**
 * Calls `attempt` until it succeeds or throws an exitError, and returns its result. It gives up after
 * `triesMax` failures in a row; `attempt` may call its argument after progress, which resets the count.
 */
export async function withRetries(attempt, { triesMax, say, where }) {
  for (let failures = 1; ; failures += 1) {
    const resetFailures = () => {
      failures = 0
    }
    const result = await attempt(resetFailures).catch((error) => {
      if (error.exitCode !== undefined) throw error
      return { reason: error.code ?? error.message }
    })
    if (!result?.reason) return result
    const { reason, retryAfterSeconds, isExpected } = result
    if (failures >= triesMax) throw exitError(EXIT.unreachable, `${where} cannot be reached: ${reason}`)
    const waitMs = Math.min(WAIT_MS_MAX, WAIT_MS_MIN * 2 ** Math.max(0, failures - 1))
    const seconds = Math.max(waitMs / 1_000, Math.min(retryAfterSeconds ?? 0, RETRY_AFTER_SECONDS_MAX))
    if (!isExpected) say(`${where}: ${reason}; retrying in ${seconds} s`)
    await sleep(seconds * 1_000)
  }
}

/** Why to retry a response; null for a success. Throws an exitError for a final refusal. */
export async function retryReasonOf(response) {
  if (response.statusCode < 300) return null
  const text = await textOf(response)
  if (!RETRYABLE.includes(response.statusCode))
    throw Object.assign(exitError(EXIT.failed, problemText(response.statusCode, text)), {
      status: response.statusCode,
    })
  const retryAfterSeconds = Number(response.headers['retry-after']) || 0
  return { reason: `the answer was ${response.statusCode}`, retryAfterSeconds }
}

export async function jsonOf(response) {
  return JSON.parse(await textOf(response))
}

async function textOf(response) {
  let text = ''
  for await (const piece of response.setEncoding('utf8')) {
    text += piece
    if (text.length > ANSWER_CHARACTERS_MAX) throw new Error('the answer is too long')
  }
  // An early answer to a file that is still being sent: the rest of the file is not needed.
  response.destroy()
  return text
}

/** RFC 9457 as text for people: each fault with its row, its column and the rule it breaks. */
export function problemText(status, text) {
  const problem = parsed(text)
  const faults = Array.isArray(problem.errors) ? problem.errors : []
  const shown = faults.slice(0, FAULTS_SHOWN).map(faultLine)
  if (faults.length > shown.length) shown.push(`  … and ${faults.length - shown.length} more`)
  const detail = faults.length > 0 ? '' : `: ${problem.detail ?? 'the service gave no reason'}`
  const id = problem.request_id ? ` (request ${problem.request_id})` : ''
  return [`Refused, ${status} ${problem.title ?? ''}${detail}${id}`, ...shown].join('\n')
}

export function faultLine({ row, field, rule, message }) {
  const sentence = message.replace(/^Row \d+: /, '')
  return `  ${row === undefined ? '' : `row ${row}, `}column ${field}: ${sentence} [${rule}]`
}

function parsed(text) {
  try {
    return JSON.parse(text) ?? {}
  } catch {
    return {}
  }
}

/** The events of a stream, each with its name and data. */
export async function* eventsOf(response) {
  let rest = ''
  for await (const piece of response.setEncoding('utf8')) {
    const blocks = (rest + piece).split('\n\n')
    rest = blocks.pop()
    if (rest.length > ANSWER_CHARACTERS_MAX) throw new Error('an event is too long')
    for (const block of blocks) {
      const [, name, data] = /^event: (\w+)\ndata: (.+)$/m.exec(block) ?? []
      if (name) yield { name, data: JSON.parse(data) }
    }
  }
}
