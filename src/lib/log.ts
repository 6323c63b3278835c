type Loggable = string | number | boolean | undefined

/** One JSON line. Ids, codes and numbers only: never a name, a phone, a note, a result or a body. */
export function log(event: string, facts: Record<string, Loggable>): void {
  console.log(JSON.stringify({ time: now(), level: 'info', event, ...facts }))
}

/**
 * Logs a failure by its class and its place in the code, without its message: a library's message about
 * input contains the input (drizzle's the parameters, valibot's the value, JWT's the token).
 */
export function logFailure(event: string, error: unknown, facts: Record<string, Loggable> = {}): void {
  const { name, message, stack } =
    error instanceof Error ? error : { name: typeof error, message: '', stack: '' }
  // The stack repeats the message, whose lines may look like places in the code.
  const frames = stack
    ?.replace(message, '')
    .split('\n')
    .filter((line) => /^\s+at \S.*(:\d+:\d+|native|<anonymous>)\)?$/.test(line))
    .map((line) => line.trim())
  const place = { error: name, at: frames?.slice(0, 8).join(' | ') }
  console.error(JSON.stringify({ time: now(), level: 'error', event, ...facts, ...place }))
}

const now = (): string => new Date().toISOString()
