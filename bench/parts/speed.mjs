import { missingFor, startPeer } from '../peers/peers.mjs'
import { seedPages } from '../seed.mjs'
import { startLimit, startService } from '../servers.mjs'
import { measureRounds, summary } from './rounds.mjs'

const IN_SMOKE = 'left out in a smoke run'

/**
 * The speed of the service beside that of bare Workers and of the peers, all in the same rounds. A peer that
 * cannot run has a line that says why.
 */
export async function measureSpeed(prepared, { loads, limits, peers, isSmoke, ...options }) {
  const fillState = (stateDir) => seedPages(stateDir, prepared.clinics)
  const service = await startService(prepared, 'service', { fillState })
  const contestants = loads.map((workload) => ({ workload, server: service, kind: 'service' }))
  for (const workload of limits) {
    const { worker = workload.name, name, config } = workload
    contestants.push({ workload, server: await startLimit(worker, { name, config }), kind: 'limit' })
  }
  const skipped = []
  for (const peer of peers) {
    const why = isSmoke ? IN_SMOKE : missingFor(peer)
    if (why) skipped.push({ name: peer.name, title: peer.title, kind: 'peer', skipped: why })
    else contestants.push({ workload: peer, server: await startPeer(peer), kind: 'peer' })
  }
  const measured = await measureRounds(contestants, options)
  await Promise.all([...new Set(contestants.map(({ server }) => server))].map((server) => server.stop()))
  return [...summary(measured), ...skipped]
}
