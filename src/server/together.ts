/**
 * Runs together what arrives together. Work that is handed over in one turn of the event loop runs in a later
 * turn, without a pause in between, so that SQLite commits all of it at once and the disk is synced once. The
 * runtime holds back every answer until that commit.
 */
export interface Together {
  /** The result of the work, or what it threw. Each piece of work is a transaction of its own. */
  run<Result>(work: () => Result): Promise<Result>
}

/** With `waitMs`, what arrives within that time is one commit. */
export function together(waitMs = 0): Together {
  let waiting: (() => void)[] = []

  function runAll(): void {
    const all = waiting
    waiting = []
    for (const work of all) work()
  }

  return {
    run: (work) =>
      new Promise((resolve, reject) => {
        waiting.push(() => {
          try {
            resolve(work())
          } catch (error) {
            reject(error)
          }
        })
        if (waiting.length === 1) setTimeout(runAll, waitMs)
      }),
  }
}
