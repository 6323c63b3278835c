import * as v from 'valibot'
import { PULSE_MS } from '../http/event-stream'
import { logFailure } from '../lib/log'
import { MINUTE_MS, SECOND_MS } from '../lib/time'
import { doneOf, type ImportFacts, isOver, pausedUntil } from './status'

/** Each read of the job or of the key is a query, and D1 allows 1,000 per request: these minutes need 700. */
export const STREAM_MS_MAX = 5 * MINUTE_MS

/** While nothing changes, the stream reads the job less and less often. */
export const READ_EVERY_MS_MIN = SECOND_MS / 2
export const READ_EVERY_MS_MAX = 5 * SECOND_MS
const SLOWDOWN = 1.5

/** With a pause of READ_EVERY_MS_MAX before it, the stream of a revoked key ends within ten seconds. */
export const KEY_ASKED_EVERY_MS = 3 * SECOND_MS

/** A database that neither answers nor fails must not keep a client waiting. */
export const READ_MS_MAX = 10 * SECOND_MS

/** How long a browser waits before it reconnects. */
const RETRY_MS = 2 * SECOND_MS

/** The id of the last event. */
export const END = 'end'

/** Measured values that a status does not have. `eta_seconds` is null if it cannot be estimated. */
export const PACE = {
  rows_per_second: v.number(),
  eta_seconds: v.nullable(v.number()),
  paused_until: v.nullable(v.string()),
}
export type Pace = v.InferOutput<v.ObjectSchema<typeof PACE, undefined>>

/**
 * A job that a client follows: `readJob` reads it again, where `asksKey` says so only for a key that is not
 * revoked, otherwise it returns null. `toEvent` uses the field names of its kind.
 */
export interface FollowedJob {
  first: ImportFacts
  readJob(asksKey: boolean): Promise<ImportFacts | null>
  toEvent(facts: ImportFacts, pace: Pace): object
}

/**
 * The job as server-sent events, one for each change. The stream ends after the event of the job's end, after
 * STREAM_MS_MAX, when the job cannot be read, when the key is revoked, and when `disconnected` says that the
 * client is gone.
 */
export async function* progressEvents(
  { first, readJob, toEvent }: FollowedJob,
  disconnected: AbortSignal,
): AsyncGenerator<string> {
  const endsAt = Date.now() + STREAM_MS_MAX
  let facts: ImportFacts | null = first
  let keyAskedAt = Date.now()
  let measured: Measurement[] = []
  let [sent, sentAt, readEveryMs] = ['', endsAt, READ_EVERY_MS_MIN]
  yield `retry: ${RETRY_MS}\n\n`
  while (facts) {
    const now = Date.now()
    measured = withMeasurement(measured, { at: now, done: doneOf(facts) })
    const pace = paceOf(facts, measured, now)
    const current = changesOf(facts, pace)
    if (current !== sent) {
      yield event(isOver(facts), toEvent(facts, pace))
      ;[sent, sentAt, readEveryMs] = [current, now, READ_EVERY_MS_MIN]
    } else {
      readEveryMs = Math.min(readEveryMs * SLOWDOWN, READ_EVERY_MS_MAX)
      if (now - sentAt >= PULSE_MS) {
        yield ': still here\n\n'
        sentAt = now
      }
    }
    if (isOver(facts) || now >= endsAt) return
    await pause(readEveryMs, disconnected)
    const asksKey = Date.now() - keyAskedAt >= KEY_ASKED_EVERY_MS
    if (asksKey) keyAskedAt = Date.now()
    const read = { first, readJob: () => readJob(asksKey) }
    facts = disconnected.aborted ? null : await readInTime(read, disconnected)
  }
}

const event = (isLast: boolean, data: object): string =>
  `${isLast ? `id: ${END}\nevent: end` : 'event: progress'}\ndata: ${JSON.stringify(data)}\n\n`

/** A paused job has no estimate: it is unknown when its upstream will work again. */
function paceOf(facts: ImportFacts, measured: Measurement[], now: number): Pace {
  const [rate, rowsLeft] = [rowsPerSecond(measured), facts.job.totalRows - doneOf(facts)]
  const paused = pausedUntil(facts.job, now)
  return {
    rows_per_second: Math.round(rate * 10) / 10,
    eta_seconds: isOver(facts) || paused !== null ? null : etaSeconds(rowsLeft, rate),
    paused_until: paused,
  }
}

/** Equal while nothing changed that is worth an event. A slightly different rate is not; a rate of 0 is. */
const changesOf = ({ job, ...counts }: ImportFacts, { rows_per_second, paused_until }: Pace): string =>
  JSON.stringify([job.state, counts, paused_until, rows_per_second > 0])

/** Null if the job cannot be read: then the stream ends, and the client reconnects. */
async function readInTime(
  { first, readJob }: { first: ImportFacts; readJob(): Promise<ImportFacts | null> },
  disconnected: AbortSignal,
): Promise<ImportFacts | null> {
  const isRead = new AbortController()
  const late = pause(READ_MS_MAX, AbortSignal.any([disconnected, isRead.signal])).then(() => null)
  const found = readJob().catch((error: unknown) => {
    logFailure('import.watch', error, { clinic: first.job.clinicId, job: first.job.id })
    return null
  })
  return Promise.race([found, late]).finally(() => isRead.abort())
}

/** Ends at once when `ended` is aborted. */
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

/** Long enough to average over chunks, whose rows all count at once; short enough to notice a stop. */
export const WINDOW_MS = 30 * SECOND_MS

/** How many rows were done at an instant (epoch ms). */
export interface Measurement {
  at: number
  done: number
}

/** Adds one. Of those before the window it keeps only the newest, as the start of the window. */
export function withMeasurement(measured: readonly Measurement[], last: Measurement): Measurement[] {
  const all = [...measured, last]
  return all.filter((_, index) => (all[index + 1]?.at ?? last.at) > last.at - WINDOW_MS)
}

/** The rate over the window; 0 before two measurements. Rows that run again after a repair do not count. */
export function rowsPerSecond(measured: readonly Measurement[]): number {
  const [first, last] = [measured[0], measured.at(-1)]
  if (!first || !last || last.at <= first.at) return 0
  return Math.max(0, last.done - first.done) / ((last.at - first.at) / SECOND_MS)
}

/** Null while there is no rate. */
export const etaSeconds = (rowsLeft: number, perSecond: number): number | null =>
  perSecond > 0 ? Math.ceil(rowsLeft / perSecond) : null
