import { evictDurableObject } from 'cloudflare:test'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { chainAgain, copied, DAY, inStorage, objectOf, openBusyDay, pathOf, verdictOf } from './busy-day'
import type { FrontDesk } from './clinic'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const TABLES = ['_schema', 'events', 'head', 'ops', 'readers']

const run =
  (...statements: string[]) =>
  (sql: SqlStorage) => {
    for (const statement of statements) sql.exec(statement)
  }
const drop = (...tables: string[]) => run(...tables.map((table) => `DROP TABLE ${table}`))
const edit = (change: string) => (sql: SqlStorage) => {
  sql.exec(change)
  chainAgain(sql)
}

/** Ways to harm the file of a day with two bookings, and what verify then says. */
const HARMS: [what: string, harm: (sql: SqlStorage) => void, says: object][] = [
  ['the file is deleted or emptied', drop(...TABLES), { reason: 'behind_copy' }],
  ['the events are dropped', drop('events'), { reason: 'tables_missing' }],
  ['the head is dropped', drop('head'), { reason: 'tables_missing' }],
  ['the version of the tables is dropped', drop('_schema'), { reason: 'tables_missing' }],
  [
    'all but the replies are dropped',
    drop('_schema', 'events', 'head', 'readers'),
    { reason: 'tables_missing' },
  ],
  ['the version of the tables is gone', run('DELETE FROM _schema'), { reason: 'unreadable' }],
  [
    'the version of the tables is set back',
    run('UPDATE _schema SET version = 1'),
    { reason: 'tables_missing' },
  ],
  [
    'the file is that of a day that only remembers an answer',
    run('DELETE FROM events', "UPDATE head SET seq = 0, hash = '', mac = ''"),
    { reason: 'not_signed' },
  ],
  [
    'the newest event is removed, and the head mended',
    edit('DELETE FROM events WHERE seq = 6'),
    { reason: 'not_signed' },
  ],
  [
    'all events but the first are removed',
    edit('DELETE FROM events WHERE seq > 1'),
    { reason: 'not_signed' },
  ],
  ['the newest event is removed', run('DELETE FROM events WHERE seq = 6'), { bad_seq: 6 }],
  ['the head is gone', run('DELETE FROM head'), { bad_seq: 1 }],
  [
    'an event is edited, and the chain computed again',
    edit(`UPDATE events SET body = replace(body, '"slot":1', '"slot":9') WHERE seq = 2`),
    { reason: 'not_signed' },
  ],
  [
    'an event is edited',
    run(`UPDATE events SET body = replace(body, '"slot":1', '"slot":9')`),
    { bad_seq: 2 },
  ],
  [
    'an event is no JSON, and the chain computed again',
    edit("UPDATE events SET body = 'x' WHERE seq = 3"),
    { reason: 'not_signed' },
  ],
  [
    'an event is a number in JSON',
    edit("UPDATE events SET body = '7' WHERE seq = 6"),
    { reason: 'not_signed' },
  ],
  ['an event is removed from the middle', run('DELETE FROM events WHERE seq = 3'), { bad_seq: 3 }],
  ['events are numbered anew', edit('UPDATE events SET seq = seq + 10'), { bad_seq: 1 }],
  ['the signature is cut short', run('UPDATE head SET mac = substr(mac, 1, 2)'), { reason: 'not_signed' }],
  [
    'the signature is no hex',
    run("UPDATE head SET mac = 'ab' || substr(mac, 3) || 'zz'"),
    { reason: 'not_signed' },
  ],
]

describe.each(HARMS)('after %s', (_, harm, says) => {
  test('no slot is given again: 503 day_damaged, and verify names the damage', async () => {
    const desk = await openBusyDay()
    await copied(desk, 6)
    await inStorage(desk, harm)
    await evictDurableObject(objectOf(desk))
    const logged = vi.spyOn(console, 'log')
    for (const reply of await everything(desk)) {
      expect([reply.status, reply.body.type]).toEqual([503, '/problems/day_damaged'])
      expect(Number(reply.headers.get('Retry-After'))).toBeGreaterThan(0)
    }
    expect(logged.mock.calls.flat().join('\n')).toMatch(/"day_damaged"|"log_damaged"/)
    expect(await verdictOf(desk)).toMatchObject({ ok: false, ...says })
    expect((await desk.book({ date: '2040-03-15' })).status).toBe(201)
  })
})

/** What gives a slot, or shows the day by its doctor and date. */
function everything(desk: FrontDesk) {
  const day = { doctor_id: desk.doctorId, date: DAY }
  const patient_id = desk.patientIds[0]
  return Promise.all([
    desk.book({ date: DAY, allow_another: true }),
    desk.post('/api/v1/appointments/holds', { ...day, ttl_seconds: 60 }),
    desk.post('/api/v1/appointments/waitlist', { ...day, patient_id }),
    desk.post(`/api/v1/doctors/${desk.doctorId}/availability`, { date: DAY, is_present: true, capacity: 20 }),
    desk.post(pathOf(desk, 'absence'), { reason: 'ill' }),
    desk.get(pathOf(desk, '').replace(/\/$/, '')),
    desk.get(`/api/v1/appointments/doctors/${desk.doctorId}/appointments?date=${DAY}`),
    desk.get(`/api/v1/checkins/doctors/${desk.doctorId}/queue?date=${DAY}`),
    desk.get(`/api/v1/doctors/${desk.doctorId}/availability?date=${DAY}`),
  ])
}
