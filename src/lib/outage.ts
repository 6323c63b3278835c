const LOST = [
  'Network connection lost',
  'storage caused object to be reset',
  'D1 DB is overloaded',
  'D1 DB storage operation exceeded timeout',
  'Cannot resolve D1 DB due to transient issue',
  'reset because its code was updated',
  'Internal error',
  'internal error',
  'SQLITE_BUSY',
]

/**
 * Whether a binding was out of reach (come again) rather than misused (a bug). Looks through the chain of
 * causes.
 */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const flags = error as { retryable?: boolean; overloaded?: boolean; durableObjectReset?: boolean }
  if (flags.retryable || flags.overloaded || flags.durableObjectReset) return true
  // drizzle's own message holds the parameters, so a caller could write a sign into it; its cause is the
  // platform's.
  const isPlatforms = error.name !== 'DrizzleQueryError'
  return (isPlatforms && LOST.some((sign) => error.message.includes(sign))) || isOutage(error.cause)
}

/**
 * What the work comes to, or a failure where it takes longer. Nothing calls the work off: it may still have
 * its effect later, and whoever stops waiting must be able to live with that.
 */
export async function inTime<Result>(work: Promise<Result>, limitMs: number): Promise<Result> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DOMException('Took too long', 'TimeoutError')), limitMs)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}
