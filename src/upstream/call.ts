import * as v from 'valibot'
import { SECOND_MS } from '../lib/time'

const CALL_MS_MAX = 30 * SECOND_MS
const REPLY_BYTES_MAX = 64 * 1024

/** Statuses of the 400s that another try may change: timeout, too early, too many. */
const PASSING = [408, 425, 429]

/**
 * `refused`: not done, and never will be. `not_now`: answered, but not with success; `isWell` where the
 * upstream only wants less or later. `unknown`: it may be done or not, nobody said so in words we understand.
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
  /** What a success must say; null where nothing need be said. */
  expects: v.GenericSchema<unknown, Body>
  timeoutMs?: number
}

/** One try. Follows no redirect, waits no longer and reads no more than said above. Never throws. */
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
    // A reset, the time limit, a body that is cut off or no JSON: nothing says whether it was done.
    return { is: 'unknown' }
  }
}

/** A redirect is a refusal as well: what it points at is nobody's address that was configured. */
function failureOf({ status, headers }: Response): UpstreamReply<never> {
  if (status < 500 && !PASSING.includes(status)) return { is: 'refused', status }
  const asked = status === 429 || status === 503 ? headers.get('Retry-After') : null
  return { is: 'not_now', isWell: status < 500, retryAfterMs: retryAfterMs(asked, Date.now()) }
}

/** Seconds or an HTTP date, as milliseconds from now; 0 for what is neither, or over. */
export function retryAfterMs(asked: string | null, now: number): number {
  if (asked === null) return 0
  if (/^\s*\d+\s*$/.test(asked)) return Number(asked) * SECOND_MS
  const at = Date.parse(asked)
  return Number.isNaN(at) ? 0 : Math.max(0, at - now)
}

/** Null where there is more of it than anybody would send in good faith. */
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
