import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { chanceOf } from './chance.mjs'
import { send } from './http.mjs'

const GIVES_UP_AFTER_MS = 120_000
const PAUSE_MS = 150
const DOWN_POLL_MS = 20

/** After a run has ended early, its clients wait here and do nothing more. */
const NEVER = new Promise(() => {})

const [CUT_REQUEST, CUT_REPLY, REPEATED, SENT_TWICE_AT_ONCE] = [0.02, 0.05, 0.12, 0.05]
const CUT_MS_MAX = 40

const EXCERPT_MAX = 300
const PAST_MAX = 200

/** Less than the TTL of an upload's key. */
const UPLOAD_KEY_MS = 240_000

/** Codes of a temporary state: the client retries. `internal` also breaks a promise. */
const TEMPORARY_CODES = ['moving', 'unavailable', 'internal']

/** Refusals that may differ on a retry, because the record may exist or the job may have ended by then. */
const CHANGING_CODES = ['not_found', 'import_over', 'import_not_finished', 'invalid_file']

/** Refusals that no key keeps: a retry is decided again, and may succeed. */
const UNKEPT_CODES = [
  ...['on_leave', 'clinic_closed', 'doctor_retired'],
  ...['leave_overlaps', 'closings_overlap'],
]

/**
 * A client of the service. It sends one request after another, each with its own key, and retries until the
 * answer is definite. Its actions depend only on the run's seed, its number and the answers it gets. Each
 * request draws its faults from a generator of its own, so that one more retry changes nothing later.
 */
export function newClient({ world, rack, clinic, number }) {
  const chance = chanceOf(world.seed, `client ${number} of ${clinic.number}`)
  const client = {
    ...{ world, clinic, number, chance, patients: [], appointments: [], called: [], holds: [], places: [] },
    ...{ imports: [], wishes: [] },
    /** By the id of a merged record: the one that it was merged into. */
    into: new Map(),
    /** By the same id: the request that merged it last. */
    merges: new Map(),
    keys: 0,
    /** Clinics use the same keys on purpose: a key must not reach across clinics. */
    newKey: () => {
      client.keys += 1
      return `key-${number}-${client.keys}`
    },
    asked: 0,
    past: [],
    ask(what, wanted) {
      client.asked += 1
      const chance = chanceOf(world.seed, `request ${client.asked} of client ${number} of ${clinic.number}`)
      return ask({
        ...{ world, rack, clinic, chance, what, past: client.past },
        newKey: client.newKey,
        ...wanted,
      })
    },
  }
  return client
}

/**
 * Retries until the answer is definite. Sometimes it repeats the request, or sends it twice at once: the same
 * key must get the same answer. A status that is not in `statuses` breaks a promise; a function says only after
 * the answer which are, because other clients may have changed what is right meanwhile.
 */
async function ask(wanted) {
  const { world, chance, what, statuses, isRepeatable = true } = wanted
  const message = messageOf(wanted)
  const twin = isRepeatable && chance.happens(SENT_TWICE_AT_ONCE)
  const [first, second] = await Promise.all([
    askUntilDefinite(wanted, message),
    twin ? askUntilDefinite(wanted, message) : null,
  ])
  const third = isRepeatable && chance.happens(REPEATED) ? await askUntilDefinite(wanted, message) : null
  const answers = [first, second, third].filter((answer) => answer !== null)
  const kept = answers.find(({ code }) => !UNKEPT_CODES.includes(code))
  const answer = kept ?? first
  world.count(what, answer.code ?? answer.status)
  const right = typeof statuses === 'function' ? statuses() : statuses
  if (!right.includes(answer.status))
    world.breaks(
      'expected answer',
      `${what} ${message.path} answered ${excerptOf(answer)} to ${message.body?.slice(0, EXCERPT_MAX) ?? ''}`,
    )
  for (const other of answers) checkSameAnswer(world, what, message, answer, other)
  if (isRepeatable && kept) remember(wanted, message, kept)
  return { ...answer, key: message.key }
}

