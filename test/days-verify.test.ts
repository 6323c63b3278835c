import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { afterEach, expect, test, vi } from 'vitest'
import type { DoctorDay } from '../src/doctor-day/doctor-day'
import { DAY, inStorage, objectOf, openBusyDay, pathOf, verdictOf } from './busy-day'
import { type FrontDesk, openFrontDesk, times } from './clinic'

afterEach(() => {
  vi.useRealTimers()
})

test('a day as it was written verifies, after every event and after losing its memory', async () => {
  const desk = await openBusyDay()
  const whole = await verdictOf(desk)
  expect(whole).toEqual({ ok: true, head: expect.stringMatching(/^[0-9a-f]{64}$/), count: 6 })
  await evictDurableObject(objectOf(desk))
  expect(await verdictOf(desk)).toEqual(whole)
  await desk.book({ date: DAY, allow_another: true })
  const longer = await verdictOf(desk)
  expect(longer).toMatchObject({ ok: true, count: 7 })
  expect(longer.head).not.toBe(whole.head)
})

test('a day that remembers an answer and has no event yet verifies', async () => {
  const desk = await openFrontDesk({ patients: 1 })
  const path = `/api/v1/checkins/doctors/${desk.doctorId}/queue/next`
  const called = await desk.post(path, { date: DAY, room: '1' }, { 'Idempotency-Key': 'first-of-all' })
  expect(called.status).toBe(204)
  expect(await verdictOf(desk)).toEqual({ ok: true, head: null, count: 0 })
  await inStorage(desk, (sql) => sql.exec('DELETE FROM head').toArray())
  expect(await verdictOf(desk)).toEqual({ ok: false, head: null, count: 0, bad_seq: 1 })
})

type EventRow = { seq: number; at: number; actor: string; body: string; hash: string }

/** What a forger does to the rows, what verify then names; the rows are put back afterwards. */
async function namedAfter(desk: FrontDesk, forge: (sql: SqlStorage) => void): Promise<unknown> {
  const rows = await inStorage(desk, (sql) => {
    const before = sql.exec<EventRow>('SELECT * FROM events').toArray()
    forge(sql)
    return before
  })
  await evictDurableObject(objectOf(desk))
  const { ok, bad_seq } = await verdictOf(desk)
  await inStorage(desk, (sql) => {
    sql.exec('DELETE FROM events')
    for (const { seq, at, actor, body, hash } of rows)
      sql.exec('INSERT INTO events VALUES (?, ?, ?, ?, ?)', seq, at, actor, body, hash)
  })
  return ok ? 'ok' : bad_seq
}

const CHANGES = [
  'seq = seq + 100',
  'seq = -seq',
  'at = at + 1',
  "actor = 'somebody else'",
  `body = replace(body, '"type"', '"kind"')`,
  "body = body || ' '",
  "body = 'no JSON'",
  "hash = upper(hash) || 'x'",
  'hash = (SELECT other.hash FROM events other WHERE other.seq = 7 - events.seq)',
]

test('verify names any event of which anything was changed', async () => {
  const desk = await openBusyDay()
  for (const change of CHANGES)
    for (const seq of times(6, (n) => n + 1)) {
      const forge = (sql: SqlStorage) => sql.exec(`UPDATE events SET ${change} WHERE seq = ?`, seq)
      expect([change, seq, await namedAfter(desk, forge)]).toEqual([change, seq, seq])
    }
  expect(await namedAfter(desk, () => {})).toBe('ok')
})

test('verify names any event that was dropped: the first, one in the middle, the last', async () => {
  const desk = await openBusyDay()
  for (const seq of times(6, (n) => n + 1))
    expect([seq, await namedAfter(desk, (sql) => sql.exec('DELETE FROM events WHERE seq = ?', seq))]).toEqual(
      [seq, seq],
    )
  expect(await namedAfter(desk, (sql) => sql.exec('DELETE FROM events WHERE seq >= 4'))).toBe(4)
  expect(await namedAfter(desk, (sql) => sql.exec('DELETE FROM events'))).toBe(1)
})

