// `npm run bench` measures what each operation costs and compares it with the most that the machine can do.
// bench/RESULTS.md contains the last whole run.
import { stopOnSignal } from '../scripts/foreground.mjs'
import { fail } from '../scripts/ready.mjs'
import { measureBill } from './bill.mjs'
import { measureGrowth } from './growth.mjs'
import { measureImport } from './import.mjs'
import { machine } from './machine.mjs'
import { readOptions } from './options.mjs'
import { judgeBill } from './promises.mjs'
import { saveResults } from './report.mjs'
import { measureRounds, summary } from './rounds.mjs'
import { prepareServers, removeStates, startLimit, startService } from './servers.mjs'
import { measureStarts } from './starts.mjs'
import { LIMITS } from './workloads.mjs'

/** The exit code after a signal. */
const INTERRUPTED = 130

const startedAt = performance.now()
const log = (what) => console.error(`${seconds().toFixed(0).padStart(4)} s  ${what}`)
const seconds = () => (performance.now() - startedAt) / 1_000

const MEASURES = { bill, load, growth, import: imports, start: starts }

async function bench() {
  const options = readOptions()
  log('bundling, and filling a database')
  const prepared = await prepareServers(options.doctors)
  const measured = await measureAll(prepared, options)
  removeStates()
  const { rounds, isSmoke } = options
  const settings = { rounds, seconds: options.seconds, isSmoke }
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

async function bill(prepared) {
  log('bill: counting what each operation asks for')
  const server = await startService(prepared, 'bill', { bundle: prepared.bundles.counted })
  const lines = await measureBill(server)
  await server.stop()
  return lines
}

async function load(prepared, options) {
  const service = await startService(prepared, 'service')
  const contestants = options.workloads.map((workload) => ({ workload, server: service }))
  for (const workload of LIMITS)
    contestants.push({ workload, server: await startLimit(workload.name, workload), isLimit: true })
  const measured = await measureRounds(contestants, { ...options, log })
  await Promise.all([...new Set(contestants.map(({ server }) => server))].map((server) => server.stop()))
  return summary(measured)
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
const failuresOf = ({ bill = [], load = [] }) => [
  ...judgeBill(bill)
    .filter(({ isKept }) => !isKept)
    .map(({ workload, what, most, counted }) => `${workload}: ${counted} ${what}, promised are ${most}`),
  ...load
    .filter(({ wrong }) => wrong > 0)
    .map(({ name, wrong, requests }) => `${name}: ${wrong} of ${requests} answers were wrong`),
]

// After any signal servers.mjs ends its processes when this process exits.
stopOnSignal({ stop: async () => {} }, INTERRUPTED)
await bench().catch((error) => fail(error.message))
