// Prints the rows of a query on the D1 database of a local state as JSON: `node scripts/local-rows.mjs STATE_DIR SQL`.
// wrangler would take seconds for the same. Needs the packaged Node; database.mjs starts it.
import { readLocal } from './local-database.mjs'

const [stateDir, query] = process.argv.slice(2)

function rows(database) {
  try {
    return database.prepare(query).all()
  } catch (error) {
    // A database without the table has no row yet.
    if (/^no such table/.test(error.message)) return []
    throw error
  }
}

console.log(JSON.stringify(readLocal(stateDir, rows) ?? []))
