// What a service manager starts: migrates the database of STATE_DIR and becomes workerd. Needs the packaged Node, and
// what `npm run build:server` has built.
import { migrate, STATE_DIR } from '../database.mjs'
import { wantedPort } from '../port.mjs'
import { keepPrivate } from '../private.mjs'
import { fail } from '../ready.mjs'
import { secretOf } from '../secret.mjs'
import { existingBuild } from './built.mjs'
import { becomeWorkerd } from './workerd.mjs'

async function start() {
  const build = existingBuild()
  if (build === undefined) fail('There is no build, or it cannot be read. Run npm run build:server first.')
  const port = await wantedPort('the service')
  keepPrivate(STATE_DIR)
  process.env.DOCTORDAY_SECRET = secretOf(STATE_DIR)
  await migrate(STATE_DIR)
  becomeWorkerd({ build, state: STATE_DIR, host: process.env.HOST || '127.0.0.1', port })
}

await start().catch((error) => fail(error.message))
