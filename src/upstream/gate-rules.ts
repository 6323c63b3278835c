import { ConsecutiveBreaker } from 'cockatiel'
import { MINUTE_MS, SECOND_MS } from '../lib/time'

/** So many failures one after another open the breaker. */
export const FAILURES_MAX = 5
export const OPEN_MS = MINUTE_MS

/** Below what the upstream allows: calls do not start exactly when they may, and it counts as they arrive. */
const PACE = 0.9

/** Who would have to wait longer for a turn comes again later, and holds no consumer meanwhile. */
const AHEAD_MS_MAX = 5 * SECOND_MS

/** Longer than any call takes. Then the holder of the probe is dead, and somebody else gets it. */
export const PROBE_MS = 45 * SECOND_MS

/** While the probe is under way: when to ask again how it ended. */
const PROBE_ASK_MS = 5 * SECOND_MS

/** An upstream that asks for more is asked again before. */
export const RETRY_AFTER_MS_MAX = 10 * MINUTE_MS

/** All that is known of an upstream. Permits are numbered, so that a late report is known as one. */
export interface Gate {
  /** The next free turn: GCRA's theoretical arrival time, with no burst. */
  nextAt: number
  failures: number
  openUntil: number | null
  probe: { id: number; until: number } | null
  /** What the upstream itself asked for, by Retry-After. */
  restsUntil: number
  lastId: number
  /** Reports of permits before this one tell of times before the breaker opened. */
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

/** A turn to call after `waitMs`, or when to come again; `isClosed` unless only many are waiting. */
export type Permit =
  | { ok: true; id: number; waitMs: number }
  | { ok: false; until: number; isClosed: boolean }

/** What came of a permit. `unused`: no call was made. A refusal counts as answered: the upstream is well. */
export interface Heard {
  is: 'answered' | 'failed' | 'unused'
  retryAfterMs?: number
}

export function permit(gate: Gate, now: number, perSecond: number): [Gate, Permit] {
  const closedUntil = closure(gate, now)
  if (closedUntil > now) return [gate, { ok: false, until: closedUntil, isClosed: true }]
  const at = Math.ceil(Math.max(now, gate.nextAt))
  if (at - now > AHEAD_MS_MAX) return [gate, { ok: false, until: at - AHEAD_MS_MAX, isClosed: false }]
  const id = gate.lastId + 1
  const probe = gate.openUntil === null ? null : { id, until: at + PROBE_MS }
  const nextAt = Math.max(now, gate.nextAt) + SECOND_MS / (perSecond * PACE)
  return [
    { ...gate, nextAt, lastId: id, probe },
    { ok: true, id, waitMs: at - now },
  ]
}

function closure({ openUntil, probe, restsUntil }: Gate, now: number): number {
  if (openUntil === null || restsUntil > Math.max(now, openUntil)) return restsUntil
  if (openUntil > now || !probe) return openUntil
  return Math.min(probe.until, now + PROBE_ASK_MS)
}

/** While the breaker is open nobody's report counts but the probe's, and that decides. */
export function report(gate: Gate, id: number, heard: Heard, now: number): Gate {
  const isProbe = gate.probe?.id === id
  const rests = Math.min(heard.retryAfterMs ?? 0, RETRY_AFTER_MS_MAX)
  const rested = { ...gate, restsUntil: Math.max(gate.restsUntil, rests > 0 ? now + rests : 0) }
  if (heard.is === 'unused') return isProbe ? { ...gate, probe: null } : gate
  if (id < gate.firstIdThatCounts || (gate.openUntil !== null && !isProbe)) return rested
  if (heard.is === 'answered')
    return { ...rested, failures: 0, openUntil: null, probe: null, ...(isProbe && { firstIdThatCounts: id }) }
  const breaker = new ConsecutiveBreaker(FAILURES_MAX)
  breaker.state = gate.failures
  const opens = breaker.failure() || isProbe
  const failures = breaker.state
  return opens ? { ...rested, failures, openUntil: now + OPEN_MS, probe: null } : { ...rested, failures }
}
