import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

const FOLDER = join('v3', 'd1', 'miniflare-D1DatabaseObject')
const NO_DATABASE = 'metadata.sqlite'

/** workerd holds the file for the length of one write. */
const BUSY_MS_MAX = 5_000

/**
 * Runs statements on the migrated D1 database of a state that no server uses. wrangler would take seconds to
 * start for each call, and its simulator a minute for a million rows.
 */
export const fill = (stateDir, statements) =>
  withDatabase(stateDir, (database) => database.exec(`BEGIN; ${statements}; COMMIT`))

/** The rows of one query. The server may be running: what it has committed is seen, and it is not held up. */
export const select = (stateDir, query) =>
  withDatabase(stateDir, (database) =>
    database
      .prepare(query)
      .all()
      .map((row) => ({ ...row })),
  )

function withDatabase(stateDir, work) {
  const folder = join(stateDir, FOLDER)
  const [file] = readdirSync(folder).filter((name) => name.endsWith('.sqlite') && name !== NO_DATABASE)
  if (!file) throw new Error(`There is no database in ${folder}`)
  const database = new DatabaseSync(join(folder, file), { timeout: BUSY_MS_MAX })
  try {
    return work(database)
  } finally {
    database.close()
  }
}
