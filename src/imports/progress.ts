import * as v from 'valibot'
import { PULSE_MS } from '../http/event-stream'
import { logFailure } from '../lib/log'
import { MINUTE_MS, SECOND_MS } from '../lib/time'
import { type ImportFacts, isOver, pausedUntil } from './status'

/** Each look is a query of D1, of which one request may make 1,000: this many minutes are 600 at most. */
export const STREAM_MS_MAX = 5 * MINUTE_MS

/** While nothing changes, the looks come less and less often. */
export const LOOK_EVERY_MS_MIN = SECOND_MS / 2
export const LOOK_EVERY_MS_MAX = 5 * SECOND_MS
const SLOWDOWN = 1.5

/** A database that neither answers nor fails must not leave anybody waiting. */
export const LOOK_MS_MAX = 10 * SECOND_MS

/** When a browser that was cut off comes again. */
const RETRY_MS = 2 * SECOND_MS

/** The id of the event after which nothing comes. */
export const END = 'end'

/** What is measured, beside what a status tells. `eta_seconds` is null where nobody can tell. */
export const PACE = {
  rows_per_second: v.number(),
  eta_seconds: v.nullable(v.number()),
  paused_until: v.nullable(v.string()),
}
export type Pace = v.InferOutput<v.ObjectSchema<typeof PACE, undefined>>

/** A job that a client follows: `look` reads it again, `tell` says it in the words of its kind. */
export interface Followed {
  first: ImportFacts
  look(): Promise<ImportFacts>
  tell(facts: ImportFacts, pace: Pace): object
}

/**
 * The job as server-sent events, one for each change. Ends behind the event that says it is over, after a
 * while, when it cannot be read any more, and as soon as `left` says that nobody listens.
 */
export async function* progressEvents(
  { first, look, tell }: Followed,
  left: AbortSignal,
): AsyncGenerator<string> {
  const endsAt = Date.now() + STREAM_MS_MAX
  let facts: ImportFacts | null = first
  let seen: Sighting[] = []
  let [told, toldAt, lookEveryMs] = ['', endsAt, LOOK_EVERY_MS_MIN]
  yield `retry: ${RETRY_MS}\n\n`
  while (facts) {
    const now = Date.now()
    seen = sighted(seen, { at: now, done: facts.created + facts.failed })
    const pace = paceOf(facts, seen, now)
    const news = changeable(facts, pace)
    if (news !== told) {
      yield event(isOver(facts), tell(facts, pace))
      ;[told, toldAt, lookEveryMs] = [news, now, LOOK_EVERY_MS_MIN]
    } else {
      lookEveryMs = Math.min(lookEveryMs * SLOWDOWN, LOOK_EVERY_MS_MAX)
      if (now - toldAt >= PULSE_MS) {
        yield ': still here\n\n'
        toldAt = now
      }
    }
    if (isOver(facts) || now >= endsAt) return
    await pause(lookEveryMs, left)
    facts = left.aborted ? null : await lookInTime({ first, look }, left)
  }
}

const event = (isLast: boolean, data: object): string =>
  `${isLast ? `id: ${END}\nevent: end` : 'event: progress'}\ndata: ${JSON.stringify(data)}\n\n`

/** Nobody knows when another directory that cannot be reached is well again. */
function paceOf(facts: ImportFacts, seen: Sighting[], now: number): Pace {
  const [rate, rowsLeft] = [rowsPerSecond(seen), facts.job.totalRows - facts.created - facts.failed]
  const paused = pausedUntil(facts.job, now)
  return {
    rows_per_second: Math.round(rate * 10) / 10,
    eta_seconds: isOver(facts) || paused !== null ? null : etaSeconds(rowsLeft, rate),
    paused_until: paused,
  }
}

/** A rate that is a little other than before is no news; that there is none any more is. */
const changeable = ({ job, created, failed }: ImportFacts, { rows_per_second, paused_until }: Pace): string =>
  JSON.stringify([job.state, created, failed, paused_until, rows_per_second > 0])

/** Null where the job cannot be read: whoever watches it comes again, and hears of it then. */
async function lookInTime(
  { first, look }: Pick<Followed, 'first' | 'look'>,
  left: AbortSignal,
): Promise<ImportFacts | null> {
  const looked = new AbortController()
  const late = pause(LOOK_MS_MAX, AbortSignal.any([left, looked.signal])).then(() => null)
  const found = look().catch((error: unknown) => {
    logFailure('import.watch', error, { clinic: first.job.clinicId, job: first.job.id })
    return null
  })
  return Promise.race([found, late]).finally(() => looked.abort())
}

/** Over at once where `ended` is aborted. */
function pause(ms: number, ended: AbortSignal): Promise<void> {
  if (ended.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      ended.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    ended.addEventListener('abort', end)
  })
}

/** Long enough to even out chunks, whose rows all count at once; short enough to notice a standstill. */
export const WINDOW_MS = 30 * SECOND_MS

/** How many rows were done at an instant (epoch ms). */
export interface Sighting {
  at: number
  done: number
}

/** With one more. Of those before the window only the youngest is kept, for the window to start from. */
export function sighted(seen: readonly Sighting[], last: Sighting): Sighting[] {
  const all = [...seen, last]
  return all.filter((_, index) => (all[index + 1]?.at ?? last.at) > last.at - WINDOW_MS)
}

/** Over the window; 0 where nothing was measured yet. Rows that run again after a repair are no progress. */
export function rowsPerSecond(seen: readonly Sighting[]): number {
  const [first, last] = [seen[0], seen.at(-1)]
  if (!first || !last || last.at <= first.at) return 0
  return Math.max(0, last.done - first.done) / ((last.at - first.at) / SECOND_MS)
}

/** Null where nobody can tell. */
export const etaSeconds = (rowsLeft: number, perSecond: number): number | null =>
  perSecond > 0 ? Math.ceil(rowsLeft / perSecond) : null
