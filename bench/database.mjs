import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

const FOLDER = join('v3', 'd1', 'miniflare-D1DatabaseObject')
const NO_DATABASE = 'metadata.sqlite'

/**
 * Runs statements on the migrated D1 database of a state that no server uses. wrangler would take seconds to
 * start for each call, and its simulator a minute for a million rows.
 */
export function fill(stateDir, statements) {
  const folder = join(stateDir, FOLDER)
  const [file] = readdirSync(folder).filter((name) => name.endsWith('.sqlite') && name !== NO_DATABASE)
  if (!file) throw new Error(`There is no database in ${folder}`)
  const database = new DatabaseSync(join(folder, file))
  try {
    database.exec(`BEGIN; ${statements}; COMMIT`)
  } finally {
    database.close()
  }
}
