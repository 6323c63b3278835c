// A Worker of a test as `npm run serve` would serve it, beside the same Worker in Cloudflare's simulator.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../scripts/port.mjs'
import { ROOT } from '../../scripts/root.mjs'
import { buildServer } from '../../scripts/server/build.mjs'
import { serveWorker } from '../../scripts/worker.mjs'

const { Miniflare, convertV4MiniflareOptions } = createRequire(import.meta.resolve('wrangler'))('miniflare')

const WORKERS = join('test', 'e2e', 'workers')

/** `settings` are the environment's. The state is new, and goes with the test. */
export async function served(t, name, settings = {}) {
  const stateDir = mkdtempSync(join(tmpdir(), `doctorday-${name}-`))
  const source = join(WORKERS, name)
  const config = join(source, 'wrangler.toml')
  const build = await buildServer(join('e2e', name), { source: join(ROOT, source), config })
  let server
  const start = async () => {
    server = serveWorker({ port: await freePort(), stateDir, build, settings })
    await server.answers('/')
  }
  t.after(async () => {
    await server.stop()
    rmSync(stateDir, { recursive: true, force: true })
  })
  await start()
  return {
    stateDir,
    start,
    kill9: () => server.kill9(),
    printed: () => server.printed(),
    get: async (headers) => (await fetch(server.url, { headers })).json(),
    /** What the Worker answers to this as JSON. */
    ask: async (asked) => (await fetch(server.url, post(asked))).text(),
  }
}

/** `bindings` as Miniflare's options name them. */
export async function simulated(t, name, bindings) {
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script: readFileSync(join(ROOT, WORKERS, name, 'index.js'), 'utf8'),
      compatibilityDate: '2026-08-22',
      ...bindings,
    }),
  )
  t.after(() => miniflare.dispose())
  await miniflare.ready
  return async (asked) => (await miniflare.dispatchFetch('http://simulator/', post(asked))).text()
}

const post = (asked) => ({ method: 'POST', body: JSON.stringify(asked) })
