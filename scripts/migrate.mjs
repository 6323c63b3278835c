// Applies the migrations that a local state lacks: `node scripts/migrate.mjs STATE_DIR`. `npm run serve` and
// `npm run admin-key` may start at once: the second waits, or each would fail at what the other has created.
// Needs the packaged Node; database.mjs starts it.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { writeLocal } from './local-database.mjs'
import { keepPrivate } from './private.mjs'
import { ROOT } from './root.mjs'

/** Far longer than all migrations of a large state take. */
const WAIT_MS_MAX = 600_000

const FOLDER = join(ROOT, 'migrations')

/** The table in which `wrangler d1 migrations apply` keeps the same. */
const APPLIED = `CREATE TABLE IF NOT EXISTS d1_migrations(
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE,
  applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)`

const [stateDir] = process.argv.slice(2)

keepPrivate(stateDir)
const turn = new DatabaseSync(join(stateDir, 'migrations.sqlite'), { timeout: WAIT_MS_MAX })
turn.exec('BEGIN EXCLUSIVE')
writeLocal(stateDir, migrate)
turn.close()

/** Each migration is one transaction, and is known as applied in the same. */
function migrate(database) {
  database.exec(APPLIED)
  const applied = new Set(
    database
      .prepare('SELECT name FROM d1_migrations')
      .all()
      .map(({ name }) => name),
  )
  const wanted = readdirSync(FOLDER).filter((name) => name.endsWith('.sql') && !applied.has(name))
  for (const name of wanted.sort()) {
    database.exec('BEGIN IMMEDIATE')
    database.exec(readFileSync(join(FOLDER, name), 'utf8'))
    database.prepare('INSERT INTO d1_migrations (name) VALUES (?)').run(name)
    database.exec('COMMIT')
  }
}
