import { createHash } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** A folder of this user, outside of any checkout. */
const folder = () =>
  join(process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'doctorday', 'imports')

/** The facts cannot be read from their digest. */
export const digestOf = (...facts) => createHash('sha256').update(JSON.stringify(facts)).digest('hex')

/**
 * Remembers the job of each file. The service remembers an Idempotency-Key for five minutes; a command that
 * runs again the next day finds its job here. Stores job ids only.
 */
export function knownImport(...facts) {
  const file = join(folder(), digestOf(...facts))
  return {
    /** The id of the job, or null. */
    job: () =>
      readFile(file, 'utf8').then(
        (text) => text.trim() || null,
        () => null,
      ),
    async remember(job) {
      await mkdir(folder(), { recursive: true, mode: 0o700 })
      await writeFile(file, `${job}\n`, { mode: 0o600 })
    },
    forget: () => rm(file, { force: true }),
  }
}
