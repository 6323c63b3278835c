import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../scripts/port.mjs'
import { ROOT } from '../../scripts/root.mjs'
import { waitUntil } from '../../scripts/worker.mjs'
import { metered } from '../machine.mjs'
import { kept, settled } from '../servers.mjs'
import { bareSite } from '../site.mjs'
import { seedPeer } from './rows.mjs'

const PYTHON = '/usr/bin/python3'
const HOST = '127.0.0.1'
const READY_WITHIN_MS = 30_000
const ENDS_WITHIN_MS = 1_000

/** The Debian package of each module that the peers import. */
const PACKAGES = {
  fastapi: 'python3-fastapi',
  uvicorn: 'python3-uvicorn',
  uvloop: 'python3-uvloop',
  httptools: 'python3-httptools',
  flask: 'python3-flask',
  gunicorn: 'gunicorn',
}

/** Why this peer cannot run here, or null. */
export function missingFor({ needs }) {
  const absent = needs.find((module) => !isInstalled(module))
  return absent ? `skipped: ${PACKAGES[absent]} is not installed` : null
}

const installed = new Map()
function isInstalled(module) {
  if (!installed.has(module)) installed.set(module, imports(module))
  return installed.get(module)
}

function imports(module) {
  try {
    execFileSync(PYTHON, ['-c', `import ${module}`], { stdio: 'ignore' })
    return true
  } catch {
    return false // The module, or Python itself, is not there.
  }
}

/** A service that a user would run instead, on a folder of its own in the system's temporary folder. */
export async function startPeer({ name, command, env, path, isSeeded }) {
  const [folder, port] = [mkdtempSync(join(tmpdir(), 'doctorday-peer-')), await freePort()]
  const database = join(folder, 'peer.db')
  const server = kept(launch(command(port), { ...env, DB: database, PORT: String(port) }, folder, port))
  await server.answers(path)
  if (isSeeded) seedPeer(database)
  const meter = metered(server.pid)
  const { url, stop } = server
  return { name, url, meter, settled: () => settled(meter), stop, site: bareSite(url) }
}

export const flask = () => [PYTHON, 'peer_tests_flask.py']
export const gunicorn = (app) => (port) => [
  PYTHON,
  '-m',
  'gunicorn',
  '-w',
  '2',
  '-b',
  `${HOST}:${port}`,
  '-k',
  'gthread',
  '--threads',
  '4',
  `${app}:app`,
]
export const uvicorn = (app, workers) => (port) => [
  ...[PYTHON, '-m', 'uvicorn', `${app}:app`, '--port', String(port), '--workers', String(workers)],
  '--no-access-log',
]

/** A process group of its own, because the servers start workers. */
function launch([program, ...args], settings, folder, port) {
  const log = join(folder, 'output')
  const output = openSync(log, 'w')
  const child = spawn(program, args, {
    cwd: join(ROOT, 'bench', 'peers'),
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', LOG: join(folder, 'log'), ...settings },
    stdio: ['ignore', output, output],
    detached: true,
  })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const kill = (signal) => {
    try {
      process.kill(-child.pid, signal)
    } catch {
      // The group has already ended.
    }
  }
  const url = `http://${HOST}:${port}`
  return {
    pid: child.pid,
    url,
    async answers(path) {
      const isUp = () =>
        fetch(url + path).then(
          ({ status }) => status < 500,
          () => false,
        )
      await waitUntil(isUp, READY_WITHIN_MS, `${args.join(' ')}`).catch((error) => {
        throw new Error(`${error.message}\n${readFileSync(log, 'utf8')}`)
      })
    },
    async stop() {
      kill('SIGTERM')
      await Promise.race([ended, sleep(ENDS_WITHIN_MS)])
      kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
