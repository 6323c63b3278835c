import { setTimeout as sleep } from 'node:timers/promises'
import { median } from '../load.mjs'

const POLL_MS = 5
const ANSWERED_WITHIN_MS = 60_000

/** Milliseconds from the start of a process to its first answer, on an existing state; servers take turns. */
export async function measureStarts(service, limit, { times, log }) {
  const contestants = [
    { name: 'service', server: service, ...service.site.get('/api/v1/doctors?limit=1') },
    { name: 'bare', server: limit, path: '/' },
  ].map((contestant) => ({ ...contestant, ms: [] }))
  for (const { server } of contestants) await server.stop()
  log(`start: ${times} times`)
  for (let n = 0; n < times; n += 1)
    for (const contestant of contestants) contestant.ms.push(await startOf(contestant))
  return Object.fromEntries(contestants.map(({ name, ms }) => [name, median(ms)]))
}

async function startOf({ server, path, headers }) {
  const startedAt = performance.now()
  const worker = await server.restart()
  const isUp = () =>
    fetch(worker.url + path, { headers }).then(
      async (response) => response.ok && (await response.text()).length > 0,
      () => false,
    )
  while (!(await isUp())) {
    if (performance.now() - startedAt > ANSWERED_WITHIN_MS)
      throw new Error(`${worker.url} did not answer within ${ANSWERED_WITHIN_MS / 1_000} s`)
    await sleep(POLL_MS)
  }
  const ms = performance.now() - startedAt
  await worker.stop()
  return ms
}
