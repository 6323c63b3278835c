// `npm run bench`: what each operation costs, beside what the machine can do at most; bench/RESULTS.md keeps the
// last whole run.
import { stopOnSignal } from '../scripts/foreground.mjs'
import { fail } from '../scripts/ready.mjs'
import { measureBill } from './bill.mjs'
import { measureColdStarts } from './cold-start.mjs'
import { measureGrowth } from './growth.mjs'
import { measureImport } from './import.mjs'
import { machine } from './machine.mjs'
import { readOptions } from './options.mjs'
import { judgedBill } from './promises.mjs'
import { keep } from './report.mjs'
import { measureRounds, summary } from './rounds.mjs'
import { prepareServers, startLimit, startService } from './servers.mjs'
import { LIMITS } from './workloads.mjs'

/** The exit code of what a signal ended. */
const INTERRUPTED = 130

const startedAt = performance.now()
const say = (what) => console.error(`${seconds().toFixed(0).padStart(4)} s  ${what}`)
const seconds = () => (performance.now() - startedAt) / 1_000

async function bench() {
  const options = readOptions()
  say('bundling, and filling a database')
  const prepared = await prepareServers(options.doctors)
  const results = { machine: machine(), settings: settingsOf(options) }
  if (options.does('bill')) results.bill = await bill(prepared)
  if (options.does('load')) results.load = await loads(prepared, options)
  if (options.does('growth')) {
    const { growth, alarmMs } = options
    results.growth = await measureGrowth(prepared, { ...growth, alarmMs, say })
  }
  if (options.does('import')) results.import = await imports(prepared, options)
  if (options.does('cold-start')) results.coldStart = await coldStarts(prepared, options)
  keep({ ...results, seconds: Math.round(seconds()) }, options)
  const troubles = troublesOf(results)
  if (troubles.length > 0) throw new Error(troubles.join('\n'))
}

const settingsOf = ({ rounds, seconds, growth, isSmoke }) => ({ rounds, seconds, growth, isSmoke })

async function bill(prepared) {
  say('counting what each operation costs')
  const server = await startService(prepared, 'bill', { bundle: prepared.bundles.counted })
  const lines = await measureBill(server)
  await server.stop()
  return lines
}

async function loads(prepared, options) {
  const service = await startService(prepared, 'service')
  const contestants = options.workloads.map((workload) => ({ workload, server: service }))
  for (const workload of LIMITS)
    contestants.push({ workload, server: await startLimit(workload.name), isLimit: true })
  const measured = await measureRounds(contestants, { ...options, say })
  await Promise.all([...new Set(contestants.map(({ server }) => server))].map((server) => server.stop()))
  return summary(measured)
}

async function imports(prepared, options) {
  const server = await startService(prepared, 'import')
  const measured = await measureImport(server, { ...options.import, say })
  await server.stop()
  return measured
}

async function coldStarts(prepared, options) {
  const [service, limit] = [await startService(prepared, 'cold'), await startLimit('bare')]
  return measureColdStarts(service, limit, { times: options.coldStarts, say })
}

/** What must not be, on whatever machine. */
const troublesOf = ({ bill = [], load = [] }) => [
  ...judgedBill(bill)
    .filter(({ isKept }) => !isKept)
    .map(({ workload, what, most, counted }) => `${workload}: ${counted} ${what}, promised are ${most}`),
  ...load
    .filter(({ wrong }) => wrong > 0)
    .map(({ name, wrong, requests }) => `${name}: ${wrong} of ${requests} answers were wrong`),
]

// Whatever the signal: servers.mjs ends its processes when this one exits.
stopOnSignal({ stop: async () => {} }, INTERRUPTED)
await bench().catch((error) => fail(error.message))
