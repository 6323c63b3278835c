import { once } from 'node:events'
import autocannon from 'autocannon'

/** So few that no request waits for another, and so many that the server is never idle. */
export const CONNECTIONS = { low: 4, high: 32 }

/** A response that takes longer counts as an error. */
const TIMEOUT_SECONDS = 30

/** How often autocannon checks whether it has all answers; its own times are not used. */
const LOOK_MS = 20

/**
 * Sends `amount` requests, `request(i)` for each, and returns how fast they were answered. `onReply` receives
 * each reply with the number of its request; without it the replies are not read.
 */
export async function load(url, { amount, connections, request, onReply }) {
  const latencies = []
  const statuses = {}
  let [sent, firstAt, lastAt] = [0, 0, 0]
  const shots = autocannon({
    url,
    amount,
    connections: Math.min(connections, amount),
    timeout: TIMEOUT_SECONDS,
    sampleInt: LOOK_MS,
    requests: [{ setupRequest, ...(onReply && { onResponse }) }],
  })
  shots.on('response', (_, status, __, latencyMs) => {
    lastAt = performance.now()
    latencies.push(latencyMs)
    statuses[status] = (statuses[status] ?? 0) + 1
  })
  const [{ errors }] = await once(shots, 'done')
  const seconds = (lastAt - firstAt) / 1_000
  return { amount, seconds, perSecond: latencies.length / seconds, latencies, statuses, errors }

  function setupRequest(usual, context) {
    firstAt ||= performance.now()
    context.number = sent++
    const { headers, ...wanted } = request(context.number)
    return { ...usual, ...wanted, headers: { ...headers } }
  }

  function onResponse(status, body, context) {
    onReply(context.number, status, body)
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
