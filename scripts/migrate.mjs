// Applies the migrations that a local state lacks: `node scripts/migrate.mjs STATE_DIR`. `npm run serve` and
// `npm run admin-key` may start at once: the second waits, or each would fail at what the other has created.
// Needs the packaged Node; database.mjs starts it.
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { lacksMigrations, local } from './database.mjs'
import { keepPrivate } from './private.mjs'
import { runWrangler } from './wrangler.mjs'

/** Far longer than all migrations of a large state take. */
const WAIT_MS_MAX = 600_000

const [stateDir] = process.argv.slice(2)

keepPrivate(stateDir)
const turn = new DatabaseSync(join(stateDir, 'migrations.sqlite'), { timeout: WAIT_MS_MAX })
turn.exec('BEGIN EXCLUSIVE')
if (await lacksMigrations(stateDir))
  await runWrangler(['d1', 'migrations', 'apply', 'DB', ...local(stateDir)])
turn.close()
