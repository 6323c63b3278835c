import { setTimeout as sleep } from 'node:timers/promises'
import { CONNECTIONS, load, median } from './load.mjs'
import { CLINIC, seedOthers } from './seed.mjs'
import { startService } from './servers.mjs'
import { APPOINTMENTS, newKey } from './site.mjs'
import { WORKLOADS } from './workloads.mjs'

const PAGE = 10
const READ_AMONG = 200

const workload = (name) => WORKLOADS.find((each) => each.name === name)
const withoutSize = (name) => ({
  ...workload(name),
  prepareFor: (_, ...args) => workload(name).prepare(...args),
})

/** On days with so many slots. Half of a day is booked already when its other half is measured. */
const ON_A_DAY = {
  book: { ...workload('book'), prepareFor: bookingHalf },
  'check-in': { ...workload('check-in'), prepareFor: checkingIn },
  get: { ...workload('get'), prepareFor: getting },
  list: { title: `List ${PAGE} of the day's appointments`, expected: 200, prepareFor: listingAppointments },
}

/** Beside so many medical tests, patients, appointments and keys that nobody asks for. */
const BESIDE_RECORDS = {
  book: withoutSize('book'),
  'check-in': withoutSize('check-in'),
  get: withoutSize('get'),
  list: { title: `List ${PAGE} of the medical tests`, expected: 200, prepareFor: listingTests },
}

const STEPS = Object.keys(ON_A_DAY)

/** What one request costs on ever longer days, and beside ever more records. Each size has its own server. */
export async function measureGrowth(prepared, { slots, records, rounds, amount, alarmMs, say }) {
  say('growth: filling the databases')
  const cases = [
    ...(await Promise.all(slots.map((size) => caseOf(prepared, 'slots', size, ON_A_DAY)))),
    ...(await Promise.all(records.map((size) => caseOf(prepared, 'records', size, BESIDE_RECORDS)))),
  ]
  for (let round = 0; round < rounds; round += 1) {
    say(`growth: round ${round + 1} of ${rounds}`)
    for (const step of STEPS) await measureStep(rotated(cases, round), step, { amount, alarmMs })
  }
  await Promise.all(cases.map(({ server }) => server.stop()))
  return STEPS.flatMap((step) => [lineOf(cases, 'slots', step), lineOf(cases, 'records', step)])
}

async function caseOf(prepared, kind, size, workloads) {
  const fillState = kind === 'records' ? (stateDir) => seedOthers(stateDir, size) : undefined
  const server = await startService(prepared, `${kind}-${size}`, { fillState })
  return { kind, size, workloads, server, runs: Object.fromEntries(STEPS.map((step) => [step, []])) }
}

/**
 * The alarms of what was prepared ring first, and those of what is measured after it: they are no part of
 * it.
 */
async function measureStep(cases, step, { amount, alarmMs }) {
  const requests = new Map()
  for (const each of cases)
    requests.set(each, await each.workloads[step].prepareFor(each.size, each.server.site, amount))
  await sleep(alarmMs)
  for (const each of cases) {
    const { server, workloads, runs } = each
    const { expected } = workloads[step]
    runs[step].push(await measure(server, { amount, request: requests.get(each), expected }))
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

/** `grows`: the cost at each size beside that at the smallest, as the median of the rounds' own ratios. */
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

async function bookingHalf(slots, site, amount) {
  const at = site.days(slots, 2 * amount)
  await site.ask({ amount, request: (number) => site.booking(at(number)), expected: 201 })
  return (number) => site.booking(at(amount + number), newKey())
}

async function checkingIn(slots, site, amount) {
  const appointments = await site.booked(slots, amount)
  return (number) => site.checkIn(appointments[number])
}

/** Full days, unless so few requests are sent that nothing is measured. */
const toRead = (slots, amount) => Math.min(amount, Math.max(slots, READ_AMONG))

async function getting(slots, site, amount) {
  const appointments = await site.booked(slots, toRead(slots, amount))
  return (number) => site.get(`${APPOINTMENTS}/${appointments[number % appointments.length].id}`)
}

async function listingAppointments(slots, site, amount) {
  const appointments = await site.booked(slots, toRead(slots, amount))
  const doctors = [...new Set(appointments.map((appointment) => appointment.doctor_id))]
  return (number) => site.get(`${APPOINTMENTS}?doctor_id=${doctors[number % doctors.length]}&limit=${PAGE}`)
}

async function listingTests(_, site) {
  return () => site.get(`/tests?clinic_id=${CLINIC}&limit=${PAGE}`)
}
