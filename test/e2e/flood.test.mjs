import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { rounds } from '../../scripts/rounds.mjs'
import { startService } from './service.mjs'

const FLOOD_MS = rounds(2_000, 25_000)
/** V8's young objects have all their room by then: from here on the service keeps its size, for any number. */
const WARM_UP_REQUESTS = 15_000
const AT_ONCE = 16
/** Ends the test long before fetch itself gives up, on a machine of any speed. */
const NO_ANSWER_MS = 60_000

/** What V8 leaves uncollected; a file or an object for each request would take a multiple. */
const MEMORY_BYTES_MORE_MAX = 15_000_000

const hex = (bytes) => randomBytes(bytes).toString('hex')
const text = (bytes) => randomBytes(bytes).toString('base64url')
const guessedId = () => `${hex(4)}-${hex(2)}-8${hex(2).slice(1)}-8${hex(2).slice(1)}-${hex(6)}`
const live = (ticket) => `/api/v1/checkins/doctors/${hex(8)}/queue/live?date=2026-12-01&ticket=${ticket}`

/** Each is a request that a stranger makes up. */
const MADE_UP = [
  () => ['/api/v1/doctors', { Authorization: `Bearer key_v2_${hex(16)}.${text(48)}` }],
  () => ['/api/v1/appointments', { 'X-API-Key': `key_v2_${hex(16)}.${text(48)}` }],
  () => ['/api/v1/doctors', { Authorization: `Bearer ${text(20)}` }],
  () => [live(`${hex(10)}.${text(57)}`), {}],
  () => [live(`${hex(10)}.${text(32)}`), {}],
  () => ['/health', {}],
]

/** What a client of the clinic sends that guesses ids of appointments. */
const guesses = (key) => [
  () => [`/api/v1/appointments/${guessedId()}`, { Authorization: `Bearer ${key}` }],
  () => [`/api/v1/checkins/${guessedId()}`, { 'X-API-Key': key }],
]

test('a flood of made-up keys and tickets leaves no file, and the service keeps its size', async (t) => {
  const service = await startService(t)
  const statuses = await survives(service, MADE_UP)
  assert.deepEqual(Object.keys(statuses).sort(), ['200', '401'])
  assert.ok(statuses[401] > statuses[200])
})

test('a flood of guessed ids leaves no file, is mostly 503, and the service keeps its size', async (t) => {
  const service = await startService(t)
  const statuses = await survives(service, guesses(service.key))
  assert.deepEqual(Object.keys(statuses).sort(), ['404', '503'])
  assert.ok(statuses[503] > statuses[404])
})

/** Floods the service with these requests, and returns how often each status came. */
async function survives(service, requests) {
  await service.get('/api/v1/doctors')
  // The first requests compile code and fill pools, which stay.
  await flood(service, requests, (sent) => sent < WARM_UP_REQUESTS)
  const before = { files: filesOf(service), memory: service.memoryBytes() }
  const endsAt = Date.now() + FLOOD_MS
  const statuses = await flood(service, requests, () => Date.now() < endsAt)
  assert.deepEqual(filesOf(service), before.files)
  const more = (service.memoryBytes() ?? 0) - (before.memory ?? 0)
  assert.ok(more <= MEMORY_BYTES_MORE_MAX, `${more} more bytes of memory`)
  assert.equal((await service.get('/api/v1/doctors')).status, 200)
  return statuses
}

/** Without those that SQLite keeps beside an open database. */
const filesOf = ({ stateDir }) =>
  readdirSync(stateDir, { recursive: true })
    .filter((name) => !/-(wal|shm|journal)$/.test(name))
    .sort()

/** Sends while `goesOn` says so, which is told how many requests were sent. Returns how often each status came. */
async function flood(service, requests, goesOn) {
  const statuses = {}
  let sent = 0
  const send = async () => {
    while (goesOn(sent)) {
      const [path, headers] = requests[sent % requests.length]()
      sent += 1
      const answer = await answerTo(service, path, headers)
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, send))
  return statuses
}

/** The service answers each request within 10 seconds. Where it does not, the failure shows what it printed. */
async function answerTo(service, path, headers) {
  try {
    const answer = await fetch(`${service.url()}${path}`, {
      headers,
      signal: AbortSignal.timeout(NO_ANSWER_MS),
    })
    await answer.arrayBuffer()
    return answer
  } catch (error) {
    throw new Error(`GET ${path} got no answer. The service printed:\n${service.printed()}`, { cause: error })
  }
}
