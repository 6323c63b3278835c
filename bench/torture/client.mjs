import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { chanceOf } from './chance.mjs'
import { send } from './http.mjs'

const GIVES_UP_AFTER_MS = 120_000
const PAUSE_MS = 150
const DOWN_POLL_MS = 20

/** Where a run ended early, nobody waits for what its clients were about. */
const NEVER = new Promise(() => {})

const [CUT_REQUEST, CUT_REPLY, ASKED_AGAIN, ASKED_TWICE_AT_ONCE] = [0.02, 0.05, 0.12, 0.05]
const CUT_MS_MAX = 40

const TOLD_CHARACTERS = 300
const PAST_MAX = 200

/** Less than the key of an upload lives. */
const UPLOAD_KEY_MS = 240_000

/** What an answer says of the moment only: the client asks again. `internal` is a broken promise besides. */
const PASSING = ['moving', 'unavailable', 'internal']

/** Refusals that need not come again: the thing may be there, or be over, by then. */
const MAY_CHANGE = ['not_found', 'import_over', 'import_not_finished', 'invalid_file']

/**
 * One who uses the service, one request after the other, each with a key of its own and repeated until the
 * answer is definite. What it does depends on the run's seed, its own number and the answers it gets alone;
 * what befalls a request on the way has chances of its own, so that one more retry changes nothing later.
 */
export function newClient({ world, rack, clinic, number }) {
  const chance = chanceOf(world.seed, `client ${number} of ${clinic.number}`)
  const client = {
    ...{ world, clinic, number, chance, patients: [], appointments: [], called: [], holds: [], places: [] },
    imports: [],
    keys: 0,
    /** Clinics use the same keys on purpose: they must not meet. */
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
 * Asks until the answer is definite, and now and then once more, or twice at the same time: the same key must
 * get the same answer. `statuses` are those that may be; any other breaks a promise.
 */
async function ask(wanted) {
  const { world, chance, what, statuses, isRepeatable = true } = wanted
  const message = messageOf(wanted)
  const twin = isRepeatable && chance.happens(ASKED_TWICE_AT_ONCE)
  const [first, second] = await Promise.all([
    definite(wanted, message),
    twin ? definite(wanted, message) : null,
  ])
  const again = isRepeatable && chance.happens(ASKED_AGAIN) ? await definite(wanted, message) : null
  world.count(what, first.code ?? first.status)
  if (!statuses.includes(first.status))
    world.breaks(
      'expected answer',
      `${what} ${message.path} answered ${told(first)} to ${message.body?.slice(0, TOLD_CHARACTERS) ?? ''}`,
    )
  for (const other of [second, again]) if (other) sameAnswer(world, what, message, first, other)
  if (isRepeatable) remember(wanted, message, first)
  return { ...first, key: message.key }
}

/** So that it can be asked again much later, when a refusal might end differently. */
function remember(wanted, message, first) {
  const { world, what, past, csv } = wanted
  const askAgain = async () => {
    world.count('ask again later', first.code ?? first.status)
    sameAnswer(world, what, message, first, await definite(wanted, message))
  }
  const until = csv === undefined ? Number.POSITIVE_INFINITY : Date.now() + UPLOAD_KEY_MS
  past.push({ isRefusal: first.status >= 400, until, askAgain })
  if (past.length > PAST_MAX) past.shift()
}

function messageOf({ clinic, newKey, method = 'POST', path, body, csv, key = newKey() }) {
  const headers = {
    Authorization: `Bearer ${clinic.key}`,
    ...(method === 'POST' && { 'Idempotency-Key': key }),
    ...(csv !== undefined && { 'Content-Type': 'text/csv' }),
  }
  const text = csv ?? (method === 'POST' ? JSON.stringify(body ?? {}) : undefined)
  return { key, method, path, headers, body: text }
}

function sameAnswer(world, what, { path, key }, first, other) {
  if (MAY_CHANGE.includes(first.code) || MAY_CHANGE.includes(other.code)) return
  if (first.status === other.status && isDeepStrictEqual(first.body, other.body)) return
  world.breaks(
    'same key, same answer',
    `${what} ${path} with ${key} answered ${told(first)}, then ${told(other)}`,
  )
}

const told = ({ status, text }) => `${status} ${text.slice(0, TOLD_CHARACTERS)}`

async function definite({ world, rack, chance, what }, message) {
  const giveUpAt = Date.now() + GIVES_UP_AFTER_MS
  for (;;) {
    while (!rack.isUp()) await (rack.isOver() ? NEVER : sleep(DOWN_POLL_MS))
    const reply = await send(rack.port, message, cutOf(world, chance, message)).then(read, () => null)
    world.requests += 1
    if (reply?.code === 'internal')
      world.breaks('no internal error', `${what} ${message.path} answered ${told(reply)}`)
    if (reply && reply.status < 500 && !PASSING.includes(reply.code)) return reply
    world.count(what, reply ? reply.code : 'no answer')
    if (Date.now() > giveUpAt) {
      world.breaks('an answer at last', `${what} ${message.path} with ${message.key}: ${reply?.text}`)
      return { status: 0, text: '', body: null }
    }
    await sleep(chance.next() * PAUSE_MS)
  }
}

/** The service says everything in JSON, its failures too; anything else is workerd's own page of an error. */
function read(reply) {
  try {
    const body = reply.text === '' ? null : JSON.parse(reply.text)
    return { ...reply, body, code: body?.type?.split?.(':').at(-1) }
  } catch {
    return { ...reply, body: null, code: 'internal' }
  }
}

/** The client may go away in the middle of its own request, or while the service works on it. */
function cutOf(world, chance, { body }) {
  if (world.isOver) return null
  const [inRequest, inReply] = [chance.happens(CUT_REQUEST), chance.happens(CUT_REPLY)]
  if (!inReply && !(inRequest && body)) return null
  world.cuts += 1
  return inReply ? { afterMs: chance.below(CUT_MS_MAX) } : { afterBytes: chance.below(body.length) }
}
