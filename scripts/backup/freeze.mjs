// Lets a running service stand still for an instant. Needs the packaged Node.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const STOPPED_WITHIN_MS = 5_000
const POLL_MS = 1

/**
 * Lets the process $1 go on as soon as this process is over, however it ends: then its standard input ends. It is
 * in a session of its own, so that a signal to this command does not end it too.
 */
const GUARD = `trap '' HUP INT TERM; cat > /dev/null; kill -CONT "$1"`

/** Stops the process, calls `work`, which must not wait, and lets the process go on. */
export async function whileFrozen(pid, work) {
  const guard = spawn('sh', ['-c', GUARD, 'sh', String(pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  await once(guard, 'spawn')
  try {
    process.kill(pid, 'SIGSTOP')
    await untilStopped(pid)
    const done = work()
    if (!isStopped(pid)) throw new Error('the service went on too early; make the backup again')
    return done
  } finally {
    process.kill(pid, 'SIGCONT')
    guard.stdin.end()
    guard.unref()
  }
}

async function untilStopped(pid) {
  for (let waitedMs = 0; !isStopped(pid); waitedMs += POLL_MS) {
    if (waitedMs > STOPPED_WITHIN_MS) throw new Error('the service did not stand still')
    await sleep(POLL_MS)
  }
}

/** A process is stopped when each of its threads is. Without /proc the signal alone has to do. */
function isStopped(pid) {
  if (process.platform !== 'linux') return true
  return /^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
}
