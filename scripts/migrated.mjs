// Exits with 0 if the D1 database of a local state has every migration: then wrangler, which takes seconds to find
// the same, need not be asked. Needs the packaged Node; database.mjs starts it.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { ROOT } from './root.mjs'

const FOLDER = join(process.argv[2], 'v3', 'd1', 'miniflare-D1DatabaseObject')

/** miniflare's own file. It holds no table of ours. */
const NO_DATABASE = 'metadata.sqlite'

function appliedMigrations() {
  if (!existsSync(FOLDER)) return []
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.sqlite') && name !== NO_DATABASE)
  if (files.length !== 1) return []
  const database = new DatabaseSync(join(FOLDER, files[0]), { readOnly: true })
  try {
    return database.prepare('SELECT name FROM d1_migrations').all()
  } catch {
    // A database without that table has no migration yet.
    return []
  } finally {
    database.close()
  }
}

const applied = new Set(appliedMigrations().map(({ name }) => name))
const wanted = readdirSync(join(ROOT, 'migrations')).filter((name) => name.endsWith('.sql'))
process.exitCode = wanted.length > 0 && wanted.every((name) => applied.has(name)) ? 0 : 1
