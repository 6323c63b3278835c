import { byTurn } from '../doctor-day/rules/queue'
import type { CheckIn } from '../doctor-day/state/day'
import { MINUTE_MS } from '../lib/time'

/** With fewer visits than this, the day’s own pace is not known yet. */
const SAMPLES_MIN = 3

/** Minutes per visit while the day’s own pace is unknown: an ordinary visit and a slow one. */
const VISIT_MINUTES_DEFAULT = { p50: 15, p90: 25 }

export interface Estimate {
  ahead: number
  minutes: { p50: number; p90: number }
  basis: 'today' | 'default'
  samples: number
}

/**
 * How long until this patient is called: the number of patients ahead, times the duration of a visit today,
 * divided by the rooms that have called a patient today. A patient who does not wait has 0 ahead.
 */
export function estimateFor(checkIn: CheckIn, arrivals: CheckIn[]): Estimate {
  const visits = arrivals
    .flatMap(({ calledAt, servedAt }) =>
      calledAt !== null && servedAt !== null ? [servedAt - calledAt] : [],
    )
    .sort((one, other) => one - other)
  const isKnown = visits.length >= SAMPLES_MIN
  const perVisit = isKnown
    ? { p50: percentile(visits, 0.5) / MINUTE_MS, p90: percentile(visits, 0.9) / MINUTE_MS }
    : VISIT_MINUTES_DEFAULT
  const waiting = arrivals.filter(({ status }) => status === 'waiting')
  const ahead =
    checkIn.status === 'waiting' ? waiting.filter((other) => byTurn(other, checkIn) < 0).length : 0
  const rooms = new Set(arrivals.flatMap(({ room }) => room ?? [])).size || 1
  const minutes = (each: number) => Math.ceil((ahead * each) / rooms)
  return {
    ahead,
    minutes: { p50: minutes(perVisit.p50), p90: minutes(perVisit.p90) },
    basis: isKnown ? 'today' : 'default',
    samples: visits.length,
  }
}

/** Nearest rank, of a sorted list. */
const percentile = (sorted: number[], share: number): number =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0
