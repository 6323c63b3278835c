import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ROOT } from './root.mjs'
import { spawnNode, spawnWrangler } from './wrangler.mjs'

const HOST = '127.0.0.1'
const HEALTHY_WITHIN_MS = 60_000
const ANSWERS_WITHIN_MS = 10_000
const STOPPED_WITHIN_MS = 5_000
const CLOSED_WITHIN_MS = 10_000
const POLL_MS = 50

/** What wrangler prints is held back until `show`; only its end is kept. */
const HELD_CHUNKS_MAX = 200

/**
 * `wrangler dev`: rebuilds at each change of the code, with a proxy in front that costs more than we do.
 * `settings` stand before what wrangler.toml says under [vars].
 */
export const startWorker = ({ port, stateDir, settings = {} }) =>
  watch('wrangler dev', port, (options) => {
    const where = ['--ip', HOST, '--port', String(port), '--inspector-port', '0', '--persist-to', stateDir]
    const vars = Object.entries(settings).flatMap(([name, value]) => ['--var', `${name}:${value}`])
    return spawnWrangler(['dev', ...where, '--show-interactive-dev-session=false', ...vars], options)
  })

/**
 * The bundled Worker on a socket of its own, without wrangler: for load, and for whoever hosts it themselves.
 * `settings` stand before what the configuration says under [vars].
 */
export const serveWorker = ({
  port,
  stateDir,
  host = HOST,
  bundle,
  config = 'wrangler.toml',
  settings = {},
}) =>
  watch('The server', port, (options) => {
    const where = ['--state', stateDir, '--host', host, '--port', String(port)]
    const what = ['--bundle', bundle, '--config', config]
    const env = { ...process.env, ...settings }
    return spawnNode([join(ROOT, 'scripts', 'server.mjs'), ...where, ...what], { ...options, env })
  })

/** Runs in a process group of its own: the workerd that it starts would outlive it and keep the port. */
function watch(name, port, spawn) {
  const child = spawn({ detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const output = holdBack(child)
  const exited = once(child, 'exit').catch(() => [])
  const kill = (signal) => {
    try {
      process.kill(-child.pid, signal)
    } catch {
      // The group is gone already.
    }
  }
  const closed = () =>
    waitUntil(async () => !(await isListening(port)), CLOSED_WITHIN_MS, 'the port to close')
  return {
    name,
    url: `http://${HOST}:${port}`,
    pid: child.pid,
    exited,
    show: output.show,
    /** The end of what it has printed so far. */
    printed: output.held,
    /** Waits until `path` answers 200. Throws with what wrangler printed where it ends or takes too long. */
    async answers(path = '/health') {
      const isUp = () =>
        fetch(`http://${HOST}:${port}${path}`, { signal: AbortSignal.timeout(ANSWERS_WITHIN_MS) }).then(
          ({ ok }) => ok,
          () => false,
        )
      const isOver = () => child.exitCode !== null || child.signalCode !== null
      await waitUntil(async () => isOver() || (await isUp()), HEALTHY_WITHIN_MS, path).catch((error) => {
        throw new Error(`${error.message}\n${output.held()}`)
      })
      if (isOver()) throw new Error(`${name} ended before it answered:\n${output.held()}`)
    },
    async stop() {
      kill('SIGTERM')
      await Promise.race([exited, sleep(STOPPED_WITHIN_MS, undefined, { ref: false })])
      kill('SIGKILL')
      await closed()
    },
    /** As a power cut would. */
    async kill9() {
      kill('SIGKILL')
      await exited
      await closed()
    },
  }
}

function holdBack(child) {
  let held = []
  for (const [from, to] of [
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ])
    from.on('data', (chunk) => {
      if (held) held = [...held, chunk].slice(-HELD_CHUNKS_MAX)
      else to.write(chunk)
    })
  return {
    held: () => Buffer.concat(held ?? []).toString(),
    show: () => {
      held = null
    },
  }
}

export async function waitUntil(isSo, withinMs, what) {
  const giveUpAt = Date.now() + withinMs
  while (!(await isSo())) {
    if (Date.now() > giveUpAt) throw new Error(`Waited ${withinMs / 1_000} s in vain for ${what}`)
    await sleep(POLL_MS)
  }
}

export async function isListening(port) {
  const socket = connect({ host: HOST, port })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
