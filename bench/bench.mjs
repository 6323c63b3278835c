// `npm run bench` measures what each operation costs and compares it with the most that the machine can do, and
// with what else could be run on it. bench/RESULTS.md contains the last whole run.
import { stopOnSignal } from '../scripts/foreground.mjs'
import { fail } from '../scripts/ready.mjs'
import { machine } from './machine.mjs'
import { readOptions } from './options.mjs'
import { measureBill } from './parts/bill.mjs'
import { measureDepth } from './parts/depth.mjs'
import { measureFairness } from './parts/fairness.mjs'
import { measureGrowth } from './parts/growth.mjs'
import { measureImport } from './parts/import.mjs'
import { measurePace } from './parts/pace.mjs'
import { measureRush } from './parts/rush.mjs'
import { measureSpeed } from './parts/speed.mjs'
import { measureStarts } from './parts/starts.mjs'
import { judgeBill } from './report/promises.mjs'
import { saveResults } from './report/report.mjs'
import { prepareServers, removeStates, startLimit, startService } from './servers.mjs'

/** The exit code after a signal. */
const INTERRUPTED = 130

const startedAt = performance.now()
const log = (what) => console.error(`${seconds().toFixed(0).padStart(4)} s  ${what}`)
const seconds = () => (performance.now() - startedAt) / 1_000

const MEASURES = { bill, rush, depth, load, pace, fairness, growth, import: imports, start: starts }

async function bench() {
  const options = readOptions()
  log('bundling, and filling a database')
  const prepared = await prepareServers(options)
  const measured = await measureAll(prepared, options)
  removeStates()
  const { rounds, isSmoke, clinics } = options
  const settings = { rounds, seconds: options.seconds, isSmoke, clinics: clinics.count }
  saveResults({ machine: machine(), settings, tookSeconds: Math.round(seconds()), ...measured }, options)
  const failures = failuresOf(measured)
  if (failures.length > 0) throw new Error(failures.join('\n'))
}

/** Measures one part after another, so that they do not slow each other; a smoke run measures all at once. */
async function measureAll(prepared, options) {
  const results = {}
  const measure = async (part) => {
    results[part] = await MEASURES[part](prepared, options)
  }
  const parts = Object.keys(MEASURES).filter(options.isSelected)
  if (options.isSmoke) await Promise.all(parts.map(measure))
  else for (const part of parts) await measure(part)
  return results
}

/** Measures on a service of its own whose bindings are counted. */
async function counted(prepared, name, measure) {
  const server = await startService(prepared, name, { build: prepared.builds.counted })
  const lines = await measure(server)
  await server.stop()
  return lines
}

async function bill(prepared) {
  log('bill: counting what each operation asks for')
  return counted(prepared, 'bill', measureBill)
}

async function rush(prepared, options) {
  log('rush: counting what each of many at once asks for')
  return counted(prepared, 'rush', (server) => measureRush(server, options.rush))
}

async function depth(prepared, options) {
  log('depth: counting what each operation waits for')
  return counted(prepared, 'depth', (server) => measureDepth(server, options.depth))
}

async function load(prepared, options) {
  return measureSpeed(prepared, { ...options, log })
}

async function pace(prepared, options) {
  return measurePace(prepared, { ...options, ...options.pace, log })
}

async function fairness(prepared, options) {
  const wanted = { ...options, ...options.fairness, log }
  return counted(prepared, 'fairness', (server) => measureFairness(server, wanted))
}

async function growth(prepared, options) {
  return measureGrowth(prepared, { ...options, ...options.growth, log })
}

async function imports(prepared, options) {
  const server = await startService(prepared, 'import')
  const measured = await measureImport(server, { ...options, ...options.import, log })
  await server.stop()
  return measured
}

async function starts(prepared, options) {
  const service = await startService(prepared, 'start')
  const limit = await startLimit('bare', { name: 'start-limit' })
  return measureStarts(service, limit, { times: options.starts, log })
}

/** What fails a run on every machine. */
const failuresOf = ({ bill = [], load = [], pace }) => [
  ...judgeBill(bill)
    .filter(({ isKept }) => !isKept)
    .map(({ workload, what, most, counted }) => `${workload}: ${counted} ${what}, promised are ${most}`),
  ...load
    .filter(({ wrong }) => wrong > 0)
    .map(({ name, wrong, requests }) => `${name}: ${wrong} of ${requests} answers were wrong`),
  ...(pace?.wrong > 0 ? [`pace: ${pace.wrong} answers were wrong or missing`] : []),
]

// After any signal servers.mjs ends its processes when this process exits.
stopOnSignal({ stop: async () => {} }, INTERRUPTED)
await bench().catch((error) => fail(error.message))
