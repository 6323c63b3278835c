// The D1 of `npm run serve` is ours: this test holds it against Cloudflare's simulator.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chanceOf } from '../../bench/torture/chance.mjs'
import { rounds } from '../../scripts/rounds.mjs'
import { served, simulated } from './own.mjs'
import { SCHEMA, statementsOf } from './statements.mjs'

const REQUESTS = rounds(2_500, 10_000)
const SEED = Number(process.env.SEED ?? 1)

/**
 * What may differ: time, the name of the machine, and the size, because the simulator keeps a number of its own in
 * the database. That number's row is also what was inserted last where no other row was.
 */
const INCIDENTAL = ['duration', 'timings', 'served_by', 'size_after']
const INSERTS = /^\s*INSERT.* INTO (?:people|notes|words)\b/

test(`D1 on one machine answers ${REQUESTS} random requests as the simulator does`, async (t) => {
  const ours = await served(t, 'statements')
  const theirs = await simulated(t, 'statements', { d1Databases: { DB: 'statements' } })
  const same = async (asked) => {
    const answers = await Promise.all([ours.ask(asked), theirs(asked)])
    const [found, wanted] = answers.map((text) => comparable(text, asked))
    assert.deepEqual(found, wanted, JSON.stringify(asked).slice(0, 2_000))
  }
  const request = statementsOf(chanceOf(SEED, 'statements').next)
  for (const sql of SCHEMA) await same({ way: 'run', queries: [{ sql }] })
  for (let sent = 0; sent < REQUESTS; sent += 1) await same(request())
})

function comparable(text, asked) {
  const certain = text
    .replace(/reference = \w+/g, 'reference = …')
    // SQLite did not read such a statement: the place is that of the fault before.
    .replace(/(statement too long) at offset \d+/g, '$1')
  const parsed = JSON.parse(certain, (name, value) => (INCIDENTAL.includes(name) ? undefined : value))
  for (const [index, { sql }] of asked.queries.entries()) {
    const { meta } = (asked.way === 'batch' ? parsed.answer?.[index] : parsed.answer) ?? {}
    if (meta && !(INSERTS.test(sql) && meta.changes > 0)) delete meta.last_row_id
  }
  return parsed
}
