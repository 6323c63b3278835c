// The secret of a deployment on one machine: from the environment, or from a file that the first start makes.
import { createHmac, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

const NAME = 'DOCTORDAY_SECRET'
const BYTES = 32

/**
 * The secret that belongs to a state folder. It lies beside the folder, so that a copy of the state alone
 * proves nothing; where nothing can be written beside it, it lies inside.
 */
export const secretOf = (stateDir) => existingSecret(stateDir) ?? newSecret(placesOf(stateDir))

/** As `secretOf`; undefined where there is none yet. */
export function existingSecret(stateDir) {
  if (process.env[NAME]) return process.env[NAME]
  const written = placesOf(stateDir).find((path) => existsSync(path))
  return written && readFileSync(written, 'utf8').trim()
}

const placesOf = (stateDir) => [`${resolve(stateDir)}.secret`, join(resolve(stateDir), 'secret')]

/** The secret of a state that lasts for one run: it lies inside, so it is copied and removed with the state. */
export function secretInside(stateDir) {
  const path = join(resolve(stateDir), 'secret')
  if (!process.env[NAME] && !existsSync(path)) write(path, randomSecret())
  return secretOf(stateDir)
}

/** Tells one secret from another, and tells nothing of either: a backup is restored with the secret it belongs to. */
export const secretMark = (secret) => createHmac('sha256', secret).update('doctorday backup').digest('hex')

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
