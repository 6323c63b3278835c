import { CONNECTIONS } from './load.mjs'
import { dollarsPerMillion } from './prices.mjs'
import { judgeBill, judgeGrowth, judgeSpeed } from './promises.mjs'

const UNKNOWN = 'not measured'
const MIB = 2 ** 20

const figure = (digits) => (value) =>
  value === null || value === undefined
    ? UNKNOWN
    : value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
const whole = figure(0)
const times = (ratio) => (ratio === null || ratio === undefined ? UNKNOWN : `${figure(2)(ratio)} ×`)
const megabytes = (bytes) => whole(bytes === null ? null : bytes / MIB)
const verdict = (isKept) => (isKept === null ? UNKNOWN : isKept ? 'kept' : 'NOT KEPT')
const amount = (count) => count.toLocaleString('en', { maximumFractionDigits: 1 })

/** The tables of the parts that were measured. */
export const tables = (results) => allTables(results).filter(({ rows }) => rows.length > 0)

const allTables = ({ settings, load, bill, growth, import: imported, start }) => [
  ...(load ? [speedTable(load)] : []),
  ...(bill ? [billTable(bill, load)] : []),
  ...(growth ? ['slots', 'records'].map((kind) => growthTable(growth, kind)) : []),
  otherTable(imported, start),
  promisesTable(settings.isSmoke ? { bill } : { load, bill, growth }),
]

function speedTable(load) {
  const latency = ({ p50, p99 }) => `${figure(1)(p50)} / ${figure(1)(p99)}`
  return {
    title: 'Speed',
    note: `Medians of the rounds and of their ratios of throughput. Latency is p50 / p99 in ms. CPU and
memory are the server's: CPU includes the work after the answer, memory is the peak of workerd.`,
    head: [
      'workload',
      'requests/s',
      '× bare',
      '× one insert',
      `ms at ${CONNECTIONS.low}`,
      `ms at ${CONNECTIONS.high}`,
      'CPU µs',
      'peak MiB',
    ],
    rows: load.map(({ title, ratios, low, high, cpuMicros, peakBytes }) => [
      title,
      whole(high.perSecond),
      figure(2)(ratios.bare.throughput),
      figure(2)(ratios['one-insert'].throughput),
      latency(low),
      latency(high),
      whole(cpuMicros),
      megabytes(peakBytes),
    ]),
  }
}

function billTable(bill, load = []) {
  const cpuOf = (name) => load.find((line) => line.name === name)?.cpuMicros ?? undefined
  return {
    title: 'Bill',
    note: `What one operation asks of each binding. Round trips to D1 are before the answer + after it + by an
alarm; the other columns are the sum of all three. Operations run one by one: in a rush on one day, all within
half a second share one copy to D1. An alarm rings once for all requests to a day within 5 seconds, here 5
operations. Dollars are for a million operations at list prices, with the CPU measured above.`,
    head: [
      'operation',
      'D1 round trips',
      'D1 queries',
      'rows read',
      'rows written',
      'object requests',
      'object rows read',
      'object rows written',
      'KV reads',
      'KV writes',
      'queue',
      '$ per million',
    ],
    rows: bill.map(({ name, title, before, after, alarm, total }) => [
      title,
      [before, after, alarm].map(({ d1RoundTrips }) => amount(d1RoundTrips)).join(' + '),
      ...[
        'd1Queries',
        'd1RowsRead',
        'd1RowsWritten',
        'objectRequests',
        'objectRowsRead',
        'objectRowsWritten',
        'kvReads',
        'kvWrites',
        'queueOperations',
      ].map((count) => amount(total[count])),
      figure(2)(dollarsPerMillion(total, cpuOf(name))),
    ]),
  }
}

const GROWTH = {
  slots: {
    title: 'How cost grows with the slots of a day',
    size: 'slots',
    note: 'The same number of requests to the same number of days, at least half full, for each size. ',
  },
  records: {
    title: 'How cost grows with other records',
    size: 'of each',
    note: 'The clinic has this many medical tests, patients, appointments and keys that no request uses. ',
  },
}

function growthTable(growth, kind) {
  const lines = growth.filter((line) => line.kind === kind)
  const { title, size, note } = GROWTH[kind]
  return {
    title,
    note: `${note}CPU µs of one request, without alarms, and its ratio to the smallest size.`,
    head: ['workload', ...lines[0].sizes.map((each) => `${whole(each.size)} ${size}`)],
    rows: lines.map((line) => [
      line.title,
      ...line.sizes.map(({ cpuMicros, grows }) =>
        cpuMicros === null ? UNKNOWN : `${whole(cpuMicros)} (${times(grows)})`,
      ),
    ]),
  }
}

const otherTable = (imported, start) => ({
  title: 'Imports and cold starts',
  head: ['what', 'measured'],
  rows: [
    ...(imported
      ? [
          [`Import of ${whole(imported.rows)} rows, rows/s`, whole(imported.rowsPerSecond)],
          ['… until it is accepted, ms', whole(imported.acceptedAfterMs)],
          ['… CPU µs of a row', figure(1)(imported.cpuMicrosPerRow)],
          ['… peak MiB', megabytes(imported.peakBytes)],
        ]
      : []),
    ...(start
      ? [
          ['From the start of the process to the first answer, ms', whole(start.service)],
          ['… of a bare Worker, ms', whole(start.bare)],
        ]
      : []),
  ],
})

const promisesTable = ({ load = [], bill = [], growth = [] }) => ({
  title: 'Promises',
  head: ['promise', 'promised', 'here', 'verdict'],
  rows: [
    ...judgeBill(bill).map(({ workload, what, most, counted, isKept }) => [
      `${workload}: ${what}`,
      `at most ${most}`,
      amount(counted),
      verdict(isKept),
    ]),
    ...judgeSpeed(load).map(({ workload, limit, least, throughput, isKept }) => [
      `${workload}, compared with: ${limit}`,
      `at least ${times(least)}`,
      times(throughput),
      verdict(isKept),
    ]),
    ...judgeGrowth(growth).map(({ kind, workload, grows, most, isKept }) => [
      `${workload}: ${GROWTH[kind].title.replace('How cost', 'cost')}`,
      `at most ${times(most)}`,
      times(grows),
      verdict(isKept),
    ]),
  ],
})
