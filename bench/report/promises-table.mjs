import { COMMIT } from './earlier.mjs'
import { amount, calls, share, times, verdict } from './figures.mjs'
import {
  judgeBill,
  judgeD1,
  judgeDepth,
  judgeFairness,
  judgeGrowth,
  judgePace,
  judgeRush,
  judgeSpeed,
} from './promises.mjs'

const GROWS = { slots: 'cost grows with the slots of a day', records: 'cost grows with other records' }

export const promisesTable = ({
  load = [],
  bill = [],
  rush = [],
  depth = [],
  pace,
  fairness = [],
  growth = [],
}) => ({
  title: 'Promises',
  head: ['promise', 'promised', 'here', 'verdict'],
  rows: [
    ...judgeSpeed(load).map(({ workload, other, least, throughput, isKept, why }) => [
      `${workload}, compared with: ${other}`,
      least === undefined ? '' : `at least ${times(least)}`,
      why ?? times(throughput),
      verdict(isKept),
    ]),
    ...(pace ? judgePace(pace) : []).map((judged) => [
      `A mix at ${judged.pace} requests a second: p99 beside that of the tuned peers`,
      `at most ${times(judged.most)}`,
      judged.why ?? times(judged.ratio),
      verdict(judged.isKept),
    ]),
    ...judgeFairness(fairness).map(({ flood, ratio, most, isKept }) => [
      `Bookings while another clinic ${flood}: p99 beside that without it`,
      `at most ${times(most)}`,
      times(ratio),
      verdict(isKept),
    ]),
    ...judgeDepth(depth).map(({ workload, most, counted, isCutOff, isKept }) => [
      `${workload}: depth of the critical path`,
      `at most ${most}`,
      calls(counted, isCutOff),
      verdict(isKept),
    ]),
    ...judgeBill(bill).map(({ workload, what, most, counted, isKept }) => [
      `${workload}: ${what}`,
      `at most ${most}`,
      amount(counted),
      verdict(isKept),
    ]),
    ...judgeD1(bill).map(({ workload, most, counted, isKept }) => [
      `${workload}: queries / rows read / rows written in D1, not above ${COMMIT}`,
      `at most ${most.map(amount).join(' / ')}`,
      counted.map(amount).join(' / '),
      verdict(isKept),
    ]),
    ...judgeRush(rush).map(({ workload, most, counted, isKept }) => [
      `${workload}, 20 at once: D1 round trips, half of one alone at ${COMMIT}`,
      `at most ${share(most)}`,
      share(counted),
      verdict(isKept),
    ]),
    ...judgeGrowth(growth).map(({ kind, workload, grows, most, isKept }) => [
      `${workload}: ${GROWS[kind]}`,
      `at most ${times(most)}`,
      times(grows),
      verdict(isKept),
    ]),
  ],
})
