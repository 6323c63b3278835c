// `npm run serve`: the bundled Worker on workerd only, as a clinic may run it on its own machine.
import { bundle } from './bundle.mjs'
import { migrate, requireUnused, STATE_DIR } from './database.mjs'
import { untilAnswering, untilEnded } from './foreground.mjs'
import { wantedPort } from './port.mjs'
import { keepPrivate } from './private.mjs'
import { fail, ready } from './ready.mjs'
import { serveWorker } from './worker.mjs'

async function serve() {
  ready()
  await requireUnused(STATE_DIR, 'npm run serve')
  const port = await wantedPort('npm run serve')
  keepPrivate(STATE_DIR)
  console.log('Bundling and migrating the database …')
  await Promise.all([bundle('dist'), migrate(STATE_DIR)])
  const host = process.env.HOST || undefined
  const worker = serveWorker({ port, host, stateDir: STATE_DIR, bundle: '.wrangler/dist' })
  await untilAnswering(worker)
  console.log(`Doctorday runs at ${worker.url}; its state is in ${STATE_DIR}. Stop with Ctrl-C.
First clinic: ${forThisState()}npm run admin-key -- --clinic main --name 'Main Street Clinic' --time-zone America/New_York`)
  await untilEnded(worker)
}

/** The line is copied into another terminal, which has no STATE_DIR. */
const forThisState = () => (process.env.STATE_DIR ? `STATE_DIR='${STATE_DIR.replaceAll("'", `'\\''`)}' ` : '')

await serve().catch((error) => fail(error.message))
