// The file of the local D1 database, past the service. Needs the packaged Node.
import { createHash, createHmac } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** The database_id in wrangler.toml. A deployment has one of its own; a local state never changes it. */
const DATABASE_ID = '00000000-0000-0000-0000-000000000000'
const UNIQUE_KEY = 'miniflare-D1DatabaseObject'

/** The service may run, and holds the file for the length of one write. */
const BUSY_MS_MAX = 5_000

/** workerd names the file of an object by a hash of its class's key and its own name. */
function fileName() {
  const key = createHash('sha256').update(UNIQUE_KEY).digest()
  const half = (data) => createHmac('sha256', key).update(data).digest().subarray(0, 16)
  const name = half(DATABASE_ID)
  return `${Buffer.concat([name, half(name)]).toString('hex')}.sqlite`
}

const fileOf = (stateDir) => join(stateDir, 'v3', 'd1', UNIQUE_KEY, fileName())

/** Whether a state has a database. */
export const hasLocal = (stateDir) => existsSync(fileOf(stateDir))

/** What `work` returns for the database of a state; undefined where the state has none yet. */
export function readLocal(stateDir, work) {
  if (!existsSync(fileOf(stateDir))) return undefined
  return closing(new DatabaseSync(fileOf(stateDir), { readOnly: true, timeout: BUSY_MS_MAX }), work)
}

/** What `work` returns; the database is made where the state has none yet. */
export function writeLocal(stateDir, work) {
  mkdirSync(dirname(fileOf(stateDir)), { recursive: true, mode: 0o700 })
  const database = new DatabaseSync(fileOf(stateDir), { timeout: BUSY_MS_MAX })
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
  return closing(database, work)
}

function closing(database, work) {
  try {
    return work(database)
  } finally {
    database.close()
  }
}
