// The D1 of `npm run serve` is ours: this test holds it against Cloudflare's simulator.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { chanceOf } from '../../bench/torture/chance.mjs'
import { freePort } from '../../scripts/port.mjs'
import { ROOT } from '../../scripts/root.mjs'
import { buildServer } from '../../scripts/server/build.mjs'
import { serveWorker } from '../../scripts/worker.mjs'
import { SCHEMA, statementsOf } from './statements.mjs'

const { Miniflare, convertV4MiniflareOptions } = createRequire(import.meta.resolve('wrangler'))('miniflare')

const WORKER = join('test', 'e2e', 'workers', 'statements')
const REQUESTS = 10_000
const SEED = Number(process.env.SEED ?? 1)

/** What may differ: time, and the name of the machine. */
const INCIDENTAL = ['duration', 'timings', 'served_by']

test('D1 on one machine answers 10,000 random requests as the simulator does', {
  timeout: 600_000,
}, async (t) => {
  const [ours, theirs] = await Promise.all([served(t), simulated(t)])
  const { next } = chanceOf(SEED, 'statements')
  const request = statementsOf(next)
  for (const sql of SCHEMA) await same(ours, theirs, { way: 'run', queries: [{ sql }] })
  for (let sent = 0; sent < REQUESTS; sent += 1) await same(ours, theirs, request())
})

async function same(ours, theirs, asked) {
  const [found, wanted] = await Promise.all([ours(asked), theirs(asked)])
  assert.deepEqual(found, wanted, JSON.stringify(asked).slice(0, 2_000))
}

/** The Worker of the test as `npm run serve` would serve it. */
async function served(t) {
  const stateDir = mkdtempSync(join(tmpdir(), 'doctorday-d1-'))
  const build = await buildServer(join('e2e', 'statements'), {
    source: join(ROOT, WORKER),
    config: join(WORKER, 'wrangler.toml'),
  })
  const server = serveWorker({ port: await freePort(), stateDir, build })
  t.after(async () => {
    await server.stop()
    rmSync(stateDir, { recursive: true, force: true })
  })
  await server.answers('/')
  return (asked) => ask((init) => fetch(server.url, init), asked)
}

async function simulated(t) {
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script: readFileSync(join(ROOT, WORKER, 'index.js'), 'utf8'),
      compatibilityDate: '2026-08-22',
      d1Databases: { DB: 'statements' },
    }),
  )
  t.after(() => miniflare.dispose())
  await miniflare.ready
  return (asked) => ask((init) => miniflare.dispatchFetch('http://simulator/', init), asked)
}

async function ask(send, asked) {
  const reply = await send({ method: 'POST', body: JSON.stringify(asked) })
  return JSON.parse(await reply.text(), (name, value) => (INCIDENTAL.includes(name) ? undefined : value))
}
