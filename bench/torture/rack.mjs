import { freePort } from '../../scripts/port.mjs'
import { serveWorker } from '../../scripts/worker.mjs'
import { mixed } from './chance.mjs'

/** Short, so that offers lapse while the run lasts. */
const OFFER_SECONDS = 3

const CONTROL = '/__torture'

/** What hangs is killed as well. */
const COLLECT_MS_MAX = 2_000

/**
 * The service on the rack: started, killed and started again on one state and one port. Each start draws its
 * faults from the run's seed and its own number.
 */
export async function mount({ seed, stateDir, build }) {
  const port = await freePort()
  const struck = {}
  let [worker, starts, isUp, isOver] = [null, 0, false, false]

  async function start(faults) {
    const settings = {
      TORTURE_SEED: String(mixed(seed, `start ${starts}`)),
      TORTURE_FAULTS: faults,
      WAITLIST_OFFER_SECONDS: String(OFFER_SECONDS),
    }
    starts += 1
    worker = serveWorker({ port, stateDir, ...build, settings })
    await worker.answers(CONTROL)
    isUp = true
  }

  /** What struck is in the memory that is about to go. */
  async function collect() {
    const signal = AbortSignal.timeout(COLLECT_MS_MAX)
    const counts = await fetch(`http://127.0.0.1:${port}${CONTROL}`, { signal })
      .then((reply) => reply.json())
      .catch(() => ({}))
    for (const [fault, count] of Object.entries(counts)) struck[fault] = (struck[fault] ?? 0) + count
  }

  return {
    port,
    struck,
    start,
    isUp: () => isUp,
    /** It will not be up again. */
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
    /** For the very end of this process, where nothing can be waited for. */
    abandon() {
      if (worker) process.kill(-worker.pid, 'SIGKILL')
    },
    /** Rows of D1, past the faults. */
    async select(sql) {
      const reply = await fetch(`http://127.0.0.1:${port}${CONTROL}`, { method: 'POST', body: sql })
      if (!reply.ok) throw new Error(`${sql}: ${await reply.text()}`)
      return await reply.json()
    },
  }
}
