// What is left of erased patients in the files of a state, and who they are. Needs the packaged Node.
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { readLocal, writeLocal } from './local-database.mjs'

/** Says up to which erasure the file was rewritten. */
const markPath = (stateDir) => join(stateDir, 'erased-mark')

/** Their rowids are numbers in an index of words, or part of one. */
const NUMBERED = ['clinics', 'patients', 'hospitals']

/** Who was erased, in the order of the erasures. None where the state has no such table yet. */
export const erasuresIn = (stateDir) =>
  readLocal(stateDir, (database) =>
    hasErasures(database)
      ? database
          .prepare(
            `SELECT clinic_id, patient_id, strftime('%Y-%m-%dT%H:%M:%fZ', erased_at / 1000.0, 'unixepoch') AS erased_at
             FROM erasures WHERE state <> 'begun' ORDER BY erased_at, patient_id`,
          )
          .all()
          .map((row) => ({ ...row }))
      : [],
  ) ?? []

/**
 * A start takes over the log of each file, and the first start after an erasure writes the file of D1 anew. The
 * caller has the state for itself.
 */
export function forgetErased(stateDir, { isForced = false } = {}) {
  const mark = readLocal(stateDir, markOf)
  if (mark === undefined || (!isForced && mark === NONE)) return
  const failed = takeOverLogs(join(stateDir, 'v3'))
  if (isForced || mark !== markIn(stateDir)) rewriteD1(stateDir, mark)
  if (failed.length > 0) throw new Error(failed.join('; '))
}

/**
 * The log of a file (`-wal`) holds what was written since SQLite took it over, so also what was deleted then. SQLite
 * takes it over when the object of the file goes to rest; a process that ends before leaves it, and the object of a
 * day may never wake again. Returns which logs could not be taken over, and why.
 */
function takeOverLogs(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.sqlite-wal'))
    .flatMap((name) => takeOver(folder, name.slice(0, -LOG_ENDING.length)))
}

const LOG_ENDING = '-wal'

function takeOver(folder, name) {
  const file = join(folder, name)
  if (!existsSync(file) || statSync(`${file}${LOG_ENDING}`).size === 0) return []
  try {
    const database = new DatabaseSync(file)
    try {
      const { busy } = database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()
      return busy === 0 ? [] : [`${name} is in use`]
    } finally {
      database.close()
    }
  } catch (error) {
    return [`${name}: ${error.message}`]
  }
}

/** SQLite leaves bytes of deleted rows, and of rows that it has moved, in unused parts of its file. */
function rewriteD1(stateDir, mark) {
  writeLocal(stateDir, (database) => database.exec('PRAGMA wal_checkpoint(TRUNCATE)'))
  const file = readLocal(stateDir, (database) => database.location())
  const rewritten = `${file}.rewritten`
  rmSync(rewritten, { force: true })
  try {
    writeLocal(stateDir, (database) => rewrite(database, rewritten))
    for (const log of [`${file}-wal`, `${file}-shm`]) rmSync(log, { force: true })
    sync(rewritten)
    renameSync(rewritten, file)
    sync(dirname(file))
  } finally {
    for (const path of [rewritten, `${rewritten}-wal`, `${rewritten}-shm`]) rmSync(path, { force: true })
  }
  writeFileSync(markPath(stateDir), mark, { mode: 0o600 })
}

/** Throws where the copy is not the same in all that counts. */
function rewrite(database, copy) {
  database.prepare('VACUUM INTO ?').run(copy)
  const [{ integrity_check: found }] = checked(copy)
  if (found !== 'ok') throw new Error(`The copy of D1 is damaged: ${found}`)
  database.prepare('ATTACH ? AS copy').run(copy)
  for (const table of NUMBERED) {
    const both = [`SELECT rowid, id FROM main.${table}`, `SELECT rowid, id FROM copy.${table}`]
    for (const [one, other] of [both, both.toReversed()])
      if (database.prepare(`SELECT 1 FROM (${one} EXCEPT ${other}) LIMIT 1`).get())
        throw new Error(`The copy of D1 has other numbers for ${table}`)
  }
  database.exec('DETACH copy')
}

function checked(path) {
  const database = new DatabaseSync(path)
  try {
    database.exec('PRAGMA journal_mode = WAL')
    return database.prepare('PRAGMA integrity_check(1)').all()
  } finally {
    database.close()
  }
}

const NONE = '0 0'

const markOf = (database) => {
  if (!hasErasures(database)) return NONE
  const { all, last } = database
    .prepare(
      `SELECT count(*) AS "all", coalesce(max(erased_at), 0) AS last FROM erasures WHERE state = 'erased'`,
    )
    .get()
  return `${all} ${last}`
}

const hasErasures = (database) =>
  database.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'erasures'`).get() !== undefined

const markIn = (stateDir) =>
  existsSync(markPath(stateDir)) ? readFileSync(markPath(stateDir), 'utf8').trim() : undefined

function sync(path) {
  const file = openSync(path, 'r')
  fsyncSync(file)
  closeSync(file)
}
