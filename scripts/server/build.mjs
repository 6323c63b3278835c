// Builds what `npm run serve` starts: a folder with the bundled Worker, the Workers that stand for Cloudflare's
// bindings, and the configuration of workerd. `npm run build:server` calls it; so do tests and the bench, for
// other Workers. Needs the packaged Node.
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import {
  unstable_getMiniflareWorkerOptions as optionsOf,
  experimental_readRawConfig as readRaw,
} from 'wrangler'
import { bundle } from '../bundle.mjs'
import { isMain, ROOT } from '../root.mjs'
import { configOf, SERVICES } from './config.mjs'

/** wrangler's own, with which it bundles the Worker. */
const { build: esbuild } = createRequire(import.meta.resolve('wrangler'))('esbuild')

/** What runs in the Worker itself, of src/server/. */
const BESIDE = ['front', 'queue-consumer']

/** All objects and D1 share one thread here, so the largest lots are the fastest. */
const ON_ONE_MACHINE = { RECORDER_LANES: '1' }

/** What every Worker here is given, also one whose wrangler.toml does not name it. */
const ALWAYS = { DOCTORDAY_SECRET: '', TRUSTED_PROXIES: '' }

/**
 * A long upload makes mostly garbage, and V8 collects it only after the first 32 MB. With less than 8 MB for young
 * objects a page of 1,000 records takes twice as long: bench/tried.md.
 */
const V8_FLAGS = ['--initial-old-space-size=4', '--heap-growing-percent=20', '--max-semi-space-size=8']

/** The Worker behind its operator's proxies, and the entrypoint by which a queue reaches its consumer. */
const MAIN = `import worker from './index.js'
import { behindProxies } from './front.js'
import { consumerOf } from './queue-consumer.js'
export * from './index.js'
export default { fetch: behindProxies(worker) }
export const QueueConsumer = consumerOf(worker)
`

/**
 * Builds into .wrangler/`name` and returns that folder. `entry` replaces the configuration's own `main`;
 * `source` is a folder whose index.js needs no bundling.
 */
export async function buildServer(name, { config = 'wrangler.toml', entry, source } = {}) {
  const folder = join(ROOT, '.wrangler', name)
  rmSync(folder, { recursive: true, force: true })
  if (source === undefined) await bundle(name, { config, entry })
  else cpSync(source, folder, { recursive: true })
  const worker = workerOf(join(ROOT, config))
  await bundleServices(folder)
  writeFileSync(join(folder, 'main.js'), MAIN)
  if (worker.assets)
    cpSync(resolve(ROOT, worker.assets.directory), join(folder, 'assets'), { recursive: true })
  else mkdirSync(join(folder, 'assets'), { recursive: true })
  const modules = ['main.js', 'index.js', ...BESIDE.map((name) => `${name}.js`)]
  writeFileSync(join(folder, 'config.capnp'), configOf(worker, { modules, v8Flags: V8_FLAGS }))
  writeFileSync(join(folder, 'settings.json'), JSON.stringify(settingsOf(worker), null, 2))
  return folder
}

/** What wrangler makes of a configuration. Its variables are those under [vars], and none of .dev.vars. */
function workerOf(config) {
  const { workerOptions, rawConfig } = withSecret(() => ({ ...optionsOf(config), ...readRaw({ config }) }))
  return {
    ...workerOptions,
    name: workerOptions.name ?? 'doctorday',
    bindings: { ...pick(workerOptions.bindings ?? {}, rawConfig.vars ?? {}), ...ALWAYS },
  }
}

/** Without a secret wrangler would advise the operator to write one into a file. */
function withSecret(work) {
  const { DOCTORDAY_SECRET } = process.env
  process.env.DOCTORDAY_SECRET = 'is given when the server starts'
  try {
    return work()
  } finally {
    if (DOCTORDAY_SECRET === undefined) delete process.env.DOCTORDAY_SECRET
    else process.env.DOCTORDAY_SECRET = DOCTORDAY_SECRET
  }
}

/** The names that the Worker reads from the environment, and their values where it has none. */
const settingsOf = ({ bindings = {} }) => ({ ...bindings, ...pick(ON_ONE_MACHINE, bindings) })

const pick = (from, names) => Object.fromEntries(Object.entries(from).filter(([name]) => name in names))

const bundleServices = (folder) =>
  esbuild({
    entryPoints: [...SERVICES, ...BESIDE].map((name) => join(ROOT, 'src', 'server', `${name}.ts`)),
    outdir: folder,
    bundle: true,
    format: 'esm',
    target: 'es2024',
    external: ['cloudflare:workers'],
    logLevel: 'warning',
  })

if (isMain(import.meta.url)) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { config: { type: 'string' }, entry: { type: 'string' }, source: { type: 'string' } },
  })
  console.log(await buildServer(positionals[0] ?? 'server', values))
}
