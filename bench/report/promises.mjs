/**
 * What the service promises about its costs. A run reports whether each promise is kept. Counts do not depend
 * on the machine, so a count above its limit fails the run.
 */
import { nameForMany } from '../workloads/workloads.mjs'
import { BEFORE, DEPTH_AT_MOST } from './earlier.mjs'

const written = ({ total }) =>
  total.d1RowsWritten + total.objectRowsWritten + total.kvWrites + total.queueOperations

/** Per operation, after a warm-up. `of` reads the count from a line of the bill (parts/bill.mjs). */
const BILL_PROMISES = [
  {
    workload: 'book',
    what: 'D1 round trips before the answer',
    most: 1,
    of: ({ before }) => before.d1RoundTrips,
  },
  {
    workload: 'book',
    what: 'requests to objects of days',
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

/** Each promise with its count. */
export const judgeBill = (bill) =>
  bill.length === 0
    ? []
    : BILL_PROMISES.map(({ workload, what, most, of }) => {
        const { title, ...line } = bill.find(({ name }) => name === workload)
        const counted = of(line)
        return { workload: title, what, most, counted, isKept: counted <= most }
      })

const OF_D1 = ['d1Queries', 'd1RowsRead', 'd1RowsWritten']

/** D1's part of an operation, one by one, is not above that of the commit that earlier.mjs names. */
export const judgeD1 = (bill) =>
  bill
    .filter(({ name }) => BEFORE[name])
    .map(({ name, title, total }) => {
      const [most, counted] = [BEFORE[name], total].map((counts) => OF_D1.map((count) => counts[count]))
      return { workload: title, most, counted, isKept: counted.every((count, n) => count <= most[n]) }
    })

/** Of 20 operations at once, each makes at most this share of the round trips that one made alone then. */
const SHARE_AT_ONCE = 0.5

/** Reads are not gathered, so the promise is about the operations that change something or look something up. */
export const judgeRush = (rush) =>
  rush
    .filter(({ name }) => BEFORE[name]?.isGathered)
    .map(({ name, title, total }) => {
      const most = BEFORE[name].d1RoundTrips * SHARE_AT_ONCE
      return { workload: title, most, counted: total.d1RoundTrips, isKept: total.d1RoundTrips <= most }
    })

export const judgeDepth = (depth) =>
  depth.map(({ name, title, depth: counted, isCutOff }) => {
    const most = DEPTH_AT_MOST[name]
    return { workload: title, most, counted, isCutOff, isKept: !isCutOff && counted <= most }
  })

/**
 * Throughput divided by that of a bare Worker or a peer, on the same machine in the same rounds. Without a
 * `least`, the ratio is shown only.
 */
const SPEED_PROMISES = [
  { workload: 'post-test', against: 'one-insert', least: 1.2 },
  { workload: 'post-test', against: 'peer-tests-tuned', least: 1 },
  { workload: 'post-test', against: 'peer-tests-fastapi', least: 1 },
  { workload: 'post-test', against: 'peer-tests-flask', least: 1 },
  { workload: 'webhook', against: 'one-insert' },
  { workload: 'webhook', against: 'peer-webhook-tuned', least: 1 },
  { workload: 'webhook', against: 'peer-webhook-fastapi', least: 1 },
  { workload: 'list-tests', against: 'one-list', least: 0.85 },
  { workload: 'list-tests', against: 'peer-list-tuned', least: 1 },
  { workload: 'list-tests', against: 'peer-list-fastapi', least: 1 },
  { workload: 'list-tests', against: 'peer-list-flask', least: 1 },
  { workload: 'book-in-turn', against: 'peer-book', least: 0.4 },
  { workload: 'book-in-turn', against: 'object-per-day', least: 0.6 },
  { workload: 'book-in-turn-keyed', against: 'peer-book-keyed', least: 0.3 },
  { workload: 'check-in', against: 'one-object', least: 0.6 },
  { workload: 'call-next', against: 'one-object', least: 0.6 },
  { workload: 'cancel', against: 'one-object', least: 0.6 },
  { workload: 'get', against: 'one-insert', least: 2 },
]

const isAbout = (workload, name) => name === workload || name === nameForMany(workload)

/** What a workload is compared with. */
export const referencesOf = (name) =>
  SPEED_PROMISES.filter(({ workload }) => isAbout(workload, name)).map(({ against }) => against)

/** A workload that was not measured has no verdict; beside a peer that was skipped, it says why. */
export const judgeSpeed = (load) =>
  SPEED_PROMISES.flatMap(({ workload, against, least }) =>
    load
      .filter(({ name }) => isAbout(workload, name))
      .flatMap(({ title, ratios }) => {
        const other = load.find(({ name }) => name === against)
        if (!other) return []
        const judged = { workload: title, other: other.title, least }
        if (other.skipped) return [{ ...judged, isKept: null, why: other.skipped }]
        const { throughput } = ratios[against]
        return [{ ...judged, throughput, isKept: least === undefined ? undefined : throughput >= least }]
      }),
  )

/** At a fixed pace of a mix, p99 of the service divided by that of the peers. */
const PACE_AT_MOST = 1

export const judgePace = ({ pace, lines, skipped }) =>
  lines.slice(0, 1).map(({ ratio }) => ({
    pace,
    ratio,
    most: PACE_AT_MOST,
    why: skipped,
    isKept: skipped ? null : ratio <= PACE_AT_MOST,
  }))

/** Beside a flood of one clinic, bookings of the others may take this much longer than alone, in their p99. */
const FLOODED_AT_MOST = 2

export const judgeFairness = (fairness) =>
  fairness
    .filter(({ isPromised }) => isPromised)
    .map(({ flood, ratio }) => ({ flood, ratio, most: FLOODED_AT_MOST, isKept: ratio <= FLOODED_AT_MOST }))

/** The cost of one request does not depend on how much else is stored, within this share. */
const FLAT_WITHIN = 0.25

/** The cost at the largest size divided by that at the smallest. It may be lower. */
export const judgeGrowth = (growth) =>
  growth.map(({ kind, title, sizes }) => {
    const { grows } = sizes.at(-1)
    const most = 1 + FLAT_WITHIN
    return { kind, workload: title, grows, most, isKept: grows === null ? null : grows <= most }
  })
