import { setTimeout as sleep } from 'node:timers/promises'
import { complaint, median } from '../load.mjs'

/** How the counted Worker (workers/counted) is spoken to, and what is made of its counts. */

const POLL_MS = 10
/** Between two steps nothing is pending for a moment; between a queue and its consumer the gap is longer. */
const QUIET_POLLS = 3
const SETTLED_WITHIN_MS = 60_000

/**
 * From now on all counts are of this operation. `delayMs`: what each call of a binding takes longer. `d1Ms`: how
 * long each batch occupies D1, which then does one after another.
 */
export async function begin({ url }, name, { delayMs = 0, d1Ms = 0 } = {}) {
  const wanted = new URLSearchParams({ name, delay_ms: delayMs, d1_ms: d1Ms })
  await fetch(`${url}/__bill?${wanted}`, { method: 'PUT' })
}

/** Throws an answer that is not as expected. */
export async function send(site, request, wanted) {
  const { status, body } = await answered(site, request)
  const wrong = complaint(request.path, wanted, status, body)
  if (wrong) throw new Error(wrong)
}

/** The answer, and how long it took. */
export async function answered({ url }, { path, ...request }) {
  const startedAt = performance.now()
  const response = await fetch(url + path, request)
  const body = await response.text()
  return { status: response.status, body, ms: performance.now() - startedAt }
}

/** Returns the counts once nothing is pending. */
export async function settled({ url }, polls = QUIET_POLLS) {
  const giveUpAt = performance.now() + SETTLED_WITHIN_MS
  for (let quiet = 0; ; ) {
    const counted = await (await fetch(`${url}/__bill`)).json()
    quiet = counted.pending === 0 ? quiet + 1 : 0
    if (quiet >= polls) return counted
    if (performance.now() > giveUpAt)
      throw new Error(`${counted.pending} calls of the counted Worker do not end`)
    await sleep(POLL_MS)
  }
}

/**
 * What one operation asked, from its own tallies, each of which is of `of` operations: the median of what came
 * before its answer and after it. An alarm rings once for all requests that a day got within seconds; each
 * operation gets its share.
 */
export function lineOf(tallies, { name, title, isOwn, of = 1 }) {
  const own = Object.entries(tallies).flatMap(([label, tally]) => (isOwn(label) ? [tally] : []))
  const [first] = own
  const at = (when) => mapCounts(first[when], (count) => median(own.map((tally) => tally[when][count])) / of)
  const [before, after] = [at('before'), at('after')]
  const operations = own.length * of
  const alarm = mapCounts(before, (count) => sum(own.map((tally) => tally.alarm[count])) / operations)
  const total = mapCounts(before, (count) => before[count] + after[count] + alarm[count])
  return { name, title, operations, before, after, alarm, total }
}

const mapCounts = (counts, amountOf) =>
  Object.fromEntries(Object.keys(counts).map((count) => [count, amountOf(count)]))

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0)
