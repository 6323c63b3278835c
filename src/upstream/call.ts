import * as v from 'valibot'
import { SECOND_MS } from '../lib/time'

const CALL_MS_MAX = 30 * SECOND_MS
const REPLY_BYTES_MAX = 64 * 1024

/** The 4xx statuses that a retry may change: timeout, too early, too many. */
const RETRYABLE = [408, 425, 429]

/**
 * `refused`: not done, and a retry cannot change it. `not_now`: no success, but a retry may succeed; `isWell`
 * if the upstream only wants fewer or later calls. `unknown`: no valid reply says whether it was done.
 */
export type UpstreamReply<Body> =
  | { is: 'done'; body: Body }
  | { is: 'refused'; status: number }
  | { is: 'not_now'; isWell: boolean; retryAfterMs: number }
  | { is: 'unknown' }

interface UpstreamCall<Body> {
  method: 'POST' | 'PATCH'
  key?: string
  body?: object
  /** The body of a success; null stands for an empty body. */
  expects: v.GenericSchema<unknown, Body>
  timeoutMs?: number
}

/** One try: follows no redirect, and has a limited time and a limited reply. Never throws. */
export async function callUpstream<Body>(
  url: string,
  call: UpstreamCall<Body>,
): Promise<UpstreamReply<Body>> {
  try {
    const response = await fetch(url, {
      method: call.method,
      redirect: 'manual',
      signal: AbortSignal.timeout(call.timeoutMs ?? CALL_MS_MAX),
      headers: {
        Accept: 'application/json',
        ...(call.key && { 'Idempotency-Key': call.key }),
        ...(call.body && { 'Content-Type': 'application/json' }),
      },
      ...(call.body && { body: JSON.stringify(call.body) }),
    })
    if (!response.ok) {
      await response.body?.cancel()
      return failureOf(response)
    }
    const text = await textOf(response)
    if (text === null) return { is: 'unknown' }
    const parsed = v.safeParse(call.expects, text === '' ? null : JSON.parse(text))
    return parsed.success ? { is: 'done', body: parsed.output } : { is: 'unknown' }
  } catch {
    // A reset, the time limit, or a body that is cut off or not JSON: it is unknown whether it was done.
    return { is: 'unknown' }
  }
}

/** A redirect counts as a refusal: it points to an address that is not configured. */
function failureOf({ status, headers }: Response): UpstreamReply<never> {
  if (status < 500 && !RETRYABLE.includes(status)) return { is: 'refused', status }
  const header = status === 429 || status === 503 ? headers.get('Retry-After') : null
  return { is: 'not_now', isWell: status < 500, retryAfterMs: retryAfterMs(header, Date.now()) }
}

/** Seconds or an HTTP date as milliseconds from now; 0 for other texts and past dates. */
export function retryAfterMs(header: string | null, now: number): number {
  if (header === null) return 0
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * SECOND_MS
  const at = Date.parse(header)
  return Number.isNaN(at) ? 0 : Math.max(0, at - now)
}

/** Null if the reply is longer than REPLY_BYTES_MAX. */
async function textOf(response: Response): Promise<string | null> {
  if (!response.body) return ''
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })
  const reader = response.body.getReader()
  let [text, bytes] = ['', 0]
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    bytes += value.byteLength
    if (bytes > REPLY_BYTES_MAX) {
      await reader.cancel()
      return null
    }
    text += decoder.decode(value, { stream: true })
  }
}
