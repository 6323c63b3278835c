import { setTimeout as sleep } from 'node:timers/promises'
import { median } from '../load.mjs'

const HOSPITALS = '/api/v1/hospitals'
const POLL_MS = 25
const OVER_WITHIN_MS = 120_000

const HEADER = 'name,address,phone\n'

/** A file of hospitals; files with different names have no hospital in common. */
export const hospitalsCsv = (name, rows) =>
  HEADER + Array.from({ length: rows }, (_, n) => line(name, n)).join('')

const line = (name, n) =>
  `General Hospital ${name} ${n},"${n} Harbour Street, Springfield",+1 202 555 ${String(n % 10_000).padStart(4, '0')}\n`

/** An upload of this file with a new key. */
export function uploading(site, csv) {
  const { headers, ...request } = site.get(`${HOSPITALS}/bulk`)
  const key = { 'Content-Type': 'text/csv', 'Idempotency-Key': crypto.randomUUID() }
  return { ...request, method: 'POST', headers: { ...headers, ...key }, body: csv }
}

/** Measures an import of this many rows, from the first byte of the upload to the last stored row. */
export async function measureImport(server, { rows, rounds, log }) {
  const runs = []
  for (let round = 0; round < rounds; round += 1) {
    log(`import: round ${round + 1} of ${rounds}`)
    runs.push(await measureOne(server, hospitalsCsv(`round ${round}`, rows), rows))
  }
  const over = (name) => median(runs.map((run) => run[name]))
  const names = ['rowsPerSecond', 'acceptedAfterMs', 'cpuMicrosPerRow', 'peakBytes']
  return { rows, ...Object.fromEntries(names.map((name) => [name, over(name)])) }
}

async function measureOne({ site, meter, settled }, csv, rows) {
  const { path, ...upload } = uploading(site, csv)
  await settled()
  meter.resetPeak()
  const [cpuBefore, startedAt] = [meter.cpuMicros(), performance.now()]
  const response = await fetch(site.url + path, upload)
  const accepted = await response.json()
  if (response.status !== 202) throw new Error(`The import was refused: ${JSON.stringify(accepted)}`)
  const acceptedAfterMs = performance.now() - startedAt
  await completed(site, accepted.job_id, rows)
  const seconds = (performance.now() - startedAt) / 1_000
  await settled()
  return {
    rowsPerSecond: rows / seconds,
    acceptedAfterMs,
    cpuMicrosPerRow: cpuBefore === null ? null : (meter.cpuMicros() - cpuBefore) / rows,
    peakBytes: meter.peakBytes(),
  }
}

async function completed(site, jobId, rows) {
  const { path, headers } = site.get(`${HOSPITALS}/status/${jobId}?limit=1`)
  const giveUpAt = performance.now() + OVER_WITHIN_MS
  while (performance.now() < giveUpAt) {
    const status = await (await fetch(site.url + path, { headers })).json()
    if (status.status === 'completed' && status.processed_hospitals === rows) return
    if (status.status === 'failed') throw new Error(`The import failed: ${JSON.stringify(status)}`)
    await sleep(POLL_MS)
  }
  throw new Error(`The import of ${rows} rows was not over after ${OVER_WITHIN_MS / 1_000} s`)
}
