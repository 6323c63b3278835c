// What a script needs to call a Doctorday service over any network: streams, patience, and problems as text.
import http from 'node:http'
import https from 'node:https'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** The service says something at least every 15 seconds while it works. */
const SILENCE_MS_MAX = 60_000

/** An answer may still come when the connection has refused the rest of a file. */
const LAST_WORD_MS = 1_000

const WAIT_MS_MIN = 1_000
const WAIT_MS_MAX = 30_000
/** Five tries of an upload stay within the five minutes for which the service knows its key. */
const RETRY_AFTER_SECONDS_MAX = 60

/** What may be otherwise the next time. Everything that is sent again carries the same Idempotency-Key. */
const FLEETING = [429, 502, 503, 504]

const ANSWER_CHARACTERS_MAX = 8 * 1024 * 1024
const FAULTS_TOLD = 50

/** An end of the command that it foresaw: a sentence for whoever called it, and the exit code. */
export const ending = (exitCode, sentence) => Object.assign(new Error(sentence), { exitCode })
export const EXIT = { done: 0, failed: 1, usage: 2, unreachable: 3, stopped: 130 }

/** One request; no redirect is followed: the key goes nowhere else. The reply's body is still to be read. */
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
    outgoing.once('timeout', () => outgoing.destroy(new Error('it is silent')))
    if (body) pipeline(body(), outgoing).catch((error) => setTimeout(reject, LAST_WORD_MS, error))
    else outgoing.end()
  })
}

/**
 * Attempts it until it gets an answer that is no passing trouble, and returns what `attempt` returns. It
 * gives up after `triesMax` failures in a row; `attempt` may say with its argument that there was some
 * progress.
 */
export async function patiently(attempt, { triesMax, say, where }) {
  for (let failures = 1; ; failures += 1) {
    const anew = () => {
      failures = 0
    }
    const trouble = await attempt(anew).catch((error) => {
      if (error.exitCode !== undefined) throw error
      return { reason: error.code ?? error.message }
    })
    if (!trouble?.reason) return trouble
    const { reason, retryAfterSeconds, isUsual } = trouble
    if (failures >= triesMax) throw ending(EXIT.unreachable, `${where} cannot be reached: ${reason}`)
    const waitMs = Math.min(WAIT_MS_MAX, WAIT_MS_MIN * 2 ** Math.max(0, failures - 1))
    const seconds = Math.max(waitMs / 1_000, Math.min(retryAfterSeconds ?? 0, RETRY_AFTER_SECONDS_MAX))
    if (!isUsual) say(`${where}: ${reason}; again in ${seconds} s`)
    await sleep(seconds * 1_000)
  }
}

/** A response as trouble that may pass, null where it is none. What refuses for good is an ending. */
export async function troubleOf(response) {
  if (response.statusCode < 300) return null
  const text = await textOf(response)
  if (!FLEETING.includes(response.statusCode))
    throw Object.assign(ending(EXIT.failed, problemText(response.statusCode, text)), {
      status: response.statusCode,
    })
  const retryAfterSeconds = Number(response.headers['retry-after']) || 0
  return { reason: `it answers ${response.statusCode}`, retryAfterSeconds }
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
  // An answer that came early, to a file that is still being sent, needs no more of it.
  response.destroy()
  return text
}

/** RFC 9457 for people: each fault with its row, its column and the rule it breaks. */
export function problemText(status, text) {
  const problem = parsed(text)
  const faults = Array.isArray(problem.errors) ? problem.errors : []
  const told = faults.slice(0, FAULTS_TOLD).map(faultLine)
  if (faults.length > told.length) told.push(`  … and ${faults.length - told.length} more`)
  const detail = faults.length > 0 ? '' : `: ${problem.detail ?? 'no reason was given'}`
  const id = problem.request_id ? ` (request ${problem.request_id})` : ''
  return [`Refused, ${status} ${problem.title ?? ''}${detail}${id}`, ...told].join('\n')
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

/** The events of a stream: each its name and its data. */
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
