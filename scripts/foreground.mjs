import { fail } from './ready.mjs'

const ORPHAN_POLL_MS = 250

let isStopping = false

/** From now on a signal stops the worker cleanly. A worker that never answers ends the command. */
export async function untilAnswering(worker) {
  stopOnSignal(worker)
  await worker.answers().catch(async (error) => {
    await worker.stop()
    fail(error.message)
  })
}

/** Shows the worker's output until a signal stops it. A worker that ends without a signal is a failure. */
export async function untilEnded(worker) {
  // A program that reads the output, for example `head`, may end. The service would run on, and no terminal would
  // show it or stop it.
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', () => process.kill(process.pid, 'SIGTERM'))
  worker.show()
  const [code] = await worker.exited
  if (!isStopping) fail(`${worker.name} ended unexpectedly (exit code ${code}).`)
}

/** A terminal and npm may both send the signal: only the first counts, later ones must not interrupt it. */
export function stopOnSignal(worker, exitCode = 0) {
  const stop = async () => {
    if (isStopping) return
    isStopping = true
    await worker.stop().catch((error) => fail(error.message))
    process.exit(exitCode)
  }
  onEnd(stop)
}

/** Calls `end` with the signal each time this process must end. */
export function onEnd(end) {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, end)
  // npm starts this process in a shell, which dies of a signal and does not pass it on; the parent changes.
  const parent = process.ppid
  const isOrphan = () => process.ppid !== parent
  if (process.env.npm_lifecycle_event) setInterval(() => isOrphan() && end('SIGTERM'), ORPHAN_POLL_MS).unref()
}
