// `npm run restore`: a state from the file of a backup.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { readPositionals } from '../command-line.mjs'
import { STATE_DIR } from '../database.mjs'
import { lock } from '../lock.mjs'
import { keepPrivate } from '../private.mjs'
import { fail } from '../ready.mjs'
import { secretMark, secretOf } from '../secret.mjs'
import { readArchive } from './archive.mjs'

const USAGE = `npm run restore -- FILE [--replace]

Makes the state of STATE_DIR from a file of \`npm run backup\`. No service may run on the folder. A state that is there
already is refused, or with --replace kept beside the new one, in STATE_DIR/replaced-…

  STATE_DIR         the folder of the data (.wrangler/state), in the environment
  DOCTORDAY_SECRET  the secret of the deployment that made the backup, if no file beside STATE_DIR has it`

const [PARTS, HERE] = ['v3', '.restoring']

/** A file that is no database of a state. */
const LOG = '-wal'

async function restore() {
  const [[file], { replace }] = readPositionals(USAGE, 1, { replace: { type: 'boolean' } })
  keepPrivate(STATE_DIR)
  if (!lock(STATE_DIR)) throw new Error(`A service runs on ${STATE_DIR}. Stop it first.`)
  const present = join(STATE_DIR, PARTS)
  if (existsSync(present) && !replace)
    throw new Error(`${STATE_DIR} has a state. Choose another STATE_DIR, or keep it aside with --replace.`)
  const folder = join(STATE_DIR, HERE)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { mode: 0o700 })
  const facts = await readArchive(resolve(file), folder)
  if (facts.secret !== secretMark(secretOf(STATE_DIR)))
    throw new Error(
      'The backup belongs to another secret. Set DOCTORDAY_SECRET to the secret of its deployment.',
    )
  for (const path of databasesIn(folder)) checkDatabase(path)
  takeOver(folder, present)
  console.log(`${STATE_DIR} is as it was at ${facts.created_at}. Start the service: npm run serve`)
}

/** Each step is one rename. A restore that is interrupted between them leaves no half of a state, and a mark. */
function takeOver(folder, present) {
  const mark = join(STATE_DIR, 'restoring')
  writeFileSync(mark, 'A restore was interrupted. Call npm run restore again.\n')
  if (existsSync(present)) {
    const aside = join(STATE_DIR, `replaced-${new Date().toISOString().replaceAll(':', '')}`)
    mkdirSync(aside)
    renameSync(present, join(aside, PARTS))
  }
  renameSync(join(folder, PARTS), present)
  rmSync(folder, { recursive: true, force: true })
  rmSync(mark)
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
    throw new Error(`The backup holds a damaged database, ${path}: ${error.message}`)
  } finally {
    database.close()
  }
}

await restore().then(
  () => process.exit(0),
  (error) => fail(`Nothing was restored: ${error.message}`),
)
