// Lets one service at a time use a state folder. The kernel holds the locks and frees them when their process ends,
// however it ends: no file is left that says a dead process still runs. Needs the packaged Node. Started by itself
// with a folder, it exits with IN_USE if a service has the lock, and prints its process: database.mjs asks.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isMain } from './root.mjs'

const IN_USE = 2

/** The code of SQLite for a lock that another process has. */
const SQLITE_BUSY = 5

/** The exit code of flock(1) for a lock that another process has. */
const LOCKED = 75

/** Kept for as long as the process lives: a database that is collected would be closed, and free. */
const held = []

/**
 * Returns whether this process has the state for itself now. Node can lock a file only through SQLite. workerd
 * has another lock: flock(1) takes it before it becomes workerd.
 */
export function lock(stateDir) {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 })
  return lockFile(join(stateDir, 'lock.sqlite')) && !isServed(stateDir)
}

/** As `lock`, and keeps workerd's lock too, so that no service that is about to start can take it meanwhile. */
export async function lockForWork(stateDir) {
  if (!lock(stateDir)) return false
  const flock = flockProgram()
  if (!flock) return true
  // `cat` ends with this process, whose pipe it reads.
  const holder = spawn(flock, ['--nonblock', ...CODE, '--no-fork', workerdLock(stateDir), 'cat'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  holder.stdin.on('error', () => {})
  holder.stdin.write('locked')
  const isLocked = await Promise.race([
    once(holder.stdout, 'data').then(() => true),
    once(holder, 'exit').then(() => false),
  ])
  for (const each of [holder, holder.stdin, holder.stdout]) each.unref?.()
  return isLocked
}

/** Returns whether this process has an empty file of its own for itself now, until it ends. */
export function lockFile(path) {
  const database = new DatabaseSync(path)
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (error.errcode === SQLITE_BUSY) return false
    throw error
  }
  held.push(database)
  return true
}

/**
 * Turns this process into a command that has the state for itself for as long as it lives. Where the machine has no
 * flock(1), the command becomes a child of this process, which keeps its own lock.
 */
export function becomeHolder(stateDir, env, command) {
  const flock = flockProgram()
  // Whoever asks whether the state is served has the lock for an instant.
  if (flock)
    process.execve(
      flock,
      [flock, '--wait', '1', ...CODE, '--no-fork', workerdLock(stateDir), ...command],
      env,
    )
  const [program, ...args] = command
  const child = spawn(program, args, { env, stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.once('exit', (code, signal) => process.exit(code ?? (signal === 'SIGTERM' ? 0 : 1)))
}

/** Whether a process that `becomeHolder` has made is there. */
function isServed(stateDir) {
  const flock = flockProgram()
  if (!flock || !existsSync(workerdLock(stateDir))) return false
  const options = ['--nonblock', '--shared', ...CODE, workerdLock(stateDir)]
  return spawnSync(flock, [...options, 'true']).status === LOCKED
}

/** The process that serves the state, as the kernel knows it, or undefined. */
export function servingProcess(stateDir) {
  if (!isServed(stateDir)) return undefined
  const file = statSync(workerdLock(stateDir))
  const found = readFileSync('/proc/locks', 'utf8')
    .split('\n')
    .map((line) => /: FLOCK +\w+ +WRITE +(\d+) /.exec(line)?.[1])
    .find((pid) => pid !== undefined && hasOpen(pid, file))
  if (found === undefined) throw new Error(`The process that serves ${stateDir} cannot be found`)
  return Number(found)
}

/** As `servingProcess`; undefined also where it is another user's, whose files cannot be seen. */
function knownProcess(stateDir) {
  try {
    return servingProcess(stateDir)
  } catch {
    return undefined
  }
}

/** Whether a process has a file open. */
function hasOpen(pid, { dev, ino }) {
  const folder = join('/proc', pid, 'fd')
  try {
    return readdirSync(folder).some((name) => {
      const open = statSync(join(folder, name), { throwIfNoEntry: false })
      return open?.dev === dev && open.ino === ino
    })
  } catch {
    return false // It has ended, or is another user's.
  }
}

const CODE = ['--conflict-exit-code', String(LOCKED)]
const workerdLock = (stateDir) => join(stateDir, 'workerd.lock')

/** That of util-linux; others cannot become the command that they start. */
function flockProgram() {
  const found = (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'flock'))
    .find((path) => existsSync(path))
  return found && /util-linux/.test(spawnSync(found, ['--version']).stdout) ? found : undefined
}

if (isMain(import.meta.url) && !lock(process.argv[2])) {
  console.log(knownProcess(process.argv[2]) ?? '')
  process.exitCode = IN_USE
}
