import { setTimeout as sleep } from 'node:timers/promises'
import { ask, CONNECTIONS, load, median, percentile } from '../load.mjs'

const WARM_UP_REQUESTS = 100
const REQUESTS_MIN = 40
const REQUESTS_MAX = 50_000

/**
 * Loads each contestant once a round, at low and at high concurrency. Each round begins with another one, so
 * that other work of the machine slows all of them alike. A contestant is a workload and its server.
 * `amount`: the number of requests, instead of as many as fit into `seconds`. `alarmMs`: how long to wait for
 * the alarms that a workload sets.
 */
export async function measureRounds(contestants, { rounds, seconds, amount, alarmMs, log }) {
  const amounts = new Map()
  log('load: warming up')
  for (const contestant of contestants) amounts.set(contestant, await warmedUp(contestant, seconds, amount))
  const runs = new Map(contestants.map((contestant) => [contestant, []]))
  for (let round = 0; round < rounds; round += 1) {
    log(`load: round ${round + 1} of ${rounds}`)
    for (let n = 0; n < contestants.length; n += 1) {
      const contestant = contestants[(n + round) % contestants.length]
      runs.get(contestant).push(await measure(contestant, amounts.get(contestant), alarmMs))
    }
  }
  return contestants.map((contestant) => ({ contestant, runs: runs.get(contestant) }))
}

/** Checks each reply, which no later run does, and returns how many requests each later run has. */
async function warmedUp({ workload, server }, seconds, amount) {
  const amounts = {}
  for (const [name, connections] of Object.entries(CONNECTIONS)) {
    const wanted = { ...workload, amount: amount ?? WARM_UP_REQUESTS, connections }
    const request = await workload.prepare(server.site, wanted.amount)
    const { perSecond } = await ask(server.url, { ...wanted, request })
    const lasting = Math.min(REQUESTS_MAX, Math.max(REQUESTS_MIN, Math.round(perSecond * seconds)))
    amounts[name] = amount ?? lasting
  }
  return amounts
}

/**
 * CPU is that of both runs with all work after their answers, alarms included, so that no work of one
 * contestant counts for the next one.
 */
async function measure({ workload, server }, amounts, alarmMs) {
  const { site, url, meter } = server
  const requests = {}
  for (const name of Object.keys(CONNECTIONS)) requests[name] = await workload.prepare(site, amounts[name])
  await server.settled()
  meter.resetPeak()
  const before = meter.cpuMicros()
  const run = {}
  for (const [name, connections] of Object.entries(CONNECTIONS)) {
    const result = await load(url, { amount: amounts[name], connections, request: requests[name] })
    run[name] = summaryOf(result, workload.expected)
  }
  if (workload.wakes) await sleep(alarmMs)
  await server.settled()
  const answered = run.low.answered + run.high.answered
  const cpuMicros = before === null ? null : (meter.cpuMicros() - before) / answered
  return { ...run, cpuMicros, peakBytes: meter.peakBytes() }
}

function summaryOf({ amount, perSecond, latencies, statuses, errors }, expected) {
  return {
    perSecond,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    answered: latencies.length,
    wrong: errors + amount - (statuses[expected] ?? 0),
  }
}

/** Medians over the rounds, and for each bare Worker and each peer the median of each round's ratio to it. */
export function summary(measured) {
  const references = measured.filter(({ contestant }) => contestant.kind !== 'service')
  return measured.map(({ contestant: { workload, kind }, runs }) => {
    const over = (value) => median(runs.map(value))
    const at = (name) => ({
      perSecond: over((run) => run[name].perSecond),
      p50: over((run) => run[name].p50),
      p99: over((run) => run[name].p99),
    })
    return {
      name: workload.name,
      title: workload.title,
      kind,
      low: at('low'),
      high: at('high'),
      cpuMicros: over((run) => run.cpuMicros),
      peakBytes: Math.max(...runs.map((run) => run.peakBytes ?? 0)) || null,
      requests: sum(runs.map((run) => run.low.answered + run.high.answered)),
      wrong: sum(runs.map((run) => run.low.wrong + run.high.wrong)),
      ratios: Object.fromEntries(
        references.map(({ contestant, runs: others }) => [contestant.workload.name, ratios(runs, others)]),
      ),
    }
  })
}

/** `cpu` is other divided by run, so that more is better in both. */
const ratios = (runs, others) => ({
  throughput: median(runs.map((run, round) => run.high.perSecond / others[round].high.perSecond)),
  cpu:
    runs[0].cpuMicros === null
      ? null
      : median(runs.map((run, round) => others[round].cpuMicros / run.cpuMicros)),
})

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0)
