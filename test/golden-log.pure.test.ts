import { expect, test } from 'vitest'
import { decide, nextDeadline } from '../src/doctor-day/rules/rules'
import type { Day } from '../src/doctor-day/state/day'
import type { Recorded } from '../src/doctor-day/state/event'
import { fold } from '../src/doctor-day/state/fold'
import { readEvent, versionsOf, written } from '../src/doctor-day/state/versions'
import LOG from './golden/day-log.json'
import STATE from './golden/day-state.json'

/** Both files are as the first version of the service wrote and read them, and never change; new lines are added. */
const read = (bodies: { seq: number; at: number; actor: string; body: string }[]): Recorded[] =>
  bodies.map(({ body, ...row }) => ({ ...readEvent(body), ...row }))

const plain = (day: Day) =>
  JSON.parse(
    JSON.stringify(day, (_, value) => (value instanceof Map || value instanceof Set ? [...value] : value)),
  )

const command = {
  type: 'book',
  opening: { clinicId: 'c1', doctorId: 'd1', date: '2026-03-10', timeZone: 'UTC', capacity: 6 },
  appointmentId: 'a99',
  patientId: 'p99',
  allowAnother: true,
} as const
const moment = { at: 0, actor: 'key', offerMs: 1 }

test('the golden log is read as it was when it was written', () => {
  expect(plain(fold(read(LOG)))).toMatchObject(STATE)
})

test('every kind of event, in each of its versions, is in the golden log and is written as it was read', () => {
  const inLog = new Set(LOG.map(({ body }) => `${JSON.parse(body).type} ${JSON.parse(body).v ?? 1}`))
  const known = [...versionsOf()].flatMap(([kind, latest]) =>
    Array.from({ length: latest }, (_, n) => `${kind} ${n + 1}`),
  )
  expect([...inLog].sort()).toEqual(known.sort())
  for (const { body } of LOG) expect(written(readEvent(body))).toBe(body)
})

/** What a newer version of the service may have written. */
const UNKNOWN = [
  { type: 'booked_twice_a_day', slot: 6 },
  { type: 'booked', v: 3, appointmentId: 'a9', patientId: 'p9', slots: [6] },
  { type: 'served', v: 1.5, appointmentId: 'a1' },
  { type: 'held', v: 0, holdId: 'h9', slot: 6, expiresAt: 0 },
  { type: 'unknown', stored: '{}' },
  { type: 'toString' },
  { type: '__proto__' },
  { type: null },
  {},
]

test('an event that this version does not know makes the day read-only, wherever in the log it is', () => {
  for (const event of UNKNOWN)
    for (const at of [1, 10, LOG.length]) {
      const row = { seq: LOG.length, at: 0, actor: 'key', body: JSON.stringify(event) }
      const day = fold(read([...LOG.slice(0, at), row, ...LOG.slice(at)]))
      expect([event, day.isNewer]).toEqual([event, true])
      expect(plain(day)).toMatchObject({ ...STATE, isNewer: true })
      expect(decide(day, command, moment)).toEqual({ ok: false, refused: 'newer_version' })
      expect(decide(day, { type: 'lapse' }, moment)).toEqual({ ok: false, refused: 'newer_version' })
      expect(nextDeadline(day)).toBe(Number.POSITIVE_INFINITY)
    }
})

test('a command that this version does not know is refused, and changes nothing', () => {
  const day = fold(read(LOG))
  for (const type of ['book_room', 'toString', '__proto__', 'Book'])
    expect(decide(day, { ...command, type } as never, moment)).toEqual({
      ok: false,
      refused: 'newer_version',
    })
})

test('an event of an earlier version is brought forward step by step', () => {
  const upcasts = {
    called: [
      ({ desk, ...fields }: Record<string, unknown>) => ({ ...fields, room: desk }),
      ({ room, ...fields }: Record<string, unknown>) => ({ ...fields, room: `Room ${room}` }),
    ],
  }
  const reads = (event: object) => readEvent(JSON.stringify(event), upcasts)
  const now = { type: 'called', room: 'Room 3' }
  expect(reads({ type: 'called', desk: '3' })).toEqual(now)
  expect(reads({ type: 'called', v: 2, room: '3' })).toEqual(now)
  expect(reads({ type: 'called', v: 3, room: 'Room 3' })).toEqual(now)
  expect(reads({ type: 'called', v: 4, room: 'Room 3' })).toMatchObject({ type: 'unknown' })
  expect(versionsOf(upcasts)).toEqual(new Map([['called', 3]]))
})
