import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { load, verify } from '../src/doctor-day/storage/verdict'
import { sign } from '../src/lib/secret'
import { copied, DAY, inStorage, objectOf, openBusyDay, verdictOf } from './busy-day'
import type { FrontDesk } from './clinic'

afterEach(() => {
  vi.useRealTimers()
})

const [OWN, NEW, NEXT] = [env.DOCTORDAY_SECRET, 'n'.repeat(40), 'x'.repeat(40)]

/** The object wakes with these secrets. */
const wake = (desk: FrontDesk, keys: string | undefined) =>
  runInDurableObject(objectOf(desk), (_, { storage, id }) => {
    const loaded = storage.transactionSync(() => load({ sql: storage.sql, keys, name: id.name }, Date.now()))
    return loaded.ok ? loaded.day.version : loaded.reason
  })
const verdictWith = (desk: FrontDesk, keys: string | undefined) =>
  runInDurableObject(objectOf(desk), (_, { storage, id }) => {
    const verdict = verify({ sql: storage.sql, keys, name: id.name }, null)
    return verdict.ok ? 'ok' : verdict.reason
  })

test('while a secret is replaced, a day that wakes is signed again, replies and all', async () => {
  const desk = await openBusyDay()
  expect(await wake(desk, `${NEW},${OWN}`)).toBe(6)
  expect(await verdictWith(desk, NEW)).toBe('ok')
  expect(await wake(desk, NEW)).toBe(6)
  expect(await verdictWith(desk, OWN)).toBe('not_signed')
  expect(await wake(desk, `${NEXT},${NEW}`)).toBe(6)
  expect(await verdictWith(desk, NEXT)).toBe('ok')
})

test.each([
  ['another secret', NEXT],
  ['no secret', undefined],
  ['a secret that is too short', 'short'],
])('with %s a day is damaged: not signed; with its own again it is whole', async (_, keys) => {
  const desk = await openBusyDay()
  expect(await wake(desk, keys)).toBe('not_signed')
  expect(await verdictWith(desk, keys)).toBe('not_signed')
  expect(await wake(desk, OWN)).toBe(6)
  expect(await verdictOf(desk)).toMatchObject({ ok: true, count: 6 })
})

test('a reply that no secret signed stays so when the day is signed again', async () => {
  const desk = await openBusyDay()
  for (const _ of [1, 2]) await desk.book({ date: DAY, allow_another: true })
  const change = "UPDATE ops SET reply = '7' WHERE op_id = (SELECT max(op_id) FROM ops)"
  await inStorage(desk, (sql) => sql.exec(change).toArray())
  expect(await wake(desk, `${NEW},${OWN}`)).toBe(8)
  expect(await verdictWith(desk, NEW)).toBe('reply_changed')
})

const [HEAD, OPS] = ['head', 'ops'].map((table) => `ALTER TABLE ${table} DROP COLUMN`)
/** The tables as version 1 made them. */
const AS_VERSION_1 = [
  `${HEAD} mac`,
  `${HEAD} replies`,
  `${OPS} mac`,
  `${OPS} at`,
  'UPDATE _schema SET version = 1',
]
const makeOld = (desk: FrontDesk) =>
  inStorage(desk, (sql) => {
    for (const statement of AS_VERSION_1) sql.exec(statement)
  })

test('a log from before the signatures is signed when its day wakes, and goes on', async () => {
  const desk = await openBusyDay()
  await makeOld(desk)
  await evictDurableObject(objectOf(desk))
  expect(await verdictOf(desk)).toMatchObject({ ok: true, count: 6 })
  expect((await desk.book({ date: DAY, allow_another: true })).body.slot).toBe(3)
  expect(await verdictOf(desk)).toMatchObject({ ok: true, count: 7 })
})

test('tables that are brought up to date are those of a new day', async () => {
  const desk = await openBusyDay()
  const columns = () =>
    inStorage(desk, (sql) =>
      ['_schema', 'events', 'head', 'ops', 'readers'].map((table) =>
        sql.exec(`SELECT * FROM pragma_table_info('${table}')`).toArray(),
      ),
    )
  const ofNewDay = await columns()
  await makeOld(desk)
  expect(await columns()).not.toEqual(ofNewDay)
  await evictDurableObject(objectOf(desk))
  expect((await verdictOf(desk)).ok).toBe(true)
  expect(await columns()).toEqual(ofNewDay)
})

test('a forged log is not signed by being made one of before the signatures', async () => {
  const desk = await openBusyDay()
  await copied(desk, 6)
  await makeOld(desk)
  await inStorage(desk, (sql) => sql.exec("UPDATE events SET body = '{}' WHERE seq = 3").toArray())
  await evictDurableObject(objectOf(desk))
  expect(await verdictOf(desk)).toMatchObject({ ok: false, bad_seq: 3 })
  expect((await desk.book({ date: DAY, allow_another: true })).status).toBe(503)
})

test('a signature for another purpose, or of another text, is none', async () => {
  const desk = await openBusyDay()
  const signatures = [sign(OWN, 'ticket', '["head"]'), sign(OWN, 'log', '["head",6]'), Buffer.alloc(32)]
  for (const signature of signatures) {
    await inStorage(desk, (sql) => sql.exec('UPDATE head SET mac = ?', signature.toString('hex')).toArray())
    expect(await verdictOf(desk)).toMatchObject({ ok: false, reason: 'not_signed' })
  }
})
