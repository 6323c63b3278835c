import { setTimeout as sleep } from 'node:timers/promises'
import { complaint, median } from '../load.mjs'
import { ALARM_AFTER_MS } from '../servers.mjs'
import { WORKLOADS } from '../workloads/workloads.mjs'
import { answered, begin, send, settled } from './counts.mjs'

/** So long that what the Worker itself does does not count beside it. */
const DELAY_MS = 100

/** A busy day rests this long between two copies: in ordinary times D1 knows its queue when a room is free. */
const COPIED_AFTER_MS = 700

/** The service ends a request after 10 seconds: then its depth is greater than what was measured. */
const CUT_OFF = 503
const CUT_OFF_AFTER_MS = 9_000

/** In the order of RESULTS.md; each of them has a key. The longest one is last, because it may be cut off. */
const OPERATIONS = [
  'book',
  'call-next-keyed',
  'check-in-keyed',
  'step-keyed',
  'cancel-keyed',
  'post-test-keyed',
  'webhook-keyed',
  'reschedule',
  'absence-5',
  'absence-30',
]

/**
 * The depth of the critical path: how many calls of bindings an operation waits for one after another. Each
 * operation runs twice, the second time with every call 100 ms longer, so the answer comes 100 ms later for each
 * of them. A call of the Recorder and its batch to D1 are one; the time that a call waits behind an earlier lot
 * is counted apart.
 */
export async function measureDepth({ site }, { times }) {
  const prepared = []
  for (const name of OPERATIONS) {
    const workload = WORKLOADS.find((each) => each.name === name)
    const request = await workload.prepare(site, 2 * times + 1)
    await send(site, request(0), workload)
    prepared.push({ workload, request })
  }
  await sleep(ALARM_AFTER_MS)
  const lines = []
  for (const each of prepared) lines.push(await lineOf(site, each, times))
  await begin(site, '')
  return lines
}

async function lineOf(site, { workload, request }, times) {
  const { name, title } = workload
  const runs = { near: [], far: [] }
  for (let n = 0; n < times; n += 1) {
    runs.near.push(await measure(site, { workload, request: request(2 * n + 1), delayMs: 0 }))
    const far = await measure(site, { workload, request: request(2 * n + 2), delayMs: DELAY_MS })
    if (far.isCutOff) return { name, title, ...far, depth: Math.round(far.ms / DELAY_MS) }
    runs.far.push(far)
  }
  const over = (kind, count) => median(runs[kind].map((run) => run[count]))
  const [ms, behindLotMs, nearMs] = [over('far', 'ms'), over('far', 'behindLotMs'), over('near', 'ms')]
  const depth = Math.round((ms - behindLotMs - nearMs) / DELAY_MS)
  return { name, title, depth, isCutOff: false, ms, behindLotMs }
}

async function measure(site, { workload, request, delayMs }) {
  await begin(site, '')
  await sleep(COPIED_AFTER_MS)
  await settled(site)
  // The API key is read from D1 every 10 seconds; this request reads it, so that the operation does not.
  await send(site, site.get('/api/v1/doctors?limit=1'), { expected: 200 })
  const label = request.path
  await begin(site, label, { delayMs })
  const { ms, status, body } = await answered(site, request)
  // The calls of a request that was cut off never end, so nothing can be measured after it.
  if (status === CUT_OFF && ms > CUT_OFF_AFTER_MS) return { ms, isCutOff: true, behindLotMs: 0 }
  const wrong = complaint(request.path, workload, status, body)
  if (wrong) throw new Error(wrong)
  const { tallies } = await settled(site)
  return { ms, isCutOff: false, behindLotMs: tallies[label].before.behindLotMs }
}
