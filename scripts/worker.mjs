import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { privately } from './private.mjs'
import { ROOT } from './root.mjs'
import { secretOf } from './secret.mjs'
import { spawnNode } from './wrangler.mjs'

const HOST = '127.0.0.1'
const HEALTHY_WITHIN_MS = 60_000
const ANSWERS_WITHIN_MS = 10_000
const STOPPED_WITHIN_MS = 5_000
const CLOSED_WITHIN_MS = 10_000
const POLL_MS = 50

/** Output is buffered until `show`; only the last chunks are kept. */
const BUFFERED_CHUNKS_MAX = 200

/**
 * `wrangler dev`: rebuilds after each change of the code; its proxy takes more time than the Worker.
 * `settings` override [vars] of wrangler.toml.
 */
export const startWorker = ({ port, stateDir, settings = {} }) =>
  launch('wrangler dev', { port }, (options) => {
    const where = ['--ip', HOST, '--port', String(port), '--inspector-port', '0', '--persist-to', stateDir]
    // With an explicit file, wrangler takes the required secret from the environment.
    const files = ['--env-file', '.ci/no-secrets.env']
    const vars = Object.entries(settings).flatMap(([name, value]) => ['--var', `${name}:${value}`])
    const dev = ['dev', ...where, '--show-interactive-dev-session=false', ...files, ...vars]
    const env = environmentOf(stateDir)
    return spawnNode([join(ROOT, 'scripts', 'dev.mjs'), stateDir, ...dev], { ...options, env })
  })

/**
 * The Worker on workerd alone, as clinics host it: `build` is a folder that scripts/server/build.mjs has made.
 * `settings` override what wrangler.toml has under [vars].
 */
export const serveWorker = ({ port, stateDir, host = HOST, build, settings = {} }) =>
  launch('The server', { port, host }, (options) => {
    const what = ['--build', build, '--state', stateDir, '--host', host, '--port', String(port)]
    const env = environmentOf(stateDir, settings)
    return spawnNode([join(ROOT, 'scripts', 'server', 'run.mjs'), ...what], { ...options, env })
  })

/** A command line could be read by every user of the machine; the environment cannot. */
const environmentOf = (stateDir, settings = {}) => ({
  ...process.env,
  DOCTORDAY_SECRET: settings.DOCTORDAY_SECRET ?? secretOf(stateDir),
  ...settings,
})

/** The address at which a server that listens on `host` is asked from this machine. */
const askedAt = (host) =>
  ({ '0.0.0.0': HOST, '::': '::1', '[::]': '::1' })[host] ?? host.replace(/^\[|\]$/g, '')

/** Uses a new process group: otherwise the workerd that it starts would outlive it and keep the port. */
function launch(name, { port, host = HOST }, spawn) {
  const at = askedAt(host)
  const url = `http://${at.includes(':') ? `[${at}]` : at}:${port}`
  const child = privately(() => spawn({ detached: true, stdio: ['ignore', 'pipe', 'pipe'] }))
  const output = bufferOutput(child)
  const exited = once(child, 'exit').catch(() => [])
  const kill = (signal) => {
    try {
      process.kill(-child.pid, signal)
    } catch {
      // The group has already ended.
    }
  }
  const closed = () =>
    waitUntil(async () => !(await isListening(port, at)), CLOSED_WITHIN_MS, 'the port to close')
  return {
    name,
    url,
    pid: child.pid,
    exited,
    show: output.show,
    /** The last output so far. */
    printed: output.text,
    /** Waits until `path` answers 200. If the process ends or takes too long, throws its output. */
    async answers(path = '/health') {
      const isUp = () =>
        fetch(url + path, { signal: AbortSignal.timeout(ANSWERS_WITHIN_MS) }).then(
          ({ ok }) => ok,
          () => false,
        )
      const isOver = () => child.exitCode !== null || child.signalCode !== null
      await waitUntil(async () => isOver() || (await isUp()), HEALTHY_WITHIN_MS, path).catch((error) => {
        throw new Error(`${error.message}\n${output.text()}`)
      })
      if (isOver()) throw new Error(`${name} ended before it answered:\n${output.text()}`)
    },
    async stop() {
      kill('SIGTERM')
      await Promise.race([exited, sleep(STOPPED_WITHIN_MS, undefined, { ref: false })])
      kill('SIGKILL')
      await closed()
    },
    /** Ends it like a power cut. */
    async kill9() {
      kill('SIGKILL')
      await exited
      await closed()
    },
  }
}

function bufferOutput(child) {
  let buffered = []
  for (const [from, to] of [
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ])
    from.on('data', (chunk) => {
      if (buffered) buffered = [...buffered, chunk].slice(-BUFFERED_CHUNKS_MAX)
      else to.write(chunk)
    })
  return {
    text: () => Buffer.concat(buffered ?? []).toString(),
    show: () => {
      buffered = null
    },
  }
}

export async function waitUntil(isTrue, withinMs, what) {
  const giveUpAt = Date.now() + withinMs
  while (!(await isTrue())) {
    if (Date.now() > giveUpAt) throw new Error(`Waited ${withinMs / 1_000} s without success for ${what}`)
    await sleep(POLL_MS)
  }
}

export async function isListening(port, host = HOST) {
  const socket = connect({ host: askedAt(host), port })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
