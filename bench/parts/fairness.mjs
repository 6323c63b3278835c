import { CONNECTIONS, flood, load, median, percentile } from '../load.mjs'
import { CLINIC } from '../seed.mjs'
import { medicalTest } from '../workloads/records.mjs'
import { begin, settled } from './counts.mjs'
import { D1_MS } from './rush.mjs'

/** More bookings than a flood can make while it lasts. */
const FLOOD_BOOKINGS = 100_000

const FLOODS = [
  {
    name: 'tests',
    title: 'stores medical tests',
    prepare: (site) => (number) => site.clinic(0).post('/tests', medicalTest(number, CLINIC)),
  },
  {
    name: 'large-tests',
    title: 'stores medical tests of 50,000 characters',
    prepare: (site) => (number) =>
      site.clinic(0).post('/tests', { ...medicalTest(number, CLINIC), result: '"'.repeat(50_000) }),
  },
  { name: 'bookings', title: 'books', prepare: (site) => site.bookingsInTurn(FLOOD_BOOKINGS) },
]

const DISTANCES = [
  { name: 'near', title: 'D1 as it is on this machine', d1Ms: 0 },
  { name: 'far', title: `D1 as on Cloudflare: one batch at a time, ${D1_MS} ms each`, d1Ms: D1_MS },
]

/**
 * How long bookings of other clinics take while one clinic sends as much as it can, beside how long they take
 * alone. On one machine the flood also takes the CPU of the others, which on Cloudflare it does not.
 */
export async function measureFairness({ site }, { rounds, amount, connections, log }) {
  const cases = DISTANCES.flatMap((distance) => FLOODS.map((flooding) => ({ distance, flooding, runs: [] })))
  for (let round = 0; round < rounds; round += 1) {
    log(`fairness: round ${round + 1} of ${rounds}`)
    for (const each of cases) each.runs.push(await measure(site, each, { amount, connections }))
  }
  return cases.map(lineOf)
}

async function measure(site, { distance, flooding }, { amount, connections }) {
  await begin(site, '', distance)
  const alone = await booked(site, amount)
  await settled(site)
  const request = flooding.prepare(site)
  const running = flood(site.url, { connections, request })
  const flooded = await booked(site, amount)
  const { perSecond } = await running.stop()
  await begin(site, '')
  await settled(site)
  return { alone, flooded, ratio: flooded.p99 / alone.p99, perSecond }
}

/** Bookings of all clinics but the one that floods, so that some of them share its lane. */
async function booked({ url, many }, amount) {
  const request = many.bookingsInTurn(amount)
  const { latencies, statuses, errors } = await load(url, { amount, connections: CONNECTIONS.low, request })
  if (statuses[201] !== amount)
    throw new Error(
      `Of ${amount} bookings beside a flood were answered: ${JSON.stringify({ ...statuses, errors })}`,
    )
  return { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) }
}

function lineOf({ distance, flooding, runs }) {
  const over = (value) => median(runs.map(value))
  const at = (name) => ({ p50: over((run) => run[name].p50), p99: over((run) => run[name].p99) })
  return {
    name: `${distance.name}-${flooding.name}`,
    isPromised: distance.d1Ms > 0,
    where: distance.title,
    flood: flooding.title,
    alone: at('alone'),
    flooded: at('flooded'),
    ratio: over((run) => run.ratio),
    floodPerSecond: over((run) => run.perSecond),
  }
}
