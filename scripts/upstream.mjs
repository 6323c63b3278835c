// `npm run upstream`: a hospital directory as a target for imports, with faults at configured rates.
// It counts the hospitals it created by Idempotency-Key and those it has twice, so duplicates are visible.
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { readOptions } from './command-line.mjs'
import { isMain } from './root.mjs'

const PORT_USUAL = 9090
const BODY_BYTES_MAX = 64 * 1024
const RETRY_AFTER_SECONDS = 3

/** The possible faults, each with a rate from 0 to 1: `--error 0.1` or `UPSTREAM_ERROR=0.1`. */
const FAULTS = {
  error: { creates: false, answer: (response) => json(response, 500, {}) },
  gateway: { creates: false, answer: (response) => json(response, 502, {}) },
  busy: { creates: false, answer: (response) => json(response, 503, {}, later()) },
  limited: { creates: false, answer: (response) => json(response, 429, {}, later()) },
  reset: { creates: false, answer: (response) => response.destroy() },
  lost: { creates: true, answer: (response) => response.destroy() },
  silent: { creates: true, answer: () => {} },
  html: { creates: true, answer: (response) => response.writeHead(200).end('<html>Welcome</html>') },
  truncated: { creates: true, answer: (response) => response.writeHead(201).end('{"id":"') },
}

/** Listens on a port (0: any) of this machine. `rates` has the rate of each fault. */
export async function startUpstream({ port = PORT_USUAL, rates = {} } = {}) {
  const state = { calls: 0, byKey: new Map(), activated: new Set(), starts: [] }
  const server = createServer((request, response) =>
    answer(state, rates, request, response).catch(() => json(response, 400, {})),
  )
  await once(server.listen(port, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    report: () => reportOf(state),
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function answer(state, rates, request, response) {
  if (request.method === 'GET' && request.url === '/report') return json(response, 200, reportOf(state))
  const batch = /^\/hospitals\/batch\/([^/]+)\/activate$/.exec(request.url ?? '')?.[1]
  const isCreation = request.method === 'POST' && request.url === '/hospitals/'
  if (!isCreation && !(request.method === 'PATCH' && batch)) return json(response, 404, {})
  state.calls += 1
  state.starts.push(Date.now())
  const wanted = isCreation ? JSON.parse(await bodyOf(request)) : null
  const fault = randomFault(rates)
  if (fault && !fault.creates) return fault.answer(response)
  if (batch) state.activated.add(batch)
  const hospital = wanted && created(state, request.headers['idempotency-key'] ?? randomUUID(), wanted)
  if (fault) return fault.answer(response)
  return hospital ? json(response, 201, hospital) : response.writeHead(204).end()
}

function created(state, key, { name, address, phone, creation_batch_id }) {
  const known = state.byKey.get(key)
  if (known) return known
  const hospital = { id: randomUUID(), name, address, phone, is_active: false, creation_batch_id }
  state.byKey.set(key, hospital)
  return hospital
}

/** At most one fault per call. */
function randomFault(rates) {
  let chance = Math.random()
  for (const [name, fault] of Object.entries(FAULTS)) {
    chance -= rates[name] ?? 0
    if (chance < 0) return fault
  }
  return null
}

function reportOf({ calls, byKey, activated, starts }) {
  const places = [...byKey.values()].map(({ name, address }) => `${name}\n${address}`)
  return {
    calls,
    hospitals: places.length,
    doubled: places.length - new Set(places).size,
    batches_activated: activated.size,
    calls_in_a_second_at_most: busiestSecond(starts),
  }
}

function busiestSecond(starts) {
  let [from, most] = [0, 0]
  for (const [index, at] of starts.entries()) {
    while (at - starts[from] >= 1_000) from += 1
    most = Math.max(most, index - from + 1)
  }
  return most
}

async function bodyOf(request) {
  let text = ''
  for await (const piece of request.setEncoding('utf8')) {
    text += piece
    if (text.length > BODY_BYTES_MAX) throw new Error('Too large')
  }
  return text
}

const json = (response, status, body, headers = {}) =>
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body))

const later = () => ({ 'Retry-After': String(RETRY_AFTER_SECONDS) })

const USAGE = `npm run upstream -- [--port PORT] [--FAULT RATE …]

  --port   the port to listen on (${PORT_USUAL})
  --FAULT  how often that fault happens, from 0 (the default) to 1. The faults:
           ${Object.keys(FAULTS).join(', ')}

Each option may be an environment variable instead: UPSTREAM_PORT, UPSTREAM_ERROR …`

/** Flags override the environment. */
function settings() {
  const names = ['port', ...Object.keys(FAULTS)]
  const values = readOptions(USAGE, Object.fromEntries(names.map((name) => [name, { type: 'string' }])))
  const given = (name) => values[name] ?? process.env[`UPSTREAM_${name.toUpperCase()}`]
  const rates = Object.fromEntries(Object.keys(FAULTS).map((name) => [name, Number(given(name) ?? 0)]))
  return { port: Number(given('port') ?? PORT_USUAL), rates }
}

if (isMain(import.meta.url)) {
  const upstream = await startUpstream(settings())
  console.log(`The hospital directory runs at ${upstream.url}; its counts are at ${upstream.url}/report`)
  process.on('SIGINT', async () => {
    console.log(JSON.stringify(upstream.report()))
    await upstream.stop()
  })
}
