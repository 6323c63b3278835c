import { accessSync, chmodSync, constants, mkdirSync } from 'node:fs'
import { fail } from './ready.mjs'

const OWN_USER_ONLY = 0o077

/**
 * The state has names, phones and results: what this process and its children write from now on, only its
 * user can read. Call it after `ready()`, because an installation may be for other users too.
 */
export function keepPrivate(stateDir) {
  process.umask(OWN_USER_ONLY)
  if (stateDir === undefined) return
  requireWritable(stateDir)
  try {
    // A state of an older version has files that others could read: the folder closes them.
    chmodSync(stateDir, 0o700)
  } catch (error) {
    // Another user owns the folder and decides.
    if (error.code !== 'EPERM') throw error
  }
}

function requireWritable(stateDir) {
  try {
    mkdirSync(stateDir, { recursive: true })
    accessSync(stateDir, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    fail(
      `STATE_DIR must be a folder that this user can write to; ${stateDir} is not (${error.code}). \
Change its owner, or set STATE_DIR to another folder.`,
    )
  }
}

/** Starts a process that writes state. */
export function privately(spawn) {
  const before = process.umask(OWN_USER_ONLY)
  try {
    return spawn()
  } finally {
    process.umask(before)
  }
}