/** Keeps the request, so that the client can repeat it much later, when a wrong answer is most likely. */
function remember(wanted, message, first) {
  const { world, what, past, csv } = wanted
  const repeat = async () => {
    world.count('repeat later', first.code ?? first.status)
    checkSameAnswer(world, what, message, first, await askUntilDefinite(wanted, message))
  }
  const until = csv === undefined ? Number.POSITIVE_INFINITY : Date.now() + UPLOAD_KEY_MS
  past.push({ isRefusal: first.status >= 400, until, repeat })
  if (past.length > PAST_MAX) past.shift()
}

function messageOf({ clinic, newKey, method = 'POST', path, body, csv, headers: more, key = newKey() }) {
  const isChange = ['POST', 'PATCH'].includes(method)
  const headers = {
    Authorization: `Bearer ${clinic.key}`,
    ...(isChange && { 'Idempotency-Key': key }),
    ...(csv !== undefined && { 'Content-Type': 'text/csv' }),
    ...more,
  }
  const text = csv ?? (isChange ? JSON.stringify(body ?? {}) : undefined)
  return { key, method, path, headers, body: text }
}

function checkSameAnswer(world, what, { path, key }, first, other) {
  const mayDiffer = ({ code }) => CHANGING_CODES.includes(code) || UNKEPT_CODES.includes(code)
  if (mayDiffer(first) || mayDiffer(other)) return
  if (first.status === other.status && isDeepStrictEqual(unnamed(first.body), unnamed(other.body))) return
  world.breaks(
    'same key, same answer',
    `${what} ${path} with ${key} answered ${excerptOf(first)}, then ${excerptOf(other)}`,
  )
}

/** An answer keeps no name: a retry shows what the patient is called by then. */
const unnamed = (body) => (body?.patient_name === undefined ? body : { ...body, patient_name: null })

const excerptOf = ({ status, text }) => `${status} ${text.slice(0, EXCERPT_MAX)}`

async function askUntilDefinite({ world, rack, chance, what }, message) {
  const giveUpAt = Date.now() + GIVES_UP_AFTER_MS
  for (;;) {
    while (!rack.isUp()) await (rack.isOver() ? NEVER : sleep(DOWN_POLL_MS))
    const reply = await send(rack.port, message, cutOf(world, chance, message)).then(parseReply, () => null)
    world.requests += 1
    if (reply?.code === 'internal')
      world.breaks('no internal error', `${what} ${message.path} answered ${excerptOf(reply)}`)
    if (reply && isDefinite(reply)) return reply
    world.count(what, reply ? reply.code : 'no answer')
    if (Date.now() > giveUpAt) {
      world.breaks('every request ends', `${what} ${message.path} with ${message.key}: ${reply?.text}`)
      return { status: 0, text: '', body: null }
    }
    await sleep(chance.next() * PAUSE_MS)
  }
}

/** A day of a newer version stays refused in this run. */
const isDefinite = ({ status, code }) =>
  code === 'newer_version' || (status < 500 && !TEMPORARY_CODES.includes(code))

/** The service answers everything in JSON, failures too; anything else is an error page of workerd. */
function parseReply(reply) {
  try {
    const body = reply.text === '' ? null : JSON.parse(reply.text)
    return { ...reply, body, code: body?.type?.split?.('/').at(-1) }
  } catch {
    return { ...reply, body: null, code: 'internal' }
  }
}

/** The client may disconnect in the middle of its request, or while the service works on it. */
function cutOf(world, chance, { body }) {
  if (world.isOver) return null
  const [inRequest, inReply] = [chance.happens(CUT_REQUEST), chance.happens(CUT_REPLY)]
  if (!inReply && !(inRequest && body)) return null
  world.cuts += 1
  return inReply ? { afterMs: chance.below(CUT_MS_MAX) } : { afterBytes: chance.below(body.length) }
}
