// `npm start`: from a fresh clone to a running, filled clinic, and the lines to try it with.
import { resolve } from 'node:path'
import { prepare } from './database.mjs'
import { loadDemo } from './demo.mjs'
import { lines } from './lines.mjs'
import { fail, ready } from './ready.mjs'
import { ROOT } from './root.mjs'
import { isListening, startWorker } from './worker.mjs'

const ORPHAN_POLL_MS = 250

async function start() {
  const port = portOf(process.env.PORT ?? '8787')
  const stateDir = resolve(ROOT, process.env.STATE_DIR || '.wrangler/state')
  if (await isListening(port))
    fail(`Port ${port} is in use. Stop what runs there, or take another: PORT=${port + 1} npm start`)
  const key = ready()
  console.log('Preparing the database …')
  await prepare(stateDir, key)
  console.log('Starting …')
  const worker = startWorker({ port, stateDir })
  const isStopping = stopOnSignal(worker)
  await worker.answers().catch((error) => abandon(worker, error))
  const demo = await loadDemo({ url: worker.url, key, stateDir }).catch(withoutDemo)
  console.log(lines({ url: worker.url, key, demo }))
  worker.show()
  const [code] = await worker.exited
  if (!isStopping()) fail(`wrangler dev ended by itself (${code}).`)
}

function portOf(text) {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535) fail('PORT must be a number from 1 to 65535.')
  return port
}

/** A terminal and npm may both send the signal: the first counts, the others must not cut its work short. */
function stopOnSignal(worker) {
  let isStopping = false
  const stop = async () => {
    if (isStopping) return
    isStopping = true
    await worker.stop().catch((error) => fail(error.message))
    process.exit(0)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop)
  // npm starts us through a shell that dies of a signal without passing it on; our parent changes then.
  const parent = process.ppid
  const isOrphan = () => process.ppid !== parent
  if (process.env.npm_lifecycle_event) setInterval(() => isOrphan() && stop(), ORPHAN_POLL_MS).unref()
  return () => isStopping
}

async function abandon(worker, error) {
  await worker.stop()
  fail(error.message)
}

/** The service is of use without the demo data; the next start tries again. */
function withoutDemo(error) {
  console.error(`The demo data could not be loaded: ${error.message}`)
  return null
}

await start().catch((error) => fail(error.message))
