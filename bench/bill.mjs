import { setTimeout as sleep } from 'node:timers/promises'
import { hospitalsCsv } from './csv.mjs'
import { median } from './load.mjs'
import { BILL_PROMISES } from './promises.mjs'
import { ALARM_AFTER_MS } from './servers.mjs'
import { WORKLOADS } from './workloads.mjs'

/** The counts of one operation are the median of so many: a look into D1 for the API key may fall into one. */
const OPERATIONS = 5
const IMPORTED_ROWS = 1_000

const POLL_MS = 10
/** Between two steps nothing may be pending for a moment; between a queue and its consumer it takes longer. */
const QUIET_POLLS = 3
const QUIET_POLLS_OF_QUEUE = 60
const SETTLED_WITHIN_MS = 30_000

/** Counts what each operation asks of Cloudflare. `alarms` reads on, once the alarms that it left have rung. */
export async function measureBill(server) {
  const { site } = server
  const lines = []
  for (const workload of WORKLOADS) lines.push(await lineOf(site, workload))
  lines.push(await importLine(site))
  const alarmsAt = performance.now() + ALARM_AFTER_MS
  return {
    async withAlarms() {
      await sleep(Math.max(0, alarmsAt - performance.now()))
      const { tallies } = await settled(site)
      return lines.map((line) => withAlarm(line, tallies))
    },
  }
}

async function lineOf(site, { name, title, expected, prepare }) {
  await begin(site, 'preparation')
  const request = await prepare(site, OPERATIONS + 1)
  await settled(site)
  await send(site, request(0), expected)
  const tallies = []
  for (let n = 1; n <= OPERATIONS; n += 1) {
    await settled(site)
    await begin(site, labelOf(name, n))
    await send(site, request(n), expected)
    tallies.push((await settled(site)).tallies[labelOf(name, n)])
  }
  return { name, title, ...medians(tallies) }
}

async function importLine(site) {
  await begin(site, 'preparation')
  const headers = { 'Content-Type': 'text/csv', 'Idempotency-Key': 'bill' }
  const upload = {
    ...site.get('/api/v1/hospitals/bulk'),
    method: 'POST',
    body: hospitalsCsv('bill', IMPORTED_ROWS),
  }
  await settled(site)
  await begin(site, labelOf('import', 1))
  await send(site, { ...upload, headers: { ...upload.headers, ...headers } }, 202)
  const { tallies } = await settled(site, QUIET_POLLS_OF_QUEUE)
  return {
    name: 'import',
    title: `Import ${IMPORTED_ROWS} rows`,
    ...medians([tallies[labelOf('import', 1)]]),
  }
}

const labelOf = (name, n) => `${name}#${n}`

const begin = (site, name) => fetch(`${site.url}/__bill?name=${encodeURIComponent(name)}`, { method: 'PUT' })

async function send({ url }, { path, ...request }, expected) {
  const response = await fetch(url + path, request)
  const body = await response.text()
  if (response.status !== expected)
    throw new Error(`${path} answered ${response.status} instead of ${expected}: ${body}`)
}

/** The counts, once nothing is under way any more. */
async function settled({ url }, polls = QUIET_POLLS) {
  const giveUpAt = performance.now() + SETTLED_WITHIN_MS
  for (let quiet = 0; ; ) {
    const told = await (await fetch(`${url}/__bill`)).json()
    quiet = told.pending === 0 ? quiet + 1 : 0
    if (quiet >= polls) return told
    if (performance.now() > giveUpAt)
      throw new Error(`${told.pending} calls of the counted Worker do not end`)
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

/** An alarm rings once for all that a day was asked within seconds: each operation has its share of it. */
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

/** Each promise with what was counted. */
export const judged = (bill) =>
  BILL_PROMISES.map(({ workload, what, most, of }) => {
    const counted = of(bill.find(({ name }) => name === workload))
    return { workload, what, most, counted, isKept: counted <= most }
  })
