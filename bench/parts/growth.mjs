import { setTimeout as sleep } from 'node:timers/promises'
import { CONNECTIONS, load, median } from '../load.mjs'
import { CLINIC, seedOthers } from '../seed.mjs'
import { startService } from '../servers.mjs'
import { APPOINTMENTS } from '../site.mjs'
import { WORKLOADS } from '../workloads/workloads.mjs'
import { crowd } from './crowd.mjs'

const PAGE = 10

const workload = (name) => WORKLOADS.find((each) => each.name === name)

/** The workloads on the days that a case keeps busy (crowd.mjs). */
const ON_A_DAY = {
  book: { ...workload('book'), requestsOf: ({ crowd }) => crowd.booking(), isPerRound: true },
  'check-in': { ...workload('check-in'), requestsOf: ({ crowd }) => crowd.checkingIn(), isPerRound: true },
  get: { ...workload('get'), requestsOf: getting },
  list: { title: `List ${PAGE} of the day's appointments`, expected: 200, requestsOf: listingAppointments },
}

/** The workloads in a database that also contains records that no request asks for. */
const BESIDE_RECORDS = {
  book: onFreshDays('book'),
  'check-in': onFreshDays('check-in'),
  get: onFreshDays('get'),
  list: { title: `List ${PAGE} of the medical tests`, expected: 200, requestsOf: listingTests },
}

const STEPS = Object.keys(ON_A_DAY)

/** What one request costs on longer and longer days, and with more and more records. One server per size. */
export async function measureGrowth(prepared, { slots, days, records, rounds, amount, alarmMs, log }) {
  log('growth: filling the databases')
  const cases = await Promise.all([
    ...slots.map((size) => startSlotsCase(prepared, size, { days, rounds })),
    ...records.map((size) => startRecordsCase(prepared, size)),
  ])
  for (let round = 0; round < rounds; round += 1) {
    log(`growth: round ${round + 1} of ${rounds}`)
    for (const step of STEPS) await measureStep(rotated(cases, round), step, { amount, alarmMs })
  }
  await Promise.all(cases.map(({ server }) => server.stop()))
  return STEPS.flatMap((step) => [lineOf(cases, 'slots', step), lineOf(cases, 'records', step)])
}

async function startSlotsCase(prepared, size, wanted) {
  const server = await startService(prepared, `slots-${size}`)
  return caseOf('slots', size, server, ON_A_DAY, { crowd: crowd(server.site, size, wanted) })
}

async function startRecordsCase(prepared, size) {
  const fillState = (stateDir) => seedOthers(stateDir, size)
  const server = await startService(prepared, `records-${size}`, { fillState })
  return caseOf('records', size, server, BESIDE_RECORDS)
}

const caseOf = (kind, size, server, workloads, more) => ({
  kind,
  size,
  server,
  workloads,
  runs: Object.fromEntries(STEPS.map((step) => [step, []])),
  ...more,
})

/** Alarms are not part of a measurement: those of the preparation ring before it, its own ring after it. */
async function measureStep(cases, step, { amount, alarmMs }) {
  const wanted = new Map()
  for (const each of cases) {
    const { expected, requestsOf, isPerRound } = each.workloads[step]
    const count = isPerRound ? each.crowd.perRound : amount
    wanted.set(each, { expected, amount: count, request: await requestsOf(each, count) })
  }
  await sleep(alarmMs)
  for (const each of cases) {
    await each.crowd?.wake()
    each.runs[step].push(await measure(each.server, wanted.get(each)))
  }
}

async function measure({ url, meter, settled }, { amount, request, expected }) {
  await settled()
  const before = meter.cpuMicros()
  const { statuses, perSecond } = await load(url, { amount, connections: CONNECTIONS.low, request })
  await settled()
  if (statuses[expected] !== amount)
    throw new Error(
      `Of ${amount} requests like ${request(0).path} were answered: ${JSON.stringify(statuses)}`,
    )
  return { perSecond, cpuMicros: before === null ? null : (meter.cpuMicros() - before) / amount }
}

/** `grows`: the cost at each size divided by that at the smallest, as the median of each round's ratio. */
function lineOf(cases, kind, step) {
  const own = cases.filter((each) => each.kind === kind).sort((one, other) => one.size - other.size)
  const [smallest] = own
  const { title } = smallest.workloads[step]
  const isMeasured = smallest.runs[step][0].cpuMicros !== null
  const sizes = own.map(({ size, runs }) => ({
    size,
    cpuMicros: median(runs[step].map((run) => run.cpuMicros)),
    perSecond: median(runs[step].map((run) => run.perSecond)),
    grows: isMeasured
      ? median(runs[step].map((run, round) => run.cpuMicros / smallest.runs[step][round].cpuMicros))
      : null,
  }))
  return { kind, step, title, sizes }
}

const rotated = (list, by) => list.map((_, n) => list[(n + by) % list.length])

function onFreshDays(name) {
  const { prepare, ...same } = workload(name)
  return { ...same, requestsOf: ({ server }, amount) => prepare(server.site, amount) }
}

function getting({ crowd, server }) {
  return (number) => server.site.get(`${APPOINTMENTS}/${crowd.appointment(number).id}`)
}

function listingAppointments({ crowd, server }) {
  return (number) =>
    server.site.get(`${APPOINTMENTS}?doctor_id=${crowd.appointment(number).doctor_id}&limit=${PAGE}`)
}

function listingTests({ server }) {
  return () => server.site.get(`/tests?clinic_id=${CLINIC}&limit=${PAGE}`)
}
