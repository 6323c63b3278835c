import { setTimeout as sleep } from 'node:timers/promises'
import { ALARM_AFTER_MS } from '../servers.mjs'
import { BILLED } from '../workloads/workloads.mjs'
import { begin, lineOf, send, settled } from './counts.mjs'

export const AT_ONCE = 20

/** On Cloudflare a write occupies D1 for a few milliseconds, and the next one waits. */
export const D1_MS = 5

/**
 * Counts what one of 20 equal operations asks of Cloudflare that arrive at once, of different patients, each on
 * a day of its own, while each batch occupies D1 as long as on Cloudflare.
 */
export async function measureRush({ site }, { times, warmUps }) {
  const workloads = BILLED.filter(({ isAlone }) => !isAlone)
  for (const workload of workloads) await rush(site, workload, { times, warmUps })
  await sleep(ALARM_AFTER_MS)
  const { tallies } = await settled(site)
  return workloads.map(({ name, title }) => {
    const isOwn = (label) => label.startsWith(`${name}@`)
    return lineOf(tallies, { name, title, isOwn, of: AT_ONCE })
  })
}

/** A warm-up opens the connections, and is not counted. */
async function rush(site, workload, { times, warmUps }) {
  const rushes = times + warmUps
  const request = await workload.prepare(site, AT_ONCE * rushes, 1)
  for (let n = 0; n < rushes; n += 1) {
    await settled(site)
    await begin(site, n < warmUps ? '' : `${workload.name}@${n}`, { d1Ms: D1_MS })
    await Promise.all(
      Array.from({ length: AT_ONCE }, (_, each) => send(site, request(n * AT_ONCE + each), workload)),
    )
    await settled(site)
  }
  await begin(site, '')
}
