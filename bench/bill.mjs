import { setTimeout as sleep } from 'node:timers/promises'
import { hospitalsCsv } from './csv.mjs'
import { uploading } from './import.mjs'
import { complaint, median } from './load.mjs'
import { ALARM_AFTER_MS } from './servers.mjs'
import { WORKLOADS } from './workloads.mjs'

/** The counts of one operation are the median of this many: one of them may also read the API key from D1. */
const OPERATIONS = 5
const IMPORTED_ROWS = 1_000

/** Each operation waits until bookings of one rush no longer share a copy: src/doctor-day/readers/copy.ts. */
const APART_MS = 600

const POLL_MS = 10
/** Between two steps nothing is pending for a moment; between a queue and its consumer the gap is longer. */
const QUIET_POLLS = 3
const QUIET_POLLS_OF_QUEUE = 60
const SETTLED_WITHIN_MS = 30_000

/**
 * Counts what each operation asks of Cloudflare. Preparation and one warm-up operation of each kind come
 * first, and their alarms ring. After that, the work of an alarm belongs to the operation that set it.
 */
export async function measureBill({ site }) {
  const prepared = []
  for (const workload of WORKLOADS) prepared.push(await warmedUp(site, workload))
  await sleep(ALARM_AFTER_MS)
  const lines = []
  for (const each of prepared) lines.push(await lineOf(site, each))
  lines.push(await importLine(site))
  await sleep(ALARM_AFTER_MS)
  const { tallies } = await settled(site)
  return lines.map((line) => withAlarm(line, tallies))
}

async function warmedUp(site, workload) {
  const request = await workload.prepare(site, OPERATIONS + 1)
  await send(site, request(0), workload)
  return { workload, request }
}

async function lineOf(site, { workload, request }) {
  const { name, title } = workload
  const tallies = []
  await settled(site)
  for (let n = 1; n <= OPERATIONS; n += 1) {
    if (workload.wakes) await sleep(APART_MS)
    await begin(site, labelOf(name, n))
    await send(site, request(n), workload)
    tallies.push((await settled(site)).tallies[labelOf(name, n)])
  }
  return { name, title, ...medians(tallies) }
}

async function importLine(site) {
  const upload = uploading(site, hospitalsCsv('bill', IMPORTED_ROWS))
  await begin(site, labelOf('import', 1))
  await send(site, upload, { expected: 202 })
  const { tallies } = await settled(site, QUIET_POLLS_OF_QUEUE)
  const title = `Import ${IMPORTED_ROWS.toLocaleString('en')} rows`
  return { name: 'import', title, ...medians([tallies[labelOf('import', 1)]]) }
}

const labelOf = (name, n) => `${name}#${n}`

const begin = (site, name) => fetch(`${site.url}/__bill?name=${encodeURIComponent(name)}`, { method: 'PUT' })

async function send({ url }, { path, ...request }, wanted) {
  const response = await fetch(url + path, request)
  const wrong = complaint(path, wanted, response.status, await response.text())
  if (wrong) throw new Error(wrong)
}

/** Returns the counts once nothing is pending. */
async function settled({ url }, polls = QUIET_POLLS) {
  const giveUpAt = performance.now() + SETTLED_WITHIN_MS
  for (let quiet = 0; ; ) {
    const counted = await (await fetch(`${url}/__bill`)).json()
    quiet = counted.pending === 0 ? quiet + 1 : 0
    if (quiet >= polls) return counted
    if (performance.now() > giveUpAt)
      throw new Error(`${counted.pending} calls of the counted Worker do not end`)
    await sleep(POLL_MS)
  }
}

function medians(tallies) {
  const of = (when) =>
    Object.fromEntries(
      Object.keys(tallies[0][when]).map((count) => [
        count,
        median(tallies.map((tally) => tally[when][count])),
      ]),
    )
  return { before: of('before'), after: of('after'), operations: tallies.length }
}

/** An alarm rings once for all requests that a day got within seconds; each operation gets its share. */
function withAlarm(line, tallies) {
  const own = Object.entries(tallies).filter(([label]) => label.startsWith(`${line.name}#`))
  const alarm = mapCounts(
    line.before,
    (count) => sum(own.map(([, tally]) => tally.alarm[count])) / line.operations,
  )
  const total = mapCounts(line.before, (count) => line.before[count] + line.after[count] + alarm[count])
  return { ...line, alarm, total }
}

const mapCounts = (counts, amountOf) =>
  Object.fromEntries(Object.keys(counts).map((count) => [count, amountOf(count)]))

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0)
