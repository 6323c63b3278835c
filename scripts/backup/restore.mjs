// `npm run restore`: a state from the file of a backup.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { readPositionals } from '../command-line.mjs'
import { STATE_DIR } from '../database.mjs'
import { erasuresIn } from '../erased.mjs'
import { hasLocal } from '../local-database.mjs'
import { lockForWork } from '../lock.mjs'
import { keepPrivate } from '../private.mjs'
import { fail } from '../ready.mjs'
import { existingSecret, markState, marksOf } from '../secret.mjs'
import { readArchive } from './archive.mjs'
import { listed, united } from './erasures.mjs'
import { replayErasures } from './replay.mjs'

const USAGE = `npm run restore -- FILE [--replace] [--erasures LIST]

Makes the state of STATE_DIR from a file of \`npm run backup\`. No service may run on the folder. A state that is there
already is refused, or with --replace kept beside the new one, in STATE_DIR/replaced-…

Patients who were erased after the backup are erased again before the state is used: those whom the replaced state
names, and those of LIST, a file of \`npm run erasures\`.

  STATE_DIR         the folder of the data (.wrangler/state), in the environment
  DOCTORDAY_SECRET  the secret of the deployment that made the backup, if no file beside STATE_DIR has it`

/** The part of a state that holds its records: before and after the renames, and the mark while they are made. */
const STATE = join(STATE_DIR, 'v3')
const UNPACKED = join(STATE_DIR, '.restoring')
const NEW = join(UNPACKED, 'v3')
const MARK = join(STATE_DIR, 'restoring')

const NEXT = 'Start the service with the same STATE_DIR and secret: npm run serve'

/** Not a database, but what one has not taken over yet. */
const LOG = '-wal'

async function restore() {
  const [[file], { replace, erasures }] = readPositionals(USAGE, 1, {
    replace: { type: 'boolean' },
    erasures: { type: 'string' },
  })
  const secret = existingSecret(STATE_DIR)
  if (secret === undefined) throw new Error('the secret of its deployment is nowhere. Set DOCTORDAY_SECRET.')
  const isNew = !existsSync(STATE_DIR)
  let isRestored = false
  keepPrivate(STATE_DIR)
  if (!(await lockForWork(STATE_DIR))) throw new Error(`a service runs on ${STATE_DIR}. Stop it first.`)
  if (existsSync(MARK) && existsSync(STATE)) {
    // Before the first rename, or after the last one: the state is whole.
    const isDone = !existsSync(NEW)
    rmSync(MARK)
    if (isDone) return console.log(`The restore that was interrupted is complete. ${NEXT}`)
  }
  if (existsSync(STATE) && !replace)
    throw new Error(`${STATE_DIR} has a state. Choose another STATE_DIR, or keep it aside with --replace.`)
  const isKnown = existsSync(STATE) || erasures !== undefined
  const erased = united(erasures === undefined ? [] : listed(resolve(erasures)), replacedErasures(erasures))
  rmSync(UNPACKED, { recursive: true, force: true })
  mkdirSync(UNPACKED, { mode: 0o700 })
  try {
    const facts = await readArchive(resolve(file), UNPACKED)
    if (![facts.secrets ?? facts.secret].flat().every((mark) => marksOf(secret).includes(mark)))
      throw new Error('the backup belongs to another secret. Set DOCTORDAY_SECRET to that of its deployment.')
    if (!hasLocal(UNPACKED)) throw new Error('the backup holds no database.')
    for (const path of databasesIn(UNPACKED)) checkDatabase(path)
    const replayed = await replayErasures(UNPACKED, erased, secret)
    takeOver(secret)
    isRestored = true
    const but = replayed.erased > 0 ? `, without ${replayed.erased} patients who are erased` : ''
    console.log(`${STATE_DIR} is as it was at ${facts.created_at}${but}. ${NEXT}`)
    if (replayed.left > 0) console.log(`${replayed.left} ${UNFINISHED}`)
    if (!isKnown) console.log(UNKNOWN)
  } finally {
    rmSync(isRestored || !isNew ? UNPACKED : STATE_DIR, { recursive: true, force: true })
  }
}

const UNFINISHED = `erasures are not complete, because days of these patients are damaged, or the backup has them checked
in today. Repair those days, or complete the visits; then erase the patients once more: the list of erasures names them.`

const UNKNOWN = `Patients who were erased after the backup are there again. If a list of \`npm run erasures\` exists, restore
once more with --replace --erasures LIST.`

/** A state that is replaced because it is damaged may not tell any more: then a list has to. */
function replacedErasures(list) {
  try {
    return erasuresIn(STATE_DIR)
  } catch (error) {
    if (list !== undefined) return []
    throw new Error(
      `the replaced state does not say who was erased (${error.message}). Give --erasures LIST.`,
    )
  }
}

/** Each step is one rename. While the mark is there, no service starts on what may be half of a state. */
function takeOver(secret) {
  writeFileSync(MARK, 'A restore was interrupted. Call npm run restore again.\n')
  if (existsSync(STATE)) {
    const aside = join(STATE_DIR, `replaced-${new Date().toISOString().replaceAll(':', '')}`)
    mkdirSync(aside)
    renameSync(STATE, join(aside, 'v3'))
  }
  renameSync(NEW, STATE)
  markState(STATE_DIR, secret)
  rmSync(MARK)
}

const databasesIn = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith(LOG))
    .map((entry) => join(entry.parentPath, entry.name))

/** Reads every page, and takes over what is still in the database's log. */
function checkDatabase(path) {
  const database = new DatabaseSync(path)
  try {
    const [{ integrity_check: found }] = database.prepare('PRAGMA integrity_check(1)').all()
    if (found !== 'ok') throw new Error(found)
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  } catch (error) {
    throw new Error(`the backup holds a damaged database, ${path}: ${error.message}`)
  } finally {
    database.close()
  }
}

await restore().then(
  () => process.exit(0),
  (error) => fail(`Nothing was restored: ${error.message}`),
)
