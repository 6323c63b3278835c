import { freePort } from '../../scripts/port.mjs'
import { serveWorker } from '../../scripts/worker.mjs'
import { mixed } from './chance.mjs'

/** Short, so that offers expire during the run. */
const OFFER_SECONDS = 3

const CONTROL = '/__torture'

/** If the service does not answer in this time, it is killed without its counts. */
const COLLECT_MS_MAX = 2_000

/**
 * The service under test: the rack starts, kills and restarts it on one state and one port. Each start draws
 * its faults from the run's seed and its own number.
 */
export async function mount({ seed, stateDir, build }) {
  const port = await freePort()
  const faultCounts = {}
  let [worker, starts, isUp, isOver] = [null, 0, false, false]

  async function start(faults) {
    const settings = {
      TORTURE_SEED: String(mixed(seed, `start ${starts}`)),
      TORTURE_FAULTS: faults,
      WAITLIST_OFFER_SECONDS: String(OFFER_SECONDS),
    }
    starts += 1
    worker = serveWorker({ port, stateDir, build, settings })
    await worker.answers(CONTROL)
    isUp = true
  }

  /** Reads the counts of faults from the process before it is killed. */
  async function collect() {
    const signal = AbortSignal.timeout(COLLECT_MS_MAX)
    const counts = await fetch(`http://127.0.0.1:${port}${CONTROL}`, { signal })
      .then((reply) => reply.json())
      .catch(() => ({}))
    for (const [fault, count] of Object.entries(counts))
      faultCounts[fault] = (faultCounts[fault] ?? 0) + count
  }

  return {
    port,
    faultCounts,
    start,
    isUp: () => isUp,
    /** Whether the service will not start again. */
    isOver: () => isOver,
    async kill() {
      await collect()
      isUp = false
      await worker.kill9()
      worker = null
    },
    async stop() {
      ;[isUp, isOver] = [false, true]
      await worker?.kill9()
      worker = null
    },
    /** For the exit handler of this process, which cannot wait. */
    abandon() {
      if (worker) process.kill(-worker.pid, 'SIGKILL')
    },
    /** A newer version of the service writes this day. */
    async writeAsNewer(opening) {
      const reply = await fetch(`http://127.0.0.1:${port}${CONTROL}`, {
        method: 'PUT',
        body: JSON.stringify(opening),
      })
      if (!reply.ok) throw new Error(`A day was not written: ${await reply.text()}`)
    },
    /** Reads rows of D1 without faults. */
    async select(sql) {
      const reply = await fetch(`http://127.0.0.1:${port}${CONTROL}`, { method: 'POST', body: sql })
      if (!reply.ok) throw new Error(`${sql}: ${await reply.text()}`)
      return await reply.json()
    },
  }
}
