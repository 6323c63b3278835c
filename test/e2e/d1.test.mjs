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
import { rounds } from '../../scripts/rounds.mjs'
import { buildServer } from '../../scripts/server/build.mjs'
import { serveWorker } from '../../scripts/worker.mjs'
import { SCHEMA, statementsOf } from './statements.mjs'

const { Miniflare, convertV4MiniflareOptions } = createRequire(import.meta.resolve('wrangler'))('miniflare')

const WORKER = join('test', 'e2e', 'workers', 'statements')
const REQUESTS = rounds(2_500, 10_000)
const SEED = Number(process.env.SEED ?? 1)

/**
 * What may differ: time, the name of the machine, and the size, because the simulator keeps a number of its own in
 * the database. That number's row is also what was inserted last where no other row was.
 */
const INCIDENTAL = ['duration', 'timings', 'served_by', 'size_after']
const INSERTS = /^\s*INSERT.* INTO (?:people|notes|words)\b/

test(`D1 on one machine answers ${REQUESTS} random requests as the simulator does`, {
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
  for (const { answer } of [found, wanted])
    for (const [index, { sql }] of asked.queries.entries()) {
      const { meta } = (asked.way === 'batch' ? answer?.[index] : answer) ?? {}
      if (meta && !(INSERTS.test(sql) && meta.changes > 0)) delete meta.last_row_id
    }
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
  const text = (await reply.text()).replace(/reference = \w+/g, 'reference = …')
  return JSON.parse(text, (name, value) => (INCIDENTAL.includes(name) ? undefined : value))
}
