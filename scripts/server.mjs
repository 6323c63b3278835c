// The service in one process group: the bundled Worker in workerd on its own socket, with D1, KV, queues and
// objects on disk. Needs the packaged Node; `serveWorker` in worker.mjs starts it.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { unstable_getMiniflareWorkerOptions as optionsOf } from 'wrangler'
import { lock } from './lock.mjs'
import { ROOT } from './root.mjs'

// wrangler's own copy has the simulators that `npm start` runs, so that both can read the same state.
const { Miniflare, convertV4MiniflareOptions } = createRequire(import.meta.resolve('wrangler'))('miniflare')

const { values } = parseArgs({
  options: {
    config: { type: 'string' },
    bundle: { type: 'string' },
    state: { type: 'string' },
    host: { type: 'string' },
    port: { type: 'string' },
  },
})

if (!lock(values.state)) {
  console.error(`Another service uses ${values.state}.`)
  process.exit(1)
}

const { workerOptions, externalWorkers } = optionsOf(join(ROOT, values.config))

/** All objects and D1 share one thread here, so the largest lots are the fastest. */
const ON_ONE_MACHINE = { RECORDER_LANES: '1' }

/** The environment overrides what wrangler.toml sets under [vars], and has the secret. */
const bindings = Object.fromEntries(
  Object.entries({ ...workerOptions.bindings, ...ON_ONE_MACHINE, DOCTORDAY_SECRET: '' }).map(
    ([name, value]) => [name, process.env[name] ?? value],
  ),
)

/**
 * For a Worker with assets, miniflare puts two Workers of its own before the default entrypoint, to choose
 * between assets and Worker. Ours answers every request itself (`run_worker_first`): the socket skips them.
 */
const ENTRYPOINT = 'direct'
const MAIN = `
  import worker from './index.js'
  export * from './index.js'
  export { worker as default, worker as ${ENTRYPOINT} }
`

const worker = {
  ...workerOptions,
  bindings,
  name: workerOptions.name ?? 'doctorday',
  modulesRoot: values.bundle,
  modules: [
    { type: 'ESModule', path: join(values.bundle, 'main.js'), contents: MAIN },
    { type: 'ESModule', path: join(values.bundle, 'index.js') },
  ],
  unsafeDirectSockets: [{ host: values.host, port: Number(values.port), entrypoint: ENTRYPOINT }],
}

// A long upload makes mostly garbage, and V8 collects it only after the first 32 MB. Collected early and in
// small steps it takes a third of the memory. With less than 8 MB for young objects a page of 1,000 records takes
// twice as long: bench/tried.md.
process.env.MINIFLARE_WORKERD_V8_FLAGS ??=
  '--initial-old-space-size=4 --heap-growing-percent=20 --max-semi-space-size=8'

/**
 * Prints the Worker's log lines unchanged: miniflare would colour the lines of stderr. Those that arrive
 * together leave in one write, because workerd waits until its lines are read.
 */
function writeLine({ level, message }) {
  const lines = unwritten[level === 'error' || level === 'warn' ? 'stderr' : 'stdout']
  if (lines.push(message) === 1) setImmediate(writeLines)
}

const unwritten = { stdout: [], stderr: [] }

function writeLines() {
  for (const [name, lines] of Object.entries(unwritten))
    if (lines.length > 0) process[name].write(`${lines.splice(0).join('\n')}\n`)
}
process.once('exit', writeLines)

/**
 * A Worker that only miniflare's own socket reaches. The KV simulator keeps an expired entry until it is read, or
 * until the keys are listed.
 *
 * `miniflare.getKVNamespace` would do the same, but it waits synchronously for workerd, while workerd waits for
 * this process to read its log lines: under load neither would ever answer again.
 */
const sweeper = {
  name: 'sweeper',
  modules: true,
  script: `export default { async fetch(_, env) { await env.REPLIES.list({ limit: 1 }); return new Response() } }`,
  compatibilityDate: workerOptions.compatibilityDate,
  kvNamespaces: workerOptions.kvNamespaces,
}

const miniflare = new Miniflare(
  convertV4MiniflareOptions({
    resourcePersistencePath: join(values.state, 'v3'),
    // The first one gets what `dispatchFetch` sends.
    workers: [sweeper, worker, ...externalWorkers],
    handleStructuredLogs: writeLine,
  }),
)

/** Ends workerd. The next start finishes the work in flight, as after a power cut. */
const stop = () => miniflare.dispose().finally(() => process.exit(0))
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, stop)

await miniflare.ready

const SWEEP_EVERY_MS = 3_600_000
const SWEEP_MS_MAX = 60_000

/** Deletes the expired replies. KV only saves work, so a failure is tried again with the next sweep. */
async function sweep() {
  try {
    const { ok, status } = await miniflare.dispatchFetch('http://sweeper/', {
      signal: AbortSignal.timeout(SWEEP_MS_MAX),
    })
    if (!ok) throw Object.assign(new Error(), { name: `HTTP ${status}` })
  } catch ({ name }) {
    writeLine({ level: 'error', message: JSON.stringify({ event: 'replies_not_swept', error: name }) })
  }
}
await sweep()
setInterval(sweep, SWEEP_EVERY_MS).unref()
