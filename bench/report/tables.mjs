import { CONNECTIONS } from '../load.mjs'
import { billTables } from './bill-tables.mjs'
import { figure, latency, megabytes, times, UNKNOWN, whole } from './figures.mjs'
import { promisesTable } from './promises-table.mjs'

/** The tables of the parts that were measured. */
export const tables = (results) => allTables(results).filter(({ rows }) => rows.length > 0)

const allTables = ({ settings, load, pace, fairness, growth, import: imported, start, ...counted }) => [
  ...(load ? [speedTable(load, settings)] : []),
  ...(pace ? [paceTable(pace)] : []),
  ...(fairness ? [fairnessTable(fairness)] : []),
  ...billTables(counted, load),
  ...(growth ? ['slots', 'records'].map((kind) => growthTable(growth, kind)) : []),
  otherTable(imported, start),
  promisesTable(settings.isSmoke ? { bill: counted.bill } : { load, pace, fairness, growth, ...counted }),
]

function speedTable(load, { clinics }) {
  return {
    title: 'Speed',
    note: `Medians of the rounds and of their ratios of throughput; all lines take turns in the same rounds.
Latency is p50 / p99 in ms. CPU and memory are the server's: CPU includes the work after the answer, memory is
the peak of workerd. Requests of many clinics rotate over ${clinics} clinics with a key each. The peers are in
bench/peers: small services as their descriptions have them, and as a careful operator would run them.`,
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
    rows: load.map(speedRow),
  }
}

function speedRow({ title, skipped, ratios, low, high, cpuMicros, peakBytes }) {
  if (skipped) return [title, skipped, '', '', '', '', '', '']
  return [
    title,
    whole(high.perSecond),
    figure(2)(ratios.bare?.throughput),
    figure(2)(ratios['one-insert']?.throughput),
    latency(low),
    latency(high),
    whole(cpuMicros),
    megabytes(peakBytes),
  ]
}

const paceTable = ({ pace, skipped, lines }) => ({
  title: `A mix at ${pace} requests a second`,
  note: `Requests come as they come, whether or not earlier ones were answered: p50 / p99 in ms from when each was
due, and the median of the rounds' ratios of p99. The peers are the tuned ones, each for what it is for, all at once.`,
  head: ['request', 'service', 'peers', '× p99'],
  rows: lines.map(({ title, service, peers, ratio }) => [
    title,
    latency(service),
    skipped ?? latency(peers),
    ratio === null ? '' : figure(2)(ratio),
  ]),
})

const fairnessTable = (fairness) => ({
  title: 'One clinic at full flood',
  note: `Bookings of all other clinics over ${CONNECTIONS.low} connections, alone and while one clinic keeps
${CONNECTIONS.high} connections busy: p50 / p99 in ms, and the median of the rounds' ratios of p99. On one machine
the flood also takes the others' CPU; on Cloudflare what they share is D1.`,
  head: ['the other clinic …', 'alone', 'beside it', '× p99', 'its requests/s'],
  rows: fairness.map(({ where, flood, alone, flooded, ratio, floodPerSecond }) => [
    `${flood}; ${where}`,
    latency(alone),
    latency(flooded),
    figure(2)(ratio),
    whole(floodPerSecond),
  ]),
})

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
