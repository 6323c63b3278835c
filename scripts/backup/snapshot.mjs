// A copy of a state as it was at one instant. Needs the packaged Node.
import { constants, copyFileSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'

/** What a backup holds: D1, the objects with their alarms, and messages of the queue. KV only spares work. */
const FOLDERS = [join('v3', 'd1'), join('v3', 'do'), join('v3', 'queues')]

/** A database with more bytes is read through SQLite after the writers go on, all others are copied before. */
const SMALL_BYTES_MAX = 1_000_000

/** Far longer than a tick of any disk's clock. */
const CLOCK_TICK_MS = 2_000

/** SQLite makes it anew from the database and its log. */
const SHARED_MEMORY = /-shm$/
const LOG = '-wal'

/**
 * Copies a state into `folder` while a service writes to it. `frozen` calls back while no process writes: what is
 * on the disk then is what a power cut would leave, which each start of the service can read. Within it only what
 * changed since a first copy is copied again, and a transaction of SQLite keeps the large databases as they are;
 * they are copied afterwards.
 */
export async function takeSnapshot(stateDir, folder, frozen) {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const copied = new Map()
  copyChanged(stateDir, folder, copied)
  const kept = await frozen(() => {
    copyChanged(stateDir, folder, copied)
    return largeIn(stateDir).map((file) => keep(stateDir, file))
  })
  try {
    for (const { file, database } of kept) {
      mkdirSync(dirname(join(folder, file)), { recursive: true })
      await backup(database, join(folder, file))
    }
  } finally {
    for (const { database } of kept) database.close()
  }
}

/** A read transaction: SQLite keeps what it has seen until the transaction ends. */
function keep(stateDir, file) {
  const database = new DatabaseSync(join(stateDir, file), { readOnly: true })
  database.exec('BEGIN')
  database.prepare('SELECT count(*) FROM sqlite_schema').get()
  return { file, database }
}

/** Copies the small databases that are not as they were in `copied`, and removes copies of files that are gone. */
function copyChanged(stateDir, folder, copied) {
  const large = new Set(largeIn(stateDir))
  const small = filesIn(stateDir).filter((file) => !large.has(file.replace(LOG, '')))
  for (const file of small) {
    const mark = markOf(join(stateDir, file))
    if (mark === undefined || isSame(copied.get(file), mark)) continue
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    if (copy(join(stateDir, file), join(folder, file))) copied.set(file, mark)
  }
  const present = new Set(small)
  for (const file of copied.keys())
    if (!present.has(file)) {
      rmSync(join(folder, file), { force: true })
      copied.delete(file)
    }
}

/** False for a log of SQLite that has gone since its folder was read. */
function copy(from, to) {
  try {
    copyFileSync(from, to, constants.COPYFILE_FICLONE)
    return true
  } catch (error) {
    if (error.code === 'ENOENT') return false
    throw error
  }
}

const largeIn = (stateDir) =>
  filesIn(stateDir).filter((file) => file.endsWith('.sqlite') && isLarge(join(stateDir, file)))

const isLarge = (path) => (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > SMALL_BYTES_MAX

/** Changes with each write, but for a second write within the tick of the disk's clock. */
function markOf(path) {
  const found = statSync(path, { throwIfNoEntry: false })
  return found && { ino: found.ino, size: found.size, mtimeMs: found.mtimeMs, seenAt: Date.now() }
}

const isSame = (before, now) =>
  before !== undefined &&
  ['ino', 'size', 'mtimeMs'].every((name) => before[name] === now[name]) &&
  before.mtimeMs < before.seenAt - CLOCK_TICK_MS

function filesIn(stateDir) {
  return FOLDERS.flatMap((folder) => {
    const path = join(stateDir, folder)
    if (!statSync(path, { throwIfNoEntry: false })) return []
    return readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !SHARED_MEMORY.test(entry.name))
      .map((entry) => relative(stateDir, join(entry.parentPath, entry.name)))
  })
}