test('verify names the first of two events that were swapped, whichever two', async () => {
  const desk = await openBusyDay()
  const swap = (columns: (keyof EventRow)[], one: number, other: number) => (sql: SqlStorage) => {
    const rows = sql.exec<EventRow>('SELECT * FROM events ORDER BY seq').toArray()
    const set = `UPDATE events SET ${columns.map((column) => `${column} = ?`)} WHERE seq = ?`
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const)
      sql.exec(set, ...columns.map((column) => rows[from - 1]?.[column] ?? null), to)
  }
  for (const one of times(5, (n) => n + 1))
    for (const other of times(6 - one, (n) => one + n + 1))
      for (const columns of [['body'], ['at', 'actor', 'body', 'hash']] as (keyof EventRow)[][])
        expect([one, other, columns, await namedAfter(desk, swap(columns, one, other))]).toEqual([
          one,
          other,
          columns,
          one,
        ])
})

test('verify names a row that was put in, and one that was written again with a fitting hash', async () => {
  const desk = await openBusyDay()
  const copied = 'INSERT INTO events SELECT ?, at, actor, body, hash FROM events WHERE seq = 6'
  expect(await namedAfter(desk, (sql) => sql.exec(copied, 7))).toBe(7)
  expect(await namedAfter(desk, (sql) => sql.exec(copied, 0))).toBe(0)
  const { body: events } = await desk.get(pathOf(desk, 'events'))
  expect(events).toHaveLength(6)
  await inStorage(desk, (sql) => sql.exec("UPDATE head SET hash = 'another'").toArray())
  expect(await verdictOf(desk)).toEqual({ ok: false, head: 'another', count: 6, bad_seq: 6 })
  await inStorage(desk, (sql) => sql.exec('UPDATE head SET seq = 4').toArray())
  expect(await verdictOf(desk)).toMatchObject({ ok: false, bad_seq: 4 })
  await inStorage(desk, (sql) => sql.exec('DELETE FROM head').toArray())
  expect(await verdictOf(desk)).toEqual({ ok: false, head: null, count: 0, bad_seq: 1 })
})

test('a day whose last event was cut off takes no booking, and the event is still missed', async () => {
  const desk = await openBusyDay()
  await inStorage(desk, (sql) => sql.exec('DELETE FROM events WHERE seq = 6').toArray())
  await evictDurableObject(objectOf(desk))
  expect((await desk.book({ date: DAY, allow_another: true })).status).toBe(503)
  expect(await verdictOf(desk)).toMatchObject({ ok: false, bad_seq: 6 })
})

test('a log that cannot be read takes no booking, and still says where it is damaged', async () => {
  const desk = await openBusyDay()
  await inStorage(desk, (sql) => sql.exec("UPDATE events SET body = 'no JSON' WHERE seq = 3").toArray())
  await evictDurableObject(objectOf(desk))
  expect((await desk.book({ date: DAY, allow_another: true })).status).toBe(503)
  expect(await verdictOf(desk)).toMatchObject({ ok: false, count: 6, bad_seq: 3 })
  expect((await desk.get(`${pathOf(desk, 'events')}?since=3`)).body).toHaveLength(3)
})

/** Rings twice: what the first one leaves behind must not break the second. Answers when it rings next. */
const ring = (desk: FrontDesk): Promise<number | null> =>
  runInDurableObject(objectOf(desk), async (day: DoctorDay, { storage }) => {
    await day.alarm()
    await day.alarm()
    return storage.getAlarm()
  })

test.each([
  ['an event is no JSON', "UPDATE events SET body = 'no JSON' WHERE seq = 3"],
  ['an event has no kind', "UPDATE events SET body = '{}' WHERE seq = 3"],
  ['an event has an unknown kind', `UPDATE events SET body = '{"type":"x"}' WHERE seq = 6`],
])('where %s the alarm of a day does not throw, and rings again', async (_, damage) => {
  const desk = await openBusyDay()
  await inStorage(desk, (sql) => sql.exec(damage).toArray())
  await evictDurableObject(objectOf(desk))
  const rungAt = Date.now()
  expect(await ring(desk)).toBeGreaterThan(rungAt)
  expect(await verdictOf(desk)).toMatchObject({ ok: false })
})

test.each(['DELETE FROM events WHERE seq = 1', 'DELETE FROM events', 'DELETE FROM head'])(
  'after %s the alarm of a day does not throw',
  async (damage) => {
    const desk = await openBusyDay()
    await inStorage(desk, (sql) => sql.exec(damage).toArray())
    await evictDurableObject(objectOf(desk))
    await ring(desk)
    expect(await verdictOf(desk)).toMatchObject({ ok: false })
  },
)
