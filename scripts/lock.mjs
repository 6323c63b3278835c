// Lets one service at a time use a state folder. The kernel holds the locks and frees them when their process ends,
// however it ends: no file is left that says a dead process still runs. Needs the packaged Node. Started by itself
// with a folder, it exits with IN_USE if a service has the lock: database.mjs asks.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isMain } from './root.mjs'

const IN_USE = 2

/** The code of SQLite for a lock that another process has. */
const SQLITE_BUSY = 5

/** The exit code of flock(1) for a lock that another process has. */
const LOCKED = 75

/** Kept for as long as the process lives: a database that is collected would be closed, and free. */
let held

/**
 * Returns whether this process has the state for itself now. Node can lock a file only through SQLite. workerd
 * has another lock: flock(1) takes it before it becomes workerd.
 */
export function lock(stateDir) {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 })
  const database = new DatabaseSync(join(stateDir, 'lock.sqlite'))
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (error.errcode === SQLITE_BUSY) return false
    throw error
  }
  held = database
  return held.isOpen && !isServed(stateDir)
}

/**
 * Turns this process into a command that has the state for itself for as long as it lives. Where the machine has no
 * flock(1), the command becomes a child of this process, which keeps its own lock.
 */
export function becomeHolder(stateDir, env, command) {
  const flock = flockProgram()
  // Whoever asks whether the state is served has the lock for an instant.
  if (flock)
    process.execve(flock, [flock, '--wait', '1', ...CODE, '--no-fork', lockFile(stateDir), ...command], env)
  const [program, ...args] = command
  const child = spawn(program, args, { env, stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.once('exit', (code, signal) => process.exit(code ?? (signal === 'SIGTERM' ? 0 : 1)))
}

/** Whether a process that `becomeHolder` has made is there. */
function isServed(stateDir) {
  const flock = flockProgram()
  if (!flock || !existsSync(lockFile(stateDir))) return false
  return spawnSync(flock, ['--nonblock', '--shared', ...CODE, lockFile(stateDir), 'true']).status === LOCKED
}

/** The process that serves the state, as the kernel knows it, or undefined. */
export function servingProcess(stateDir) {
  if (!isServed(stateDir)) return undefined
  const { ino } = statSync(lockFile(stateDir))
  const found = readFileSync('/proc/locks', 'utf8')
    .split('\n')
    .map((line) => /: FLOCK +\w+ +WRITE +(\d+) +[\da-f:]+:(\d+) /.exec(line))
    .find((match) => match?.[2] === String(ino))
  if (!found) throw new Error(`The process that serves ${stateDir} cannot be found`)
  return Number(found[1])
}

const CODE = ['--conflict-exit-code', String(LOCKED)]
const lockFile = (stateDir) => join(stateDir, 'workerd.lock')

/** That of util-linux; others cannot become the command that they start. */
function flockProgram() {
  const found = (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'flock'))
    .find((path) => existsSync(path))
  return found && /util-linux/.test(spawnSync(found, ['--version']).stdout) ? found : undefined
}

if (isMain(import.meta.url)) process.exitCode = lock(process.argv[2]) ? 0 : IN_USE
