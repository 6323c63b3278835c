/**
 * Dollars per million at Cloudflare's list prices (Workers Paid, beyond what is included), read on
 * 2026-11-21: developers.cloudflare.com/workers/platform/pricing, /d1/platform/pricing,
 * /kv/platform/pricing, /durable-objects/platform/pricing, /queues/platform/pricing. It leaves out storage,
 * egress and the duration of objects: an object that only answers calls can sleep between them.
 */
const PER_MILLION = {
  request: 0.3,
  cpuMillisecond: 0.02,
  d1RowsRead: 0.001,
  d1RowsWritten: 1,
  objectRequests: 0.15,
  recorderRequests: 0.15,
  objectRowsRead: 0.001,
  objectRowsWritten: 1,
  kvReads: 0.5,
  kvWrites: 5,
  queueOperations: 0.4,
}

/** The cost of a million operations. `cpuMicros`: CPU time of one, if it is known. */
export function dollarsPerMillion(total, cpuMicros = 0) {
  const counted = Object.entries(PER_MILLION).map(([what, price]) => (total[what] ?? 0) * price)
  const cpu = (cpuMicros / 1_000) * PER_MILLION.cpuMillisecond
  return PER_MILLION.request + cpu + counted.reduce((sum, dollars) => sum + dollars, 0)
}
