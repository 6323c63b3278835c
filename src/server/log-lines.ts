/**
 * Writes the lines that tell of requests together, within WAIT_MS: one by one they cost a request more than
 * its look-up. Every other line is written at once, after those that wait. On Cloudflare each line belongs
 * to its request, so there `console` is left alone.
 */

const WAIT_MS = 20

/** A timer ends with the request that set it: one that is this late never comes. */
const LATE_MS = 200

const LINES_MAX = 500

const OF_REQUEST = /^\{"time":"[^"]+","level":"info","event":"request"/

/**
 * Replaces `console.log` and `console.error`. A request whose line is the first to wait keeps the others'
 * time.
 */
export function gatherLogLines(console: Pick<Console, 'log' | 'error'>) {
  const [log, error] = [console.log.bind(console), console.error.bind(console)]
  let waiting: string[] = []
  let timedAt = Number.NEGATIVE_INFINITY

  function writeWaiting(): void {
    timedAt = Number.NEGATIVE_INFINITY
    if (waiting.length === 0) return
    const lines = waiting.join('\n')
    waiting = []
    log(lines)
  }

  console.log = (line: string) => {
    if (OF_REQUEST.test(line)) waiting.push(line)
    else {
      writeWaiting()
      log(line)
    }
    if (waiting.length >= LINES_MAX) writeWaiting()
  }
  console.error = (line: string) => {
    writeWaiting()
    error(line)
  }

  return {
    /** For a request that has its answer. */
    writeSoon(ctx: Pick<ExecutionContext, 'waitUntil'>): void {
      const now = Date.now()
      if (waiting.length === 0 || now < timedAt + LATE_MS) return
      timedAt = now
      ctx.waitUntil(scheduler.wait(WAIT_MS).then(writeWaiting, writeWaiting))
    },
  }
}
