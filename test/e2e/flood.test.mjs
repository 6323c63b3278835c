import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { rounds } from '../../scripts/rounds.mjs'
import { startService } from './service.mjs'

const FLOOD_MS = rounds(2_000, 25_000)
const WARM_UP_REQUESTS = 10_000
const AT_ONCE = 16

/** What V8 leaves uncollected; a file or an object for each request would take a multiple. */
const MEMORY_BYTES_MORE_MAX = 20_000_000

const hex = (bytes) => randomBytes(bytes).toString('hex')
const text = (bytes) => randomBytes(bytes).toString('base64url')
const guessedId = () => `${hex(4)}-${hex(2)}-8${hex(2).slice(1)}-8${hex(2).slice(1)}-${hex(6)}`
const live = (ticket) => `/api/v1/checkins/doctors/${hex(8)}/queue/live?date=2026-12-01&ticket=${ticket}`

/** Each is a request that a stranger makes up, or a client of the clinic that guesses an appointment's id. */
const madeUp = (key) => [
  () => ['/api/v1/doctors', { Authorization: `Bearer key_v2_${hex(16)}.${text(48)}` }],
  () => ['/api/v1/appointments', { 'X-API-Key': `key_v2_${hex(16)}.${text(48)}` }],
  () => ['/api/v1/doctors', { Authorization: `Bearer ${text(20)}` }],
  () => [live(`${hex(10)}.${text(57)}`), {}],
  () => [live(`${hex(10)}.${text(32)}`), {}],
  () => ['/health', {}],
  () => [`/api/v1/appointments/${guessedId()}`, { Authorization: `Bearer ${key}` }],
]

test('a flood of made-up keys, tickets and ids leaves no file, and the service keeps its size', async (t) => {
  const service = await startService(t)
  await service.get('/api/v1/doctors')
  // The first requests compile code and fill pools, which stay.
  await flood(service, (sent) => sent < WARM_UP_REQUESTS)
  const before = { files: filesOf(service), memory: service.memoryBytes() }
  const endsAt = Date.now() + FLOOD_MS
  const statuses = await flood(service, () => Date.now() < endsAt)
  // 404 and 503: guessed ids, of which a few a second are looked up.
  assert.deepEqual(Object.keys(statuses).sort(), ['200', '401', '404', '503'])
  assert.ok(statuses[401] > statuses[200])
  assert.deepEqual(filesOf(service), before.files)
  const more = (service.memoryBytes() ?? 0) - (before.memory ?? 0)
  assert.ok(more <= MEMORY_BYTES_MORE_MAX, `${more} more bytes of memory`)
  assert.equal((await service.get('/api/v1/doctors')).status, 200)
})

/** Without those that SQLite keeps beside an open database. */
const filesOf = ({ stateDir }) =>
  readdirSync(stateDir, { recursive: true })
    .filter((name) => !/-(wal|shm|journal)$/.test(name))
    .sort()

/** Sends while `goesOn` says so, which is told how many requests were sent. Returns how often each status came. */
async function flood(service, goesOn) {
  const statuses = {}
  const requests = madeUp(service.key)
  let sent = 0
  const send = async () => {
    while (goesOn(sent)) {
      const [path, headers] = requests[sent % requests.length]()
      sent += 1
      const answer = await fetch(`${service.url()}${path}`, { headers })
      await answer.arrayBuffer()
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, send))
  return statuses
}
