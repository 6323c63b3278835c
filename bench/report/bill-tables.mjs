import { AT_ONCE, D1_MS } from '../parts/rush.mjs'
import { BEFORE, COMMIT, DEPTH_AT_MOST, DEPTH_BEFORE } from './earlier.mjs'
import { amount, calls, figure, share, whole } from './figures.mjs'
import { dollarsPerMillion } from './prices.mjs'

/** What is counted, of one operation alone and of many at once, and what an operation waits for. */
export const billTables = ({ bill, rush, depth }, load) => [
  ...(bill ? [billTable(bill, load)] : []),
  ...(rush ? [rushTable(rush)] : []),
  ...(depth ? [depthTable(depth)] : []),
]

const COUNTS = [
  ['D1 queries', 'd1Queries'],
  ['rows read', 'd1RowsRead'],
  ['rows written', 'd1RowsWritten'],
  ['object requests', 'objectRequests'],
  ['Recorder requests', 'recorderRequests'],
  ['object rows read', 'objectRowsRead'],
  ['object rows written', 'objectRowsWritten'],
  ['KV reads', 'kvReads'],
  ['KV writes', 'kvWrites'],
  ['queue', 'queueOperations'],
]

function billTable(bill, load = []) {
  const cpuOf = (name) => load.find((line) => line.name === name)?.cpuMicros ?? undefined
  return {
    title: 'Bill',
    note: `What one operation asks of each binding. Round trips to D1 are before the answer + after it + by an
alarm; the other columns are the sum of all three. Operations run one by one: in a rush on one day, all within
half a second share one copy to D1. An alarm rings once for all requests to a day within 5 seconds, here 5
operations. Dollars are for a million operations at list prices, with the CPU measured above.`,
    head: ['operation', 'D1 round trips', ...COUNTS.map(([title]) => title), '$ per million'],
    rows: bill.map(({ name, title, before, after, alarm, total }) => [
      title,
      [before, after, alarm].map(({ d1RoundTrips }) => amount(d1RoundTrips)).join(' + '),
      ...COUNTS.map(([, count]) => amount(total[count])),
      figure(2)(dollarsPerMillion(total, cpuOf(name))),
    ]),
  }
}

const rushTable = (rush) => ({
  title: `Bill of ${AT_ONCE} at once`,
  note: `What one of ${AT_ONCE} equal operations asks of D1 that arrive at once, each of another patient and on a
day of its own, while D1 does one batch at a time in ${D1_MS} ms. Beside it, what one operation alone asked at
${COMMIT}, before the Recorder.`,
  head: [
    'operation',
    'D1 round trips',
    'D1 queries',
    'rows read',
    'rows written',
    `round trips of one alone at ${COMMIT}`,
  ],
  rows: rush.map(({ name, title, total }) => [
    title,
    ...['d1RoundTrips', 'd1Queries', 'd1RowsRead', 'd1RowsWritten'].map((count) => share(total[count])),
    share(BEFORE[name]?.d1RoundTrips),
  ]),
})

const depthTable = (depth) => ({
  title: 'Depth of the critical path',
  note: `How many calls of bindings an answer waits for, one after another. Each call takes 100 ms longer, so the
answer takes 100 ms for each; a call of the Recorder and its batch to D1 are one. The time behind an earlier lot
is not part of the depth.`,
  head: ['operation', 'depth', 'goal', `depth at ${COMMIT}`, 'ms', 'ms of it behind a lot'],
  rows: depth.map(({ name, title, depth: counted, isCutOff, ms, behindLotMs }) => [
    title,
    calls(counted, isCutOff),
    whole(DEPTH_AT_MOST[name]),
    whole(DEPTH_BEFORE[name]),
    whole(ms),
    whole(behindLotMs),
  ]),
})
