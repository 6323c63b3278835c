import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { dayKey } from '../src/doctor-day/address'
import type { Recorded } from '../src/doctor-day/day'
import type { DoctorDay } from '../src/doctor-day/doctor-day'
import { fold, foldUntil } from '../src/doctor-day/fold'
import { type FrontDesk, keyFor, openFrontDesk, times } from './clinic'

const DAY = '2026-03-14'
const NOON = Date.parse(`${DAY}T12:00:00Z`)
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const pathOf = ({ doctorId }: { doctorId: string }, leaf: string, date = DAY) =>
  `/api/v1/doctors/${doctorId}/days/${date}/${leaf}`
const verdictOf = async (desk: FrontDesk) => (await desk.get(pathOf(desk, 'verify'))).body
const objectOf = (desk: FrontDesk) =>
  env.DOCTOR_DAY.get(env.DOCTOR_DAY.idFromName(dayKey(desk.clinicId, desk.doctorId, DAY)))
const inStorage = <Result>(desk: FrontDesk, work: (sql: SqlStorage) => Result) =>
  runInDurableObject(objectOf(desk), (_, state) => work(state.storage.sql))

/** Six events, a minute apart: opened, booked, booked, availability_set, capacity_set, checked_in. */
async function openBusyDay(): Promise<FrontDesk & { appointmentId: string }> {
  const desk = await openFrontDesk({ patients: 2 })
  vi.useFakeTimers({ now: NOON, toFake: ['Date'] })
  const { body } = await desk.book({ date: DAY })
  vi.setSystemTime(NOON + 60_000)
  await desk.book({ date: DAY, patient: 1 })
  vi.setSystemTime(NOON + 120_000)
  const availability = { date: DAY, is_present: true, notes: 'until five', capacity: 12 }
  await desk.post(`/api/v1/doctors/${desk.doctorId}/availability`, availability)
  vi.setSystemTime(NOON + 180_000)
  await desk.post('/api/v1/checkins', { appointment_id: body.id, patient_id: desk.patientIds[0] })
  return { ...desk, appointmentId: body.id }
}

test('a day tells what happened, oldest first, numbered without a gap', async () => {
  const desk = await openBusyDay()
  const { status, body } = await desk.get(pathOf(desk, 'events'))
  expect(status).toBe(200)
  expect(body.map(({ seq, type }: Recorded) => [seq, type])).toEqual([
    [1, 'opened'],
    [2, 'booked'],
    [3, 'booked'],
    [4, 'availability_set'],
    [5, 'capacity_set'],
    [6, 'checked_in'],
  ])
  expect(body[0].data).toEqual({
    clinic_id: desk.clinicId,
    doctor_id: desk.doctorId,
    date: DAY,
    time_zone: 'UTC',
    capacity: 10,
  })
  expect(body[1]).toEqual({
    seq: 2,
    at: `${DAY}T12:00:00.000Z`,
    actor: desk.keyId,
    type: 'booked',
    data: { appointment_id: desk.appointmentId, patient_id: desk.patientIds[0], slot: 1 },
  })
})

test('since leads on behind the last event seen, page after page, to the end', async () => {
  const desk = await openBusyDay()
  const seen: number[] = []
  let next: string | undefined = `${pathOf(desk, 'events')}?limit=4`
  while (next) {
    const page = await desk.get(next)
    seen.push(...page.body.map(({ seq }: Recorded) => seq))
    next = page.headers.get('Link')?.match(/^<https:\/\/clinic\.test(.+)>; rel="next"$/)?.[1]
  }
  expect(seen).toEqual([1, 2, 3, 4, 5, 6])
  expect((await desk.get(`${pathOf(desk, 'events')}?since=5`)).body).toMatchObject([{ seq: 6 }])
  expect((await desk.get(`${pathOf(desk, 'events')}?since=6`)).body).toEqual([])
  expect((await desk.get(`${pathOf(desk, 'events')}?limit=6`)).headers.get('Link')).toBeNull()
})

test('a day that nobody has touched has no events, is in order, and stays untouched', async () => {
  const desk = await openFrontDesk()
  expect((await desk.get(pathOf(desk, 'events'))).body).toEqual([])
  expect(await verdictOf(desk)).toEqual({ ok: true, head: null, count: 0 })
  expect(await desk.post(pathOf(desk, 'resync'))).toMatchObject({ status: 202, body: { events: 0 } })
  const tables = await inStorage(desk, (sql) =>
    sql.exec(`SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'`).toArray(),
  )
  expect(tables).toEqual([])
})

test.each(['events', 'verify', 'resync'])('%s of a date that is not in the calendar is 400', async (leaf) => {
  const desk = await openFrontDesk()
  for (const date of ['2026-02-30', 'tomorrow', '2026-3-14']) {
    const method = leaf === 'resync' ? 'POST' : 'GET'
    const { status, body } = await desk.send(method, pathOf(desk, leaf, date))
    expect([date, status, body.errors[0].field]).toEqual([date, 400, 'date'])
  }
})

