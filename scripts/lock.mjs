// Lets one service at a time use a state folder. The lock is one of SQLite on an empty file, so the kernel frees
// it when the process ends, however it ends: no file is left that says a dead process still runs. Needs the
// packaged Node. Started by itself with a folder, it exits with IN_USE if a service has the lock: database.mjs asks.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isMain } from './root.mjs'

const IN_USE = 2

/** The code of SQLite for a lock that another process has. */
const SQLITE_BUSY = 5

/** Kept for as long as the process lives: a database that is collected would be closed, and free. */
let held

/** Returns whether this process has the lock now. */
export function lock(stateDir) {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 })
  const database = new DatabaseSync(join(stateDir, 'lock.sqlite'))
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (error.errcode === SQLITE_BUSY) return false
    throw error
  }
  held = database
  return held.isOpen
}

if (isMain(import.meta.url)) process.exitCode = lock(process.argv[2]) ? 0 : IN_USE
