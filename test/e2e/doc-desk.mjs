// Where a file of the documentation is tried: a copy of the checkout, one shell, and what it starts.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../scripts/port.mjs'
import { ROOT } from '../../scripts/root.mjs'
import { waitUntil } from '../../scripts/worker.mjs'

const COMMAND_MS_MAX = 120_000
const STARTED_WITHIN_MS = 120_000
const STOPPED_WITHIN_MS = 15_000

/** What git does not know, or what belongs to one checkout alone. */
const NOT_COPIED = ['node_modules', '.git', '.wrangler', '.assets', '.dev.vars', 'coverage']

/** What runs until it is stopped, and what it prints once it can be used. */
const SERVERS = [
  { runs: /^(\w+=\S+ )*npm (start|run serve)\b/, says: /Stop with Ctrl-C/ },
  { runs: /^npm run upstream\b/, says: /The hospital directory runs at / },
]

export const isServer = (text) => SERVERS.some(({ runs }) => runs.test(text))

/**
 * A fresh clone, unless there is more: `key` is that of the demo clinic, `stateDir` a database to begin with,
 * `port` that of a service that runs already.
 */
export async function openDesk(t, { key, stateDir, port: givenPort }) {
  const folder = mkdtempSync(join(tmpdir(), 'doctorday-docs-'))
  mkdirSync(join(folder, 'backups'))
  const checkout = copyOfCheckout(folder)
  if (key) writeFileSync(join(checkout, '.dev.vars'), `DEMO_API_KEY=${key}\n`)
  if (stateDir) cpSync(stateDir, join(folder, 'state'), { recursive: true })
  const [port, upstreamPort] = [givenPort ?? (await freePort()), await freePort()]
  const env = environment(folder, port)
  const shell = openShell(folder, { cwd: checkout, env })
  const running = new Map()
  t.after(async () => {
    await Promise.all([shell.end(), ...[...running.values()].map(interrupt)])
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })
  /** The documentation names usual ports and folders; here they are other ones. */
  const here = (text) =>
    text
      .replaceAll('/tmp/', `${folder}/`)
      .replaceAll('8787', port)
      .replaceAll('9090', upstreamPort)
      .replaceAll('/var/lib/', `${folder}/lib/`)
      .replaceAll('/var/backups', join(folder, 'backups'))
  return {
    run: (text) => shell.run(here(text)),
    /** Null once the server can be used, or what is wrong. One that runs since the first time goes on. */
    async start({ where, text }) {
      if (running.has(text)) return null
      const server = begin(here(text), { cwd: checkout, env })
      running.set(text, server)
      const { says } = SERVERS.find(({ runs }) => runs.test(text))
      const isUp = () => says.test(server.printed())
      await waitUntil(() => isUp() || server.hasEnded(), STARTED_WITHIN_MS, text).catch(() => {})
      return isUp() ? null : `${where}: it cannot be used\n\n${text}\n\n${server.printed()}`
    },
  }
}

/** The packages stay where they are. scripts/ready.mjs leaves a linked folder alone. */
function copyOfCheckout(folder) {
  const checkout = join(folder, 'checkout')
  cpSync(ROOT, checkout, { recursive: true, filter: (path) => !NOT_COPIED.includes(basename(path)) })
  symlinkSync(join(ROOT, 'node_modules'), join(checkout, 'node_modules'), 'dir')
  return checkout
}

/** A reader's own: nothing of the npm that runs this test, and not the Node that it brings along. */
const environment = (folder, port) => ({
  PATH: process.env.PATH.split(delimiter)
    .filter((path) => !path.startsWith(ROOT))
    .join(delimiter),
  HOME: process.env.HOME,
  LANG: process.env.LANG ?? 'C.UTF-8',
  XDG_STATE_HOME: join(folder, 'xdg'),
  PORT: String(port),
  STATE_DIR: join(folder, 'state'),
  DOCTORDAY_URL: `http://127.0.0.1:${port}`,
  npm_config_update_notifier: 'false',
})

/** Each curl also writes its status to stderr, from where the test reads it; a reader's .curlrc is left out. */
const PRELUDE = `
  set -uo pipefail
  curl() { command curl -q -w '%{stderr}[http %{http_code}]\\n' "$@"; }
`

/** One bash, so that what a line sets is there for the next ones. */
function openShell(folder, options) {
  const shell = spawn('bash', ['--noprofile', '--norc'], {
    ...options,
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exits = createInterface({ input: shell.stdout })[Symbol.asyncIterator]()
  const [out, err] = ['out', 'err'].map((name) => join(folder, name))
  shell.stdin.on('error', () => {})
  shell.stdin.write(PRELUDE)
  return {
    /** What a command printed, its exit code, and the statuses that its curls got. */
    async run(text) {
      shell.stdin.write(`eval ${quoted(text)} >${out} 2>${err} </dev/null; echo $?\n`)
      const ended = await Promise.race([exits.next(), sleep(COMMAND_MS_MAX, { done: true }, { ref: false })])
      const [printed, said] = [out, err].map((file) => readFileSync(file, 'utf8'))
      return {
        exit: ended.done ? 'none: it took too long, or ended the shell' : Number(ended.value),
        out: printed,
        err: said.replaceAll(/\[http \d+\]\n/g, ''),
        statuses: [...said.matchAll(/\[http (\d+)\]/g)].map(([, status]) => Number(status)),
      }
    },
    end: () => signalled(shell, 'SIGKILL'),
  }
}

const quoted = (text) => `'${text.replaceAll("'", String.raw`'\''`)}'`

function begin(text, options) {
  const child = spawn('bash', ['-c', text], { ...options, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  let printed = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (piece) => {
      printed += piece
    })
  return {
    child,
    printed: () => printed,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
  }
}

/** As Ctrl-C does: the terminal sends it to all of the command's processes. */
const interrupt = ({ child }) => signalled(child, 'SIGINT')

async function signalled(child, signal) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'close')
  process.kill(-child.pid, signal)
  const late = sleep(STOPPED_WITHIN_MS, 'late', { ref: false })
  if ((await Promise.race([ended, late])) === 'late') process.kill(-child.pid, 'SIGKILL')
}