test.each(['since=-1', 'since=x', 'limit=0', 'limit=1001'])('events with ?%s is 400', async (search) => {
  const desk = await openFrontDesk()
  const { status, body } = await desk.get(`${pathOf(desk, 'events')}?${search}`)
  expect([status, body.errors[0].field]).toEqual([400, search.split('=')[0]])
})

test('another clinic’s doctor is 404, and so is one that nobody knows', async () => {
  const [desk, stranger] = [await openBusyDay(), await openFrontDesk()]
  for (const doctorId of [desk.doctorId, 'nobody']) {
    const answers = [
      await stranger.get(pathOf({ doctorId }, 'events')),
      await stranger.get(pathOf({ doctorId }, 'verify')),
      await stranger.post(pathOf({ doctorId }, 'resync')),
    ]
    expect(answers.map(({ status, body }) => [status, body.message])).toEqual(
      times(3, () => [404, 'Doctor not found']),
    )
  }
})

test('who may read the audit may read and verify a day, and may not resync it', async () => {
  const desk = await openBusyDay()
  const auditor = await keyFor(desk.clinicId, ['audit:read'])
  expect((await auditor.get(pathOf(desk, 'events'))).status).toBe(200)
  expect((await auditor.get(pathOf(desk, 'verify'))).status).toBe(200)
  expect((await auditor.post(pathOf(desk, 'resync'))).status).toBe(403)
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

const CHANGES: [column: string, change: string][] = [
  ['seq', 'seq = seq + 100'],
  ['seq', 'seq = -seq'],
  ['at', 'at = at + 1'],
  ['actor', "actor = 'somebody else'"],
  ['body', `body = replace(body, '"type"', '"kind"')`],
  ['body', "body = body || ' '"],
  ['body', "body = 'no JSON'"],
  ['hash', "hash = upper(hash) || 'x'"],
  ['hash', "hash = (SELECT hash FROM events ORDER BY seq LIMIT 1 OFFSET 3) || ''"],
]

test.each(CHANGES)('verify names any event whose %s was changed (%s)', async (_, change) => {
  const desk = await openBusyDay()
  for (const seq of [1, 2, 3, 5, 6])
    expect([
      seq,
      await namedAfter(desk, (sql) => sql.exec(`UPDATE events SET ${change} WHERE seq = ?`, seq)),
    ]).toEqual([seq, seq])
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
  const swap = (columns: string, one: number, other: number) => (sql: SqlStorage) => {
    const set = `UPDATE events SET (${columns}) = (SELECT ${columns} FROM before WHERE seq = ?) WHERE seq = ?`
    sql.exec('CREATE TABLE before AS SELECT * FROM events')
    sql.exec(set, one, other)
    sql.exec(set, other, one)
    sql.exec('DROP TABLE before')
  }
  for (const one of times(5, (n) => n + 1))
    for (const other of times(6 - one, (n) => one + n + 1))
      for (const columns of ['body', 'at, actor, body, hash'])
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

test('an event cut off the end is still missed after the day has gone on', async () => {
  const desk = await openBusyDay()
  await inStorage(desk, (sql) => sql.exec('DELETE FROM events WHERE seq = 6').toArray())
  await evictDurableObject(objectOf(desk))
  expect((await desk.book({ date: DAY, allow_another: true })).status).toBe(201)
  expect(await verdictOf(desk)).toMatchObject({ ok: false, bad_seq: 6 })
})

test('a log that cannot be read takes no booking, and still says where it is damaged', async () => {
  const desk = await openBusyDay()
  await inStorage(desk, (sql) => sql.exec("UPDATE events SET body = 'no JSON' WHERE seq = 3").toArray())
  await evictDurableObject(objectOf(desk))
  expect((await desk.book({ date: DAY, allow_another: true })).status).toBe(500)
  expect(await verdictOf(desk)).toMatchObject({ ok: false, count: 6, bad_seq: 3 })
  expect((await desk.get(`${pathOf(desk, 'events')}?since=3`)).body).toHaveLength(3)
  await runDurableObjectAlarm(objectOf(desk))
})

const TABLES = ['days', 'appointments', 'check_ins']

/** All of D1's copy of the clinic's days. */
const copyOf = (desk: FrontDesk) =>
  Promise.all(
    TABLES.map(async (table) => {
      const statement = env.DB.prepare(`SELECT * FROM ${table} WHERE clinic_id = ? ORDER BY 1, 2, 3`)
      return (await statement.bind(desk.clinicId).all()).results
    }),
  )
const wipeCopy = (desk: FrontDesk) =>
  env.DB.batch(
    TABLES.map((table) => env.DB.prepare(`DELETE FROM ${table} WHERE clinic_id = ?`).bind(desk.clinicId)),
  )

async function wholeCopy(desk: FrontDesk) {
  await vi.waitFor(async () => expect((await copyOf(desk)).map((rows) => rows.length)).toEqual([1, 2, 1]))
  return copyOf(desk)
}

/** What happens around each batch that brings the copy up to date. */
function aroundCopying(around: (copy: () => Promise<never>) => Promise<never>) {
  const prototype = Object.getPrototypeOf(env.DB) as D1Database
  const batch = prototype.batch
  return vi.spyOn(prototype, 'batch').mockImplementation(function (this: D1Database, statements) {
    const copies = statements.some((one) =>
      /^\s*insert into "days"/i.test((one as { statement?: string }).statement ?? ''),
    )
    const run = () => batch.call(this, statements) as Promise<never>
    return copies ? around(run) : run()
  })
}

test('resync puts back a copy that was lost, row for row, however often it is asked for', async () => {
  const desk = await openBusyDay()
  const before = await wholeCopy(desk)
  await wipeCopy(desk)
  for (const _ of [1, 2, 3])
    expect(await desk.post(pathOf(desk, 'resync'))).toMatchObject({ status: 202, body: { events: 6 } })
  expect(await wholeCopy(desk)).toEqual(before)
  await Promise.all(times(5, () => desk.post(pathOf(desk, 'resync'))))
  expect(await wholeCopy(desk)).toEqual(before)
  expect(await verdictOf(desk)).toMatchObject({ ok: true, count: 6 })
})

test('a resync with a key is asked for once: the retry gets the first answer, with KV and without', async () => {
  const desk = await openBusyDay()
  const [url, key] = [pathOf(desk, 'resync'), { 'Idempotency-Key': 'k' }]
  const first = await desk.send('POST', url, null, key)
  await desk.book({ date: DAY, allow_another: true })
  for (const forget of [false, true]) {
    const { keys } = forget ? await env.REPLIES.list() : { keys: [] }
    await Promise.all(keys.map(({ name }) => env.REPLIES.delete(name)))
    const again = await desk.send('POST', url, null, key)
    expect([again.status, again.text]).toEqual([202, first.text])
    expect(again.headers.get('Idempotency-Replayed')).toBe('true')
  }
  expect((await desk.post(pathOf(desk, 'resync', '2026-03-15'), {}, key)).status).toBe(422)
  expect((await desk.post(url)).body).toEqual({ events: 7 })
})

test('a resync while D1 is out of reach is accepted, and done when D1 is back', async () => {
  const desk = await openBusyDay()
  const before = await wholeCopy(desk)
  await wipeCopy(desk)
  const lost = aroundCopying(() => Promise.reject(new Error('D1_ERROR: Network connection lost.')))
  expect((await desk.post(pathOf(desk, 'resync'))).status).toBe(202)
  await vi.waitFor(() => expect(lost).toHaveBeenCalled())
  await evictDurableObject(objectOf(desk))
  lost.mockRestore()
  expect((await copyOf(desk)).flat()).toEqual([])
  expect(await runDurableObjectAlarm(objectOf(desk))).toBe(true)
  expect(await wholeCopy(desk)).toEqual(before)
})

test('a resync asked for while a copy is under way is not lost behind it', async () => {
  const desk = await openBusyDay()
  const before = await wholeCopy(desk)
  let [hasCopied, mayEnd] = [false, false]
  aroundCopying(async (copy) => {
    const results = await copy()
    hasCopied = true
    while (!mayEnd) await scheduler.wait(5)
    return results
  })
  await desk.post(pathOf(desk, 'resync'))
  await vi.waitFor(() => expect(hasCopied).toBe(true))
  await wipeCopy(desk)
  await desk.post(pathOf(desk, 'resync'))
  mayEnd = true
  expect(await wholeCopy(desk)).toEqual(before)
})

test('a day as of an instant holds what had happened by then, and nothing later', async () => {
  const desk = await openBusyDay()
  const dayAt = (at: number, clinicId = desk.clinicId) =>
    runInDurableObject(objectOf(desk), (object: DoctorDay) => object.dayAt(clinicId, at))
  const facts = async (at: number) => {
    const day = await dayAt(at)
    return day && [day.version, day.slots.size, day.capacity, day.checkIns.size]
  }
  expect(await facts(NOON - 1)).toBeNull()
  expect(await facts(NOON)).toEqual([2, 1, 10, 0])
  expect(await facts(NOON + 59_999)).toEqual([2, 1, 10, 0])
  expect(await facts(NOON + 60_000)).toEqual([3, 2, 10, 0])
  expect(await facts(NOON + 120_000)).toEqual([5, 2, 12, 0])
  expect(await facts(Number.MAX_SAFE_INTEGER)).toEqual([6, 2, 12, 1])
  expect(await dayAt(NOON, 'another-clinic')).toBeNull()
})

test('folding up to an instant stops at the first later event, even where the clock ran backwards', () => {
  const opened = {
    type: 'opened',
    clinicId: 'c',
    doctorId: 'd',
    date: DAY,
    timeZone: 'UTC',
    capacity: 2,
  } as const
  const booked = (seq: number, at: number): Recorded => ({
    ...{ type: 'booked', appointmentId: `a${seq}`, patientId: `p${seq}`, slot: seq - 1 },
    ...{ seq, at, actor: 'k' },
  })
  const events: Recorded[] = [{ ...opened, seq: 1, at: 10, actor: 'k' }, booked(2, 30), booked(3, 20)]
  expect(times(5, (n) => foldUntil(events, n * 10).version)).toEqual([0, 1, 1, 3, 3])
  expect(foldUntil(events, 30)).toEqual(fold(events))
})
