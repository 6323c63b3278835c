import { readLocal, writeLocal } from '../scripts/local-database.mjs'

/** Runs statements on the migrated D1 database of a state that no server uses. */
export const fill = (stateDir, statements) =>
  writeLocal(stateDir, (database) => database.exec(`BEGIN; ${statements}; COMMIT`))

/** The rows of one query. The server may be running: what it has committed is seen, and it is not held up. */
export function select(stateDir, query) {
  const rows = readLocal(stateDir, (database) => database.prepare(query).all())
  if (!rows) throw new Error(`There is no database in ${stateDir}`)
  return rows.map((row) => ({ ...row }))
}
