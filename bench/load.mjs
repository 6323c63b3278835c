import { keepBusy } from './connections.mjs'

/** So few that no request waits for another, and so many that the server is never idle. */
export const CONNECTIONS = { low: 4, high: 32 }

/**
 * Sends `amount` requests, `request(i)` for each, and returns how fast they were answered. `onReply` receives
 * each reply with the number of its request; without it the replies are not read.
 */
export async function load(url, { amount, connections, request, onReply }) {
  const latencies = []
  const statuses = {}
  let [sent, firstAt, lastAt] = [0, 0, 0]
  const errors = await keepBusy(url, {
    connections: Math.min(connections, amount),
    next() {
      firstAt ||= performance.now()
      const number = sent
      if (number === amount) return null
      sent += 1
      return { ...request(number), number }
    },
    onAnswer({ number }, { status, text }, ms) {
      lastAt = performance.now()
      latencies.push(ms)
      statuses[status] = (statuses[status] ?? 0) + 1
      onReply?.(number, status, text())
    },
  })
  const seconds = (lastAt - firstAt) / 1_000
  return { amount, seconds, perSecond: latencies.length / seconds, latencies, statuses, errors }
}

/** Keeps these connections busy until `stop`, which returns how many requests per second succeeded. */
export function flood(url, { connections, request }) {
  let [sent, succeeded, isOver] = [0, 0, false]
  const startedAt = performance.now()
  const over = keepBusy(url, {
    connections,
    next: () => (isOver ? null : request(sent++)),
    onAnswer(_, { status }) {
      if (status < 300) succeeded += 1
    },
  })
  return {
    async stop() {
      isOver = true
      const perSecond = (succeeded * 1_000) / (performance.now() - startedAt)
      await over
      return { perSecond }
    },
  }
}

/**
 * As `load`, but checks each reply and returns the bodies too. `isRight` checks a reply parsed from JSON.
 * Throws the first reply that is not as expected.
 */
export async function ask(url, { amount, connections = CONNECTIONS.high, request, ...wanted }) {
  const bodies = new Array(amount)
  let wrong = null
  const onReply = (number, status, body) => {
    wrong ??= complaint(request(number).path, wanted, status, body)
    bodies[number] = body
  }
  const { errors, perSecond } = await load(url, { amount, connections, request, onReply })
  if (wrong || errors > 0)
    throw new Error(wrong ?? `${errors} of ${amount} requests to ${url} were not answered`)
  return { bodies, perSecond }
}

/** What is wrong with a reply, or null. */
export function complaint(path, { expected, isRight }, status, body) {
  if (status !== expected) return `${path} answered ${status} instead of ${expected}: ${body}`
  if (isRight && !isRight(JSON.parse(body))) return `${path} answered something else: ${body.slice(0, 500)}`
  return null
}

/** The value that this share of the values is below. */
export function percentile(values, share) {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null
}

export const median = (values) => {
  const known = values.filter((value) => value !== null && value !== undefined)
  if (known.length === 0) return null
  const sorted = Float64Array.from(known).sort()
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
