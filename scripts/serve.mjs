// `npm run serve`: the bundled Worker on workerd only, as a clinic may run it on its own machine.
import { readOptions } from './command-line.mjs'
import { localRows, migrate, requireUnused, STATE_DIR } from './database.mjs'
import { untilAnswering, untilEnded } from './foreground.mjs'
import { wantedPort } from './port.mjs'
import { keepPrivate } from './private.mjs'
import { fail, ready } from './ready.mjs'
import { builtServer } from './server/built.mjs'
import { serveWorker } from './worker.mjs'

const USAGE = `npm run serve

Runs the service until Ctrl-C. It takes no options; set in the environment:

  PORT       the port to listen on (8787)
  HOST       the address to listen on (127.0.0.1)
  STATE_DIR  the folder of its data (.wrangler/state)

and any name under [vars] in wrangler.toml.`

async function serve() {
  readOptions(USAGE)
  ready()
  await requireUnused(STATE_DIR, 'npm run serve')
  const port = await wantedPort('npm run serve')
  keepPrivate(STATE_DIR)
  const [build] = await Promise.all([builtServer(), migrate(STATE_DIR)])
  const hasClinic = (await localRows(STATE_DIR, 'SELECT 1 FROM clinics LIMIT 1')).length > 0
  const host = process.env.HOST || undefined
  const worker = serveWorker({ port, host, stateDir: STATE_DIR, build })
  await untilAnswering(worker)
  console.log(`Doctorday runs at ${worker.url}; its state is in ${STATE_DIR}. Stop with Ctrl-C.
  documentation  ${worker.url}/docs and ${worker.url}/redoc`)
  if (!hasClinic) console.log(firstClinic())
  await untilEnded(worker)
}

/** The line is copied into another terminal, which has no STATE_DIR. */
function firstClinic() {
  const state = process.env.STATE_DIR ? `STATE_DIR=${quoted(STATE_DIR)} ` : ''
  const secret = process.env.DOCTORDAY_SECRET ? ', with the same DOCTORDAY_SECRET' : ''
  return `
This state has no clinic yet. The command below opens the first one and prints its admin key. Edit the name, the
time zone and the country, then run the command in this folder in a second terminal${secret}, while this one serves:

  ${state}npm run admin-key -- --clinic main --name 'Main Street Clinic' --time-zone America/New_York --country US
`
}

const quoted = (text) => `'${text.replaceAll("'", String.raw`'\''`)}'`

await serve().catch((error) => fail(error.message))
