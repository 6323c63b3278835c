// The KV of `npm run serve` is ours: this test holds it against Cloudflare's simulator.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { chanceOf } from '../../bench/torture/chance.mjs'
import { rounds } from '../../scripts/rounds.mjs'
import { waitUntil } from '../../scripts/worker.mjs'
import { served, simulated } from './own.mjs'

const REQUESTS = rounds(600, 3_000)
const SWEPT_WITHIN_MS = 20_000
const FOLDER = join('v3', 'kv', 'doctorday-KvNamespaceObject')

test(`KV on one machine answers ${REQUESTS} random requests as the simulator does`, async (t) => {
  const ours = await served(t, 'entries')
  const theirs = await simulated(t, 'entries', { kvNamespaces: { KV: 'entries' } })
  const request = requestsOf(chanceOf(1, 'entries'))
  for (let sent = 0; sent < REQUESTS; sent += 1) {
    const asked = request()
    const answers = await Promise.all([ours.ask(asked), theirs(asked)])
    assert.deepEqual(...answers.map(JSON.parse), JSON.stringify(asked).slice(0, 500))
  }
})

test('an entry that has expired is not found, and is deleted by itself', async (t) => {
  const kv = await served(t, 'entries')
  for (const key of ['short', 'long'])
    await kv.ask({ way: 'put', key, value: 'x', options: { expirationTtl: key === 'short' ? 60 : 86_400 } })
  await kv.ask({ way: 'put', key: 'for ever', value: 'x' })
  await kv.kill9()
  // The hour that the sweep waits, and the minute of the entry, have passed.
  const folder = join(kv.stateDir, FOLDER)
  const file = readdirSync(folder).find((name) => /^[0-9a-f]{64}\.sqlite$/.test(name))
  on(join(folder, file), (db) => db.exec(`UPDATE entries SET expires_at = 1 WHERE key = 'short'`))
  await kv.start()
  assert.deepEqual(JSON.parse(await kv.ask({ way: 'get', key: 'short' })), { answer: null })
  await kv.kill9()
  on(join(folder, 'metadata.sqlite'), (db) => db.exec('UPDATE _cf_ALARM SET scheduled_time = 1'))
  on(join(folder, file), (db) => db.exec('UPDATE _cf_METADATA SET value = 1 WHERE key = 1'))
  await kv.start()
  const left = () => on(join(folder, file), (db) => db.prepare('SELECT key FROM entries ORDER BY key').all())
  await waitUntil(() => left().length === 2, SWEPT_WITHIN_MS, 'the sweep')
  assert.deepEqual(
    left().map(({ key }) => key),
    ['for ever', 'long'],
  )
})

test('what KV has acknowledged survives kill -9, and values of many megabytes come back whole', async (t) => {
  const kv = await served(t, 'entries')
  const size = { key: 'large', value: 'ü', times: 4_000_000 }
  assert.deepEqual(JSON.parse(await kv.ask({ way: 'put', ...size })), { answer: null })
  await Promise.all(
    Array.from({ length: 50 }, (_, n) => kv.ask({ way: 'put', key: `k${n}`, value: `v${n}` })),
  )
  await kv.kill9()
  await kv.start()
  assert.deepEqual(JSON.parse(await kv.ask({ way: 'size', key: 'large' })), { answer: 8_000_000 })
  for (let n = 0; n < 50; n += 1)
    assert.deepEqual(JSON.parse(await kv.ask({ way: 'get', key: `k${n}` })), { answer: `v${n}` })
  await kv.ask({ way: 'put', key: 'large', value: 'small' })
  assert.deepEqual(JSON.parse(await kv.ask({ way: 'get', key: 'large' })), { answer: 'small' })
})

function on(path, work) {
  const database = new DatabaseSync(path, { timeout: 5_000 })
  try {
    return work(database)
  } finally {
    database.close()
  }
}

/** Right and wrong requests. No time to live is so short that an entry could expire on one side only. */
function requestsOf({ pick, below }) {
  const key = () =>
    pick([`k${below(12)}`, 'a/b', 'ü', '😀', 'sp ace', '%41', '?q=1#x', '"', 'z'.repeat(512), ...WRONG_KEYS])
  const value = () => pick(['', 'text', '{"a":[1]}', 'not json {', 'ü'.repeat(1_000)])
  const options = () =>
    pick([
      undefined,
      { expirationTtl: pick([60, 3_600, 59, 0, -1]) },
      { expiration: pick([1, 32_503_680_000]) },
      { metadata: pick([{ a: 1 }, null, 'x'.repeat(1_022), 'x'.repeat(1_023)]) },
    ])
  const wanted = [
    () => ({ way: 'put', key: key(), value: value(), options: options() }),
    () => ({ way: 'get', key: key(), type: pick(['text', 'json', undefined]) }),
    () => ({ way: 'getWithMetadata', key: key() }),
    () => ({ way: 'getMany', keys: [key(), key(), 'k1'], type: pick(['text', 'json']) }),
    () => ({ way: 'getMany', keys: Array.from({ length: pick([100, 101]) }, (_, n) => `k${n}`) }),
    () => ({ way: 'delete', key: key() }),
    () => ({
      way: 'list',
      options: { prefix: pick(['', 'k', 'k1', '\u{1F600}', 'none']), limit: pick([1, 5, 1_000]) },
    }),
    () => ({ way: 'list', options: { limit: pick([0, 1_001, -1]) } }),
    () => ({ way: 'listAll', options: { prefix: pick(['', 'k']), limit: pick([2, 3, 100]) } }),
    () => ({ way: 'size', key: key() }),
  ]
  return () => withoutTimes(pick(wanted)())
}

const WRONG_KEYS = ['', '.', '..', 'z'.repeat(513)]

/** Expiry in seconds from now may differ by one between two services. */
const withoutTimes = (asked) =>
  asked.way === 'put' && asked.options?.expirationTtl >= 60
    ? { ...asked, options: { expiration: 32_503_680_000 } }
    : asked
