// Becomes workerd, which serves a build on a state folder: `node scripts/server/run.mjs --build … --state … --host …
// --port …`. What an operator's machine runs is then one process. Needs the packaged Node.
import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { rangesIn } from '../../src/server/ranges.ts'
import { becomeHolder, lock } from '../lock.mjs'
import { ASSETS, FOLDERS, SOCKET } from './config.mjs'

const { values } = parseArgs({
  options: {
    build: { type: 'string' },
    state: { type: 'string' },
    host: { type: 'string' },
    port: { type: 'string' },
  },
})

const [build, state] = [resolve(values.build), resolve(values.state)]

/** The workerd of `wrangler dev`, so that both read the same state in the same way. */
const { default: WORKERD } = createRequire(import.meta.resolve('wrangler'))('workerd')

requireRanges(process.env.TRUSTED_PROXIES ?? '')

if (!lock(state)) {
  console.error(`Another service uses ${state}.`)
  process.exit(1)
}

const at = (name) => join(state, FOLDERS[name])
for (const name of Object.keys(FOLDERS)) mkdirSync(at(name), { recursive: true, mode: 0o700 })

becomeHolder(state, environment(), [
  WORKERD,
  'serve',
  join(build, 'config.capnp'),
  `--socket-addr=${SOCKET}=${values.host}:${values.port}`,
  `--directory-path=${ASSETS}=${join(build, 'assets')}`,
  ...Object.keys(FOLDERS).map((name) => `--directory-path=${name}=${at(name)}`),
])

/** The environment overrides the settings of the build, and has the secret. */
function environment() {
  const settings = JSON.parse(readFileSync(join(build, 'settings.json'), 'utf8'))
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [name, process.env[name] ?? value]),
  )
}

function requireRanges(text) {
  try {
    rangesIn(text)
  } catch {
    console.error('TRUSTED_PROXIES must be addresses and ranges, like 127.0.0.1,10.0.0.0/8.')
    process.exit(1)
  }
}
