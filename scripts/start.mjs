// `npm start`: makes a running demo clinic from a fresh clone and prints commands to try it with.
import { readOptions } from './command-line.mjs'
import { prepare, requireUnused, STATE_DIR } from './database.mjs'
import { loadDemo } from './demo.mjs'
import { untilAnswering, untilEnded } from './foreground.mjs'
import { lines } from './lines.mjs'
import { wantedPort } from './port.mjs'
import { keepPrivate } from './private.mjs'
import { demoKey, fail, ready } from './ready.mjs'
import { secretOf } from './secret.mjs'
import { startWorker } from './worker.mjs'

const USAGE = `npm start

Runs a demo clinic until Ctrl-C, and prints its address, its key and calls to try. It takes no options; set in
the environment:

  PORT       the port to listen on (8787)
  STATE_DIR  the folder of its data (.wrangler/state)`

async function start() {
  readOptions(USAGE)
  ready()
  await requireUnused(STATE_DIR, 'npm start')
  const port = await wantedPort('npm start')
  keepPrivate(STATE_DIR)
  const key = demoKey(secretOf(STATE_DIR))
  console.log('Preparing the database …')
  await prepare(STATE_DIR, key)
  console.log('Starting …')
  const worker = startWorker({ port, stateDir: STATE_DIR })
  await untilAnswering(worker)
  const demo = await loadDemo({ url: worker.url, key, stateDir: STATE_DIR }).catch(withoutDemo)
  console.log(lines({ url: worker.url, key, demo }))
  await untilEnded(worker)
}

/** The service works without the demo data; the next start tries to load it again. */
function withoutDemo(error) {
  console.error(`The demo data could not be loaded; the next start tries again: ${error.message}`)
  return null
}

await start().catch((error) => fail(error.message))
