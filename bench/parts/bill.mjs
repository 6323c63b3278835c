import { setTimeout as sleep } from 'node:timers/promises'
import { ALARM_AFTER_MS } from '../servers.mjs'
import { BILLED } from '../workloads/workloads.mjs'
import { begin, lineOf, send, settled } from './counts.mjs'
import { hospitalsCsv, uploading } from './import.mjs'

/** The counts of one operation are the median of this many: one of them may also read the API key from D1. */
const OPERATIONS = 5
const IMPORTED_ROWS = 1_000
const IMPORT = { name: 'import', title: `Import ${IMPORTED_ROWS.toLocaleString('en')} rows` }

/** Each operation waits until bookings of one rush no longer share a copy: src/doctor-day/readers/copy.ts. */
const APART_MS = 600

const QUIET_POLLS_OF_QUEUE = 60

/**
 * Counts what each operation asks of Cloudflare. Preparation and one warm-up operation of each kind come
 * first, and their alarms ring. After that, the work of an alarm belongs to the operation that set it.
 */
export async function measureBill({ site }) {
  const prepared = []
  for (const workload of BILLED) prepared.push(await warmedUp(site, workload))
  await sleep(ALARM_AFTER_MS)
  for (const each of prepared) await operate(site, each)
  await importOnce(site)
  await sleep(ALARM_AFTER_MS)
  // Now the tallies have the late copies too: those of a rush wait for each other.
  const { tallies } = await settled(site)
  return [...BILLED, IMPORT].map(({ name, title }) => lineOf(tallies, { name, title, isOwn: isOf(name) }))
}

async function warmedUp(site, workload) {
  const request = await workload.prepare(site, OPERATIONS + 1)
  await send(site, request(0), workload)
  return { workload, request }
}

async function operate(site, { workload, request }) {
  await settled(site)
  for (let n = 1; n <= OPERATIONS; n += 1) {
    if (workload.wakes) await sleep(APART_MS)
    await begin(site, labelOf(workload.name, n))
    await send(site, request(n), workload)
    await settled(site)
  }
}

async function importOnce(site) {
  const upload = uploading(site, hospitalsCsv('bill', IMPORTED_ROWS))
  await sleep(APART_MS)
  await begin(site, labelOf(IMPORT.name, 1))
  await send(site, upload, { expected: 202 })
  await settled(site, QUIET_POLLS_OF_QUEUE)
}

const labelOf = (name, n) => `${name}#${n}`
const isOf = (name) => (label) => label.startsWith(`${name}#`)
