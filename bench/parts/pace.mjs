import { setTimeout as sleep } from 'node:timers/promises'
import { sender } from '../connections.mjs'
import { median, percentile } from '../load.mjs'
import { PEERS } from '../peers/list.mjs'
import { missingFor, startPeer } from '../peers/peers.mjs'
import { seedPages } from '../seed.mjs'
import { startService } from '../servers.mjs'
import { chanceOf } from '../torture/chance.mjs'
import { MIX, mixOf, mixOfPeers } from '../workloads/mix.mjs'

const SHARES = Object.fromEntries(MIX.map(({ name, share }) => [name, share]))
const NEEDED = PEERS.filter(({ name }) => MIX.some(({ peer }) => peer === name))

/** Timers ring a little late: the last part of a wait goes without one. */
const TIMER_MS = 2

/**
 * How long answers take at a fixed pace: requests of a mix come as they come, whether or not earlier ones have
 * been answered, and are measured from the time at which they were due. The service has all of them; in turn with
 * it the peers have them at the same pace, each peer what it is for, all at once on this machine.
 */
export async function measurePace(prepared, { rounds, pace, seconds, isSmoke, log }) {
  const amount = pace * seconds
  const skipped = isSmoke ? 'left out in a smoke run' : (NEEDED.map(missingFor).find(Boolean) ?? null)
  const contestants = [await serviceOf(prepared, amount), ...(skipped ? [] : [await peersOf(amount)])]
  const runs = []
  for (let round = 0; round <= rounds; round += 1) {
    log(`pace: ${round === 0 ? 'warming up' : `round ${round} of ${rounds}`}`)
    const plan = planOf(round, amount, pace)
    const run = {}
    for (const { name, mix } of round % 2 ? contestants : contestants.toReversed())
      run[name] = await measure(plan, await mix())
    if (round > 0) runs.push(run)
  }
  await Promise.all(contestants.map(({ stop }) => stop()))
  const kinds = MIX.map(({ name, title }) => lineOf(title, runs, ({ latencies }) => latencies[name]))
  const all = lineOf('All', runs, ({ latencies }) => Object.values(latencies).flat())
  return {
    pace,
    skipped,
    wrong: wrongIn(runs, 'service'),
    peersWrong: wrongIn(runs, 'peers'),
    lines: [all, ...kinds],
  }
}

async function serviceOf(prepared, amount) {
  const fillState = (stateDir) => seedPages(stateDir, prepared.clinics)
  const service = await startService(prepared, 'pace', { fillState })
  return { name: 'service', mix: () => mixOf(service, amount), stop: service.stop }
}

async function peersOf(amount) {
  const peers = {}
  for (const workload of NEEDED) peers[workload.name] = { workload, server: await startPeer(workload) }
  let round = 0
  return {
    name: 'peers',
    mix: () => mixOfPeers(peers, amount, round++),
    stop: () => Promise.all(Object.values(peers).map(({ server }) => server.stop())),
  }
}

/** When each request is due, and of which kind it is: the same for all in a round. */
function planOf(round, amount, pace) {
  const chance = chanceOf(round, 'pace')
  let dueAt = 0
  return Array.from({ length: amount }, () => {
    dueAt += (-Math.log(1 - chance.next()) * 1_000) / pace
    return { dueAt, name: chance.weighted(SHARES) }
  })
}

/** Milliseconds of each kind, and how many answers were not as expected. */
async function measure(plan, mix) {
  const servers = [...new Set(Object.values(mix).map(({ server }) => server))]
  for (const server of servers) await server.settled()
  const senders = new Map(servers.map((server) => [server, sender(server.url)]))
  const latencies = Object.fromEntries(Object.keys(mix).map((name) => [name, []]))
  const sent = Object.fromEntries(Object.keys(mix).map((name) => [name, 0]))
  let wrong = 0
  const startedAt = performance.now()
  const ask = async (name, dueAt) => {
    const { server, request, expected } = mix[name]
    const { status } = await senders.get(server).send(request(sent[name]++))
    latencies[name].push(performance.now() - startedAt - dueAt)
    if (status !== expected) wrong += 1
  }
  const answers = []
  for (const { dueAt, name } of plan) {
    await until(startedAt + dueAt)
    answers.push(ask(name, dueAt).catch(() => (wrong += 1)))
  }
  await Promise.all(answers)
  for (const each of senders.values()) each.close()
  return { latencies, wrong }
}

async function until(at) {
  const left = at - performance.now()
  if (left > TIMER_MS) await sleep(left - TIMER_MS)
  while (performance.now() < at) await new Promise(setImmediate)
}

/** Medians of the rounds, and of their ratios. */
function lineOf(title, runs, of) {
  const quantile = (who, share) => runs.map((run) => run[who] && percentile(of(run[who]), share))
  const at = (who) => ({ p50: median(quantile(who, 0.5)), p99: median(quantile(who, 0.99)) })
  const [ours, theirs] = [quantile('service', 0.99), quantile('peers', 0.99)]
  const ratio = median(ours.map((p99, round) => theirs[round] && p99 / theirs[round]))
  return { title, service: at('service'), peers: at('peers'), ratio }
}

const wrongIn = (runs, who) => runs.reduce((total, run) => total + (run[who]?.wrong ?? 0), 0)
