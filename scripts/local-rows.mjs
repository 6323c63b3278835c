// Prints the rows of a query on the D1 database of a local state as JSON: `node scripts/local-rows.mjs STATE_DIR SQL`.
// wrangler would take seconds for the same. Needs the packaged Node; database.mjs starts it.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

const [stateDir, query] = process.argv.slice(2)
const FOLDER = join(stateDir, 'v3', 'd1', 'miniflare-D1DatabaseObject')

/** miniflare's own file. It holds no table of ours. */
const NO_DATABASE = 'metadata.sqlite'

/** The service may run, and holds the file for the length of one write. */
const BUSY_MS_MAX = 5_000

function rows() {
  if (!existsSync(FOLDER)) return []
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.sqlite') && name !== NO_DATABASE)
  if (files.length !== 1) return []
  const database = new DatabaseSync(join(FOLDER, files[0]), { readOnly: true, timeout: BUSY_MS_MAX })
  try {
    return database.prepare(query).all()
  } catch (error) {
    // A database without the table has no row yet.
    if (/^no such table/.test(error.message)) return []
    throw error
  } finally {
    database.close()
  }
}

console.log(JSON.stringify(rows()))
