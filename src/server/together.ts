/**
 * Runs together what arrives together: in one turn of the event loop, without a pause in between, so that
 * SQLite commits all of it at once and the disk is synced once. The runtime holds back every answer until
 * that commit.
 */
export interface Together {
  /** The result of the work, or what it threw. Each piece of work is a transaction of its own. */
  run<Result>(work: () => Result): Promise<Result>
}

/**
 * With `waitMs`, what arrives within that time is one commit. Without it, work that comes alone runs at once;
 * what else comes in the same millisecond is one commit.
 */
export function together(waitMs = 0): Together {
  let waiting: (() => void)[] = []
  let ranAt = 0

  function runAll(): void {
    const all = waiting
    waiting = []
    ranAt = Date.now()
    for (const work of all) work()
  }

  return {
    run: (work) =>
      new Promise((resolve, reject) => {
        const settle = () => {
          try {
            resolve(work())
          } catch (error) {
            reject(error)
          }
        }
        const isAlone = waitMs === 0 && waiting.length === 0 && Date.now() > ranAt
        waiting.push(settle)
        if (isAlone) runAll()
        else if (waiting.length === 1) setTimeout(runAll, waitMs)
      }),
  }
}
