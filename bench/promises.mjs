/**
 * What the service promises about its costs. A run reports whether each promise is kept. Counts do not depend
 * on the machine, so a count above its limit fails the run.
 */

const written = ({ total }) =>
  total.d1RowsWritten + total.objectRowsWritten + total.kvWrites + total.queueOperations

/** Per operation, after a warm-up. `of` reads the count from a line of the bill (bill.mjs). */
const BILL_PROMISES = [
  {
    workload: 'book',
    what: 'D1 round trips before the answer',
    most: 1,
    of: ({ before }) => before.d1RoundTrips,
  },
  {
    workload: 'book',
    what: 'object requests',
    most: 1,
    of: ({ before, after }) => before.objectRequests + after.objectRequests,
  },
  { workload: 'book', what: 'KV reads', most: 1, of: ({ total }) => total.kvReads },
  { workload: 'book', what: 'KV writes before the answer', most: 0, of: ({ before }) => before.kvWrites },
  { workload: 'book', what: 'KV writes after the answer', most: 1, of: ({ after }) => after.kvWrites },
  { workload: 'book-full', what: 'anything written anywhere', most: 0, of: written },
  {
    workload: 'check-in',
    what: 'D1 round trips before the answer',
    most: 0,
    of: ({ before }) => before.d1RoundTrips,
  },
  { workload: 'get', what: 'D1 queries', most: 0, of: ({ total }) => total.d1Queries },
  { workload: 'call-next', what: 'D1 rows read', most: 10, of: ({ total }) => total.d1RowsRead },
]

/** Throughput divided by that of a bare Worker, on the same machine in the same rounds. */
const SPEED_PROMISES = {
  'post-test': { against: 'one-insert', least: 0.85 },
  book: { against: 'one-insert', least: 0.6 },
  'check-in': { against: 'one-insert', least: 2 },
  get: { against: 'one-insert', least: 2 },
  'list-tests': { against: 'one-list', least: 0.85 },
}

/** The cost of one request does not depend on how much else is stored, within this share. */
const FLAT_WITHIN = 0.25

/** Each promise with its count. */
export const judgeBill = (bill) =>
  bill.length === 0
    ? []
    : BILL_PROMISES.map(({ workload, what, most, of }) => {
        const { title, ...line } = bill.find(({ name }) => name === workload)
        const counted = of(line)
        return { workload: title, what, most, counted, isKept: counted <= most }
      })

/** Throughput divided by that of its limit; a workload that was not measured has no verdict. */
export const judgeSpeed = (load) =>
  load
    .filter(({ name }) => SPEED_PROMISES[name])
    .map(({ name, title, ratios }) => {
      const { against, least } = SPEED_PROMISES[name]
      const { throughput } = ratios[against]
      const limit = load.find((line) => line.name === against).title
      return { workload: title, limit, least, throughput, isKept: throughput >= least }
    })

/** The cost at the largest size divided by that at the smallest. It may be lower. */
export const judgeGrowth = (growth) =>
  growth.map(({ kind, title, sizes }) => {
    const { grows } = sizes.at(-1)
    const most = 1 + FLAT_WITHIN
    return { kind, workload: title, grows, most, isKept: grows === null ? null : grows <= most }
  })
