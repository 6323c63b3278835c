import { fail } from './ready.mjs'

const ORPHAN_POLL_MS = 250

let isStopping = false

/** From here on a signal stops the worker in order; one that never answers ends the command. */
export async function untilAnswering(worker) {
  stopOnSignal(worker)
  await worker.answers().catch(async (error) => {
    await worker.stop()
    fail(error.message)
  })
}

/** Shows what the worker prints until it is stopped; its end by itself is a failure. */
export async function untilEnded(worker) {
  worker.show()
  const [code] = await worker.exited
  if (!isStopping) fail(`${worker.name} ended by itself (${code}).`)
}

/** A terminal and npm may both send the signal: the first counts, the others must not cut its work short. */
export function stopOnSignal(worker, exitCode = 0) {
  const stop = async () => {
    if (isStopping) return
    isStopping = true
    await worker.stop().catch((error) => fail(error.message))
    process.exit(exitCode)
  }
  onEnd(stop)
}

/** Calls `end` with the signal each time this process is to end. */
export function onEnd(end) {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, end)
  // npm starts us through a shell that dies of a signal without passing it on; our parent changes then.
  const parent = process.ppid
  const isOrphan = () => process.ppid !== parent
  if (process.env.npm_lifecycle_event) setInterval(() => isOrphan() && end('SIGTERM'), ORPHAN_POLL_MS).unref()
}
