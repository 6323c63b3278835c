// `npm run serve`: the bundled Worker on workerd only, as a clinic may run it on its own machine.
import { bundle } from './bundle.mjs'
import { migrate, STATE_DIR } from './database.mjs'
import { untilAnswering, untilEnded } from './foreground.mjs'
import { wantedPort } from './port.mjs'
import { keepPrivate } from './private.mjs'
import { fail, ready } from './ready.mjs'
import { serveWorker } from './worker.mjs'

async function serve() {
  const port = await wantedPort('npm run serve')
  ready()
  keepPrivate(STATE_DIR)
  console.log('Bundling and migrating the database …')
  await Promise.all([bundle('dist'), migrate(STATE_DIR)])
  const host = process.env.HOST || undefined
  const worker = serveWorker({ port, host, stateDir: STATE_DIR, bundle: '.wrangler/dist' })
  await untilAnswering(worker)
  console.log(`Doctorday runs at ${worker.url}; its state is in ${STATE_DIR}. Stop with Ctrl-C.
First clinic: npm run admin-key -- --clinic main --name 'Main Street Clinic' --time-zone America/New_York`)
  await untilEnded(worker)
}

await serve().catch((error) => fail(error.message))
