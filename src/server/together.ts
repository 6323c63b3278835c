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
 * With `waitMs`, what arrives within that time is one commit. Without it, work that comes alone runs at once.
 * What follows waits for a timer: workerd reads its sockets before the timer rings. Without it, a chain of
 * writes, each sent after the answer to the one before, would keep all other requests waiting until its end.
 */
export function together(waitMs = 0): Together {
  let waiting: (() => void)[] = []
  let isTimed = false

  function startTimer(): void {
    isTimed = true
    setTimeout(runAll, waitMs)
  }

  function runAll(): void {
    const all = waiting
    waiting = []
    isTimed = false
    if (all.length > 0 && waitMs === 0) startTimer()
    for (const work of all) work()
  }

  return {
    run: (work) =>
      new Promise((resolve, reject) => {
        const isAlone = !isTimed && waitMs === 0
        waiting.push(() => {
          try {
            resolve(work())
          } catch (error) {
            reject(error)
          }
        })
        if (isAlone) runAll()
        else if (!isTimed) startTimer()
      }),
  }
}
