/** What the service promises of its costs. A run says of each whether it is kept. */

/** Counts do not depend on the machine: one that is over fails the run. */
export const BILL_IS_ENFORCED = true

const written = ({ total }) =>
  total.d1RowsWritten + total.objectRowsWritten + total.kvWrites + total.queueOperations

/** Per operation, warm. `of` a line of the bill, as bill.mjs makes it. */
export const BILL_PROMISES = [
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
]

/** Throughput beside what the same machine can do, in the same rounds. */
export const SPEED_PROMISES = {
  'post-test': { against: 'one-insert', least: 0.85 },
  book: { against: 'one-insert', least: 0.6 },
  'check-in': { against: 'one-insert', least: 2 },
  get: { against: 'one-insert', least: 2 },
  'list-tests': { against: 'one-list', least: 0.85 },
}

/** The cost of one request is the same whatever stands beside it, within this share. */
export const FLAT_WITHIN = 0.25
