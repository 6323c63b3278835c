const OUTAGE_MESSAGES = [
  'Network connection lost',
  'storage caused object to be reset',
  'D1 DB is overloaded',
  'D1 DB storage operation exceeded timeout',
  'Cannot resolve D1 DB due to transient issue',
  'reset because its code was updated',
  'Internal error',
  'internal error',
  'SQLITE_BUSY',
  'SQLITE_FULL',
  'SQLITE_IOERR',
  'SQLITE_CANTOPEN',
  // D1’s file was cut off or overwritten: an operator has to put it back, and no request can be served
  // meanwhile.
  'SQLITE_CORRUPT',
  'SQLITE_NOTADB',
  'D1_ERROR: no such table',
]

/** Whether a SQLite file, or a part of it, is not what SQLite has written. */
export const isCorrupt = (error: unknown): boolean =>
  error instanceof Error && /SQLITE_(CORRUPT|NOTADB)|malformed|file is not a database/.test(error.message)

/**
 * Whether a binding could not be reached (retry) rather than was misused (a bug). Checks all causes too.
 * http/failure.ts answers an outage with 503 and Retry-After.
 */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const flags = error as { retryable?: boolean; overloaded?: boolean; durableObjectReset?: boolean }
  if (flags.retryable || flags.overloaded || flags.durableObjectReset) return true
  // Thrown by `withTimeout`, and by the deadline of a request.
  if (error.name === 'TimeoutError') return true
  // drizzle's own message contains the parameters, so a caller could put one of these texts into it; its
  // cause is the platform's error.
  const isPlatforms = error.name !== 'DrizzleQueryError'
  return (
    (isPlatforms && OUTAGE_MESSAGES.some((text) => error.message.includes(text))) || isOutage(error.cause)
  )
}

/**
 * The result of the work, or a TimeoutError after `limitMs`. The work is not cancelled: it may still take
 * effect later, and the caller must tolerate that.
 */
export async function withTimeout<Result>(work: Promise<Result>, limitMs: number): Promise<Result> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DOMException('Took too long', 'TimeoutError')), limitMs)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

const TRIES_MAX = 3
const PAUSE_MS = 50

/**
 * Calls the object with this name. A reset breaks the stub, so each try uses a new one. Every call must be
 * safe to repeat. An overloaded object gets no retry.
 */
export async function onObject<Class extends Rpc.DurableObjectBranded | undefined, Reply>(
  namespace: DurableObjectNamespace<Class>,
  name: string,
  call: (object: DurableObjectStub<Class>) => Reply,
): Promise<Awaited<Reply>> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call(namespace.get(namespace.idFromName(name)))
    } catch (error) {
      if (attempt === TRIES_MAX || !isRetryable(error)) throw error
      await scheduler.wait(PAUSE_MS * attempt * (0.5 + Math.random()))
    }
  }
}

function isRetryable(error: unknown): boolean {
  const flags = error as { retryable?: boolean; durableObjectReset?: boolean; overloaded?: boolean }
  return Boolean(flags.retryable || flags.durableObjectReset) && !flags.overloaded
}
