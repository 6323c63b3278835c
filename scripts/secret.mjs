// The secret of a deployment on one machine: from the environment, or from a file that the first start makes.
import { createHmac, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

const NAME = 'DOCTORDAY_SECRET'

/** As src/lib/secret.ts reads it. */
const SECRET = /^[!-+.-~-]{32,}$/
const BYTES = 32

/**
 * The secret that belongs to a state folder. It lies beside the folder, so that a copy of the state alone
 * proves nothing; where nothing can be written beside it, it lies inside. Throws where the records belong to
 * another secret: with this one each day would count as damaged.
 */
export function secretOf(stateDir) {
  const [found, mark] = [existingSecret(stateDir), markOf(stateDir)]
  if (mark !== undefined && (found === undefined || !marksOf(found).includes(mark)))
    throw new Error(
      `The records of ${stateDir} belong to ${found === undefined ? 'a secret that is nowhere' : 'another secret'}. \
Set DOCTORDAY_SECRET to the secret of their deployment. If it is lost, remove ${markPath(stateDir)}, and read \
docs/deploy.md, "The secret", first.`,
    )
  const secret = found ?? newSecret(placesOf(stateDir))
  if (mark !== marksOf(secret)[0]) markState(stateDir, secret)
  return secret
}

/** As `secretOf`; undefined where there is none yet. */
export function existingSecret(stateDir) {
  if (process.env[NAME]) return valid(process.env[NAME], NAME)
  const written = placesOf(stateDir).find((path) => existsSync(path))
  return written && valid(readFileSync(written, 'utf8').trim(), `The secret in ${written}`)
}

/** A rotation has several, with commas between them. */
function valid(setting, name) {
  if (setting.split(',').every((secret) => SECRET.test(secret.trim()))) return setting
  throw new Error(`${name} must be at least 32 visible characters without a comma.`)
}

const placesOf = (stateDir) => [`${resolve(stateDir)}.secret`, join(resolve(stateDir), 'secret')]

/** The secret of a state that lasts for one run: it lies inside, so it is copied and removed with the state. */
export function secretInside(stateDir) {
  const path = join(resolve(stateDir), 'secret')
  if (!process.env[NAME] && !existsSync(path)) write(path, randomSecret())
  return secretOf(stateDir)
}

/** Tells one secret from another, and tells nothing of either. */
const markFor = (secret) => createHmac('sha256', secret).update('doctorday backup').digest('hex')

/** Of each secret in a setting; the first one signs. */
export const marksOf = (setting) => setting.split(',').map((secret) => markFor(secret.trim()))

const markPath = (stateDir) => join(resolve(stateDir), 'secret-mark')

/** The mark of the secret that has signed the newest records of a state; undefined where it has none yet. */
function markOf(stateDir) {
  const path = markPath(stateDir)
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined
}

/** From now on the records of a state belong to this secret. */
export function markState(stateDir, secret) {
  const path = markPath(stateDir)
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  // Two commands may find a new state at once.
  const written = `${path}.${process.pid}`
  writeFileSync(written, `${marksOf(secret)[0]}\n`, { mode: 0o600 })
  renameSync(written, path)
}

const randomSecret = () => randomBytes(BYTES).toString('base64url')

function newSecret([beside, inside]) {
  const secret = randomSecret()
  try {
    write(beside, secret)
  } catch (error) {
    // Another start has written it in the meantime.
    if (error.code === 'EEXIST') return readFileSync(beside, 'utf8').trim()
    if (!['EACCES', 'EPERM', 'EROFS'].includes(error.code)) throw error
    write(inside, secret)
  }
  return secret
}

function write(path, secret) {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  writeFileSync(path, `${secret}\n`, { flag: 'wx', mode: 0o600 })
}
