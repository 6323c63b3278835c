// `npm run backup`: a copy of all records in one file, while the service runs or while it does not.
import { randomUUID } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { readPositionals } from '../command-line.mjs'
import { STATE_DIR } from '../database.mjs'
import { lock, servingProcess } from '../lock.mjs'
import { keepPrivate } from '../private.mjs'
import { fail } from '../ready.mjs'
import { secretMark, secretOf } from '../secret.mjs'
import { writeArchive } from './archive.mjs'
import { whileFrozen } from './freeze.mjs'
import { SNAPSHOTS, takeSnapshot } from './snapshot.mjs'

const USAGE = `npm run backup -- FILE

Writes all records of STATE_DIR to FILE, a tar archive. The service may run: it stands still while small files are
copied, for less than a second in most clinics, and everything that it had answered before is in the file. Without
the secret of the deployment, which is not in it, the file cannot be served: keep both, apart from each other.

  STATE_DIR  the folder of the data (.wrangler/state), in the environment`

async function backup() {
  const [[file]] = readPositionals(USAGE, 1)
  keepPrivate()
  const startedAt = new Date().toISOString()
  const folder = join(STATE_DIR, SNAPSHOTS, randomUUID())
  try {
    await takeSnapshot(STATE_DIR, folder, frozen())
    const facts = { created_at: startedAt, secret: secretMark(secretOf(STATE_DIR)) }
    mkdirSync(dirname(resolve(file)), { recursive: true })
    const { files, bytes } = await writeArchive(folder, facts, resolve(file))
    console.log(`${file} holds ${files} files, ${bytes} bytes, of ${STATE_DIR} as it was after ${startedAt}.`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** How nothing is written for an instant: the service stands still, or this command has its lock. */
function frozen() {
  const pid = servingProcess(STATE_DIR)
  if (pid !== undefined) return (copy) => whileFrozen(pid, copy)
  if (!lock(STATE_DIR)) throw new Error(`${STATE_DIR} is in use by npm start. Stop it first.`)
  // Left by a command that was killed.
  rmSync(join(STATE_DIR, SNAPSHOTS), { recursive: true, force: true })
  return (copy) => copy()
}

await backup().then(
  () => process.exit(0),
  (error) => fail(`The backup was not made: ${error.message}`),
)
