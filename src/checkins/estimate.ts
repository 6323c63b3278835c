import { byTurn } from '../doctor-day/rules/queue'
import type { CheckIn } from '../doctor-day/state/day'
import { MINUTE_MS } from '../lib/time'

/** Below this many visits a day says nothing of its own pace yet. */
const SAMPLES_MIN = 3

/** Minutes per visit where the day itself does not tell: a usual one, and a slow one. */
const VISIT_MINUTES_USUAL = { p50: 15, p90: 25 }

export interface Estimate {
  ahead: number
  minutes: { p50: number; p90: number }
  basis: 'today' | 'default'
  samples: number
}

/**
 * How long until this patient is called: those ahead in turn, times what a visit takes today, shared among
 * the rooms that have called somebody today. Who does not wait has nobody ahead.
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
    : VISIT_MINUTES_USUAL
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
