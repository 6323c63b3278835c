import { chmodSync, mkdirSync } from 'node:fs'

const OWN_USER_ONLY = 0o077

/**
 * The state has names, phones and results: what this process and its children write from now on, only its
 * user can read. Call it after `ready()`, because an installation may be for other users too.
 */
export function keepPrivate(stateDir) {
  process.umask(OWN_USER_ONLY)
  if (stateDir === undefined) return
  mkdirSync(stateDir, { recursive: true })
  try {
    // A state of an older version has files that others could read: the folder closes them.
    chmodSync(stateDir, 0o700)
  } catch (error) {
    // Another user owns the folder and decides.
    if (error.code !== 'EPERM') throw error
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
