// `npm run backup`: a copy of all records in one file, while the service runs or while it does not.
import { accessSync, constants, existsSync, rmSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { readPositionals } from '../command-line.mjs'
import { STATE_DIR } from '../database.mjs'
import { hasLocal } from '../local-database.mjs'
import { lockFile, lockForWork, servingProcess } from '../lock.mjs'
import { keepPrivate } from '../private.mjs'
import { fail } from '../ready.mjs'
import { existingSecret, marksOf, secretOf } from '../secret.mjs'
import { writeArchive } from './archive.mjs'
import { whileFrozen } from './freeze.mjs'
import { takeSnapshot } from './snapshot.mjs'

const USAGE = `npm run backup -- FILE

Writes all records of STATE_DIR to FILE, a tar archive. The service may run: it stands still while small files are
copied, for less than a second in most clinics, and everything that it had answered before is in the file. Without
the secret of the deployment, which is not in it, the file cannot be served: keep both, apart from each other.

  STATE_DIR         the folder of the data (.wrangler/state), in the environment
  DOCTORDAY_SECRET  the secret of the deployment, if no file beside STATE_DIR has it`

/** Lies inside the state: on the same disk a copy may share its blocks with the file. */
const SNAPSHOT = join(STATE_DIR, '.snapshot')

async function backup() {
  const [[given]] = readPositionals(USAGE, 1)
  const file = resolve(given)
  requireTarget(file)
  if (!hasLocal(STATE_DIR))
    throw new Error(`${STATE_DIR} holds no state. Set STATE_DIR to the folder of the data.`)
  const secret = existingSecret(STATE_DIR)
  if (secret === undefined) throw new Error('The secret of the deployment is nowhere. Set DOCTORDAY_SECRET.')
  secretOf(STATE_DIR)
  keepPrivate()
  // Two would let the service go on while the other still copies.
  if (!lockFile(join(STATE_DIR, 'backup.sqlite')))
    throw new Error('Another backup is under way. Wait for its end.')
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1))
  process.once('exit', removeSnapshot)
  // Left by a command that was killed.
  removeSnapshot()
  const startedAt = new Date().toISOString()
  await takeSnapshot(STATE_DIR, SNAPSHOT, await frozen())
  const facts = { created_at: startedAt, secrets: marksOf(secret) }
  const { files, bytes } = await writeArchive(SNAPSHOT, facts, file)
  console.log(`${given} holds ${files} files, ${bytes} bytes, of ${STATE_DIR} as it was after ${startedAt}.`)
}

/** Told before anything is copied. A device would be replaced by the file. */
function requireTarget(file) {
  if (!existsSync(dirname(file))) throw new Error(`${dirname(file)} is no folder. Make it first.`)
  accessSync(dirname(file), constants.W_OK)
  if (existsSync(file) && !statSync(file).isFile()) throw new Error(`${file} is no regular file.`)
}

/** How nothing is written for an instant: the service stands still, or this command has its lock. */
async function frozen() {
  const pid = servingProcess(STATE_DIR)
  if (pid !== undefined) return (copy) => whileFrozen(pid, copy)
  if (!(await lockForWork(STATE_DIR)))
    throw new Error(`${STATE_DIR} is in use by npm start, or by a service that starts. Stop it first.`)
  return (copy) => copy()
}

const removeSnapshot = () => rmSync(SNAPSHOT, { recursive: true, force: true })

await backup().then(
  () => process.exit(0),
  (error) => fail(`The backup was not made: ${error.message}`),
)
