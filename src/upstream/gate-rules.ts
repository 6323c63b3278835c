import { ConsecutiveBreaker } from 'cockatiel'
import { MINUTE_MS, SECOND_MS } from '../lib/time'

/** This many failures in a row open the breaker. */
export const FAILURES_MAX = 5
export const OPEN_MS = MINUTE_MS

/** Below 1: the upstream counts calls when they arrive, and calls do not start exactly at their turn. */
const RATE_SHARE = 0.9

/** A caller whose turn is later than this retries later, and so does not block a consumer while it waits. */
const TURN_WAIT_MS_MAX = 5 * SECOND_MS

/** Longer than any call takes. After that the caller with the probe is dead, and another caller gets it. */
export const PROBE_MS = 45 * SECOND_MS

/** How soon other callers retry while the probe is in flight. */
const PROBE_CHECK_MS = 5 * SECOND_MS

/** A longer Retry-After is cut to this. */
export const RETRY_AFTER_MS_MAX = 10 * MINUTE_MS

/** The state of one upstream. Permits are numbered, so that a late report is recognized. */
export interface Gate {
  /** The next free turn: GCRA's theoretical arrival time, with no burst. */
  nextAt: number
  failures: number
  openUntil: number | null
  probe: { id: number; until: number } | null
  /** Set by the upstream's Retry-After: no call before this. */
  restsUntil: number
  lastId: number
  /** Reports of earlier permits are about calls from before the breaker opened, and do not count. */
  firstIdThatCounts: number
}

export const NEW_GATE: Gate = {
  nextAt: 0,
  failures: 0,
  openUntil: null,
  probe: null,
  restsUntil: 0,
  lastId: 0,
  firstIdThatCounts: 1,
}

/** A turn to call after `waitMs`, or when to retry; `isClosed` is false if only too many callers wait. */
export type Permit =
  | { ok: true; id: number; waitMs: number }
  | { ok: false; until: number; isClosed: boolean }

/** The result of a permit. `unused`: no call was made. A refusal counts as answered: the upstream works. */
export interface CallResult {
  is: 'answered' | 'failed' | 'unused'
  retryAfterMs?: number
}

export function permit(gate: Gate, now: number, perSecond: number): [Gate, Permit] {
  const closedUntil = closedUntilOf(gate, now)
  if (closedUntil > now) return [gate, { ok: false, until: closedUntil, isClosed: true }]
  const at = Math.ceil(Math.max(now, gate.nextAt))
  if (at - now > TURN_WAIT_MS_MAX) return [gate, { ok: false, until: at - TURN_WAIT_MS_MAX, isClosed: false }]
  const id = gate.lastId + 1
  const probe = gate.openUntil === null ? null : { id, until: at + PROBE_MS }
  const nextAt = Math.max(now, gate.nextAt) + SECOND_MS / (perSecond * RATE_SHARE)
  return [
    { ...gate, nextAt, lastId: id, probe },
    { ok: true, id, waitMs: at - now },
  ]
}

function closedUntilOf({ openUntil, probe, restsUntil }: Gate, now: number): number {
  if (openUntil === null || restsUntil > Math.max(now, openUntil)) return restsUntil
  if (openUntil > now || !probe) return openUntil
  return Math.min(probe.until, now + PROBE_CHECK_MS)
}

/** While the breaker is open only the probe's report counts: it closes the breaker or keeps it open. */
export function report(gate: Gate, id: number, result: CallResult, now: number): Gate {
  const isProbe = gate.probe?.id === id
  const rests = Math.min(result.retryAfterMs ?? 0, RETRY_AFTER_MS_MAX)
  const rested = { ...gate, restsUntil: Math.max(gate.restsUntil, rests > 0 ? now + rests : 0) }
  if (result.is === 'unused') return isProbe ? { ...gate, probe: null } : gate
  if (id < gate.firstIdThatCounts || (gate.openUntil !== null && !isProbe)) return rested
  if (result.is === 'answered')
    return { ...rested, failures: 0, openUntil: null, probe: null, ...(isProbe && { firstIdThatCounts: id }) }
  const breaker = new ConsecutiveBreaker(FAILURES_MAX)
  breaker.state = gate.failures
  const opens = breaker.failure() || isProbe
  const failures = breaker.state
  return opens ? { ...rested, failures, openUntil: now + OPEN_MS, probe: null } : { ...rested, failures }
}
