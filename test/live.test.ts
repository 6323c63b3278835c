import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { KEYS_ASKED_EVERY_MS } from '../src/doctor-day/readers/key-watch'
import { keyFor, openFrontDesk, times } from './clinic'
import { folded, follow, KINDS, livePath, until } from './followers'
import {
  arrive,
  at,
  DAY,
  followersOf,
  listing,
  NOON,
  next,
  objectOf,
  onDay,
  openDay,
  step,
  withKey,
} from './live-day'
import { soon } from './soon'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
afterEach(() => {
  env.BOARD_INITIALS = 'false'
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const onBoard = (queue: Record<string, unknown>[], initials: string | null = null) =>
  queue.map(({ position, status, room }) => ({ position, status, room, initials }))
test.each(KINDS)('%s: a snapshot, then events without a gap; their fold is the queue', async (kind) => {
  const desk = await openDay()
  await arrive(desk, 0)
  const follower = await follow(kind, onDay(desk), withKey(desk))
  await until(follower, 3)
  expect(follower.messages).toEqual([{ type: 'snapshot', seq: 3, entries: await listing(desk) }])
  const id = await arrive(desk, 1)
  await next(desk, '1')
  await next(desk, '2')
  await step(desk, id, 'skip')
  await step(desk, id, 'requeue')
  await until(follower, 9)
  expect(follower.messages.map(({ seq }) => seq)).toEqual([3, 4, 5, 6, 7, 8, 9])
  expect(follower.messages.slice(1)).toMatchObject([
    { event: 'booked', at: expect.stringContaining(`${DAY}T12:00:0`), entry: null },
    { event: 'checked_in', entry: { position: 2, status: 'waiting', patient_name: 'Patient 1' } },
    { event: 'called', entry: { position: 1, status: 'called', room: '1' } },
    { event: 'called', entry: { position: 2, room: '2' } },
    { event: 'skipped', entry: { position: 2, status: 'skipped' } },
    { event: 'requeued', entry: { position: 2, status: 'waiting', room: null } },
  ])
  expect(folded(follower.messages)).toEqual(await listing(desk))
  await follower.cut()
})

test.each(KINDS)('%s: the board folds to the same queue and holds no name, id or time', async (kind) => {
  const desk = await openDay()
  const board = await follow(kind, onDay(desk, { view: 'board' }), withKey(desk))
  await until(board, 0)
  const ids = [await arrive(desk, 0), await arrive(desk, 1)]
  await next(desk, 'Room 7')
  await step(desk, ids[0] ?? '', 'serve')
  await until(board, 7)
  const again = await follow(kind, onDay(desk, { view: 'board' }), withKey(desk))
  await until(again, 7)
  expect(folded(board.messages)).toEqual(onBoard(await listing(desk)))
  expect(folded(again.messages)).toEqual(onBoard(await listing(desk)))
  expect(board.messages.map((message) => ('event' in message ? message.event : ''))).toEqual([
    '',
    ...['other', 'other', 'checked_in', 'other', 'checked_in', 'called', 'served'],
  ])
  for (const { raw } of [board, again]) {
    for (const secret of [...ids, ...desk.patientIds, desk.doctorId, desk.clinicId, desk.keyId])
      expect(raw).not.toContain(secret)
    expect(raw).toContain('Room 7')
    expect(raw).not.toMatch(/patient|booked|2040-|T12:/i)
  }
  await Promise.all([board.cut(), again.cut()])
})

test('the board shows initials where the service is set up to', async () => {
  env.BOARD_INITIALS = 'true'
  const desk = await openDay()
  const board = await follow('WebSocket', onDay(desk, { view: 'board' }), withKey(desk))
  await arrive(desk, 0)
  await until(board, 3)
  expect(folded(board.messages)).toEqual(onBoard(await listing(desk), 'P0'))
  expect(board.raw).not.toContain('Patient')
  await board.cut()
})

test.each(KINDS)('%s: since leads on behind it, each entry as it stood at its event', async (kind) => {
  const desk = await openDay()
  const id = await arrive(desk, 0)
  await next(desk, '1')
  await step(desk, id, 'serve')
  const late = await follow(kind, onDay(desk), withKey(desk, 2))
  await until(late, 5)
  expect(late.messages).toMatchObject([
    { seq: 3, event: 'checked_in', entry: { status: 'waiting', room: null } },
    { seq: 4, event: 'called', entry: { status: 'called', room: '1' } },
    { seq: 5, event: 'served', entry: { status: 'served' } },
  ])
  expect(folded(late.messages)).toEqual(await listing(desk))
  const whole = await follow(kind, onDay(desk), withKey(desk, 0))
  await until(whole, 5)
  expect(whole.messages.map(({ type, seq }) => `${type} ${seq}`)).toEqual(times(5, (n) => `event ${n + 1}`))
  await Promise.all([late.cut(), whole.cut()])
})

test.each(['6', '999999999999999', ''])(
  'a since of %j, which the day has not come to, gets a snapshot',
  async (since) => {
    const desk = await openDay()
    await arrive(desk, 0)
    const follower = await follow('event stream', onDay(desk, { since }), withKey(desk))
    await until(follower, 3)
    expect(follower.messages.map(({ type }) => type)).toEqual(['snapshot'])
    await follower.cut()
  },
)

test.each(['-1', '1.5', 'x', ''])(
  'a Last-Event-ID of %j, which is no number of ours, gets a snapshot',
  async (id) => {
    const desk = await openDay()
    await arrive(desk, 0)
    const { headers } = withKey(desk)
    const follower = await follow('event stream', onDay(desk), {
      headers: { ...headers, 'Last-Event-ID': id },
    })
    await until(follower, 3)
    expect(follower.messages.map(({ type }) => type)).toEqual(['snapshot'])
    await follower.cut()
  },
)

test('a browser that comes again repeats its address: Last-Event-ID counts more than since', async () => {
  const desk = await openDay()
  await arrive(desk, 0)
  const follower = await follow('event stream', onDay(desk, { since: '0' }), withKey(desk, 2))
  await until(follower, 3)
  expect(follower.messages.map(({ seq }) => seq)).toEqual([3])
  await follower.cut()
})

test('who follows a day that nobody has touched hears its first event, and stores nothing till then', async () => {
  const desk = await openDay()
  const follower = await follow('WebSocket', onDay(desk), withKey(desk))
  await until(follower, 0)
  expect(follower.messages).toEqual([{ type: 'snapshot', seq: 0, entries: [] }])
  await evictDurableObject(objectOf(desk))
  const stored = await runInDurableObject(objectOf(desk), async (_, { storage }) => [
    ...storage.sql.exec(`SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'`).toArray(),
    await storage.getAlarm(),
  ])
  // The alarm asks whether the follower's key was revoked.
  expect(stored).toEqual([NOON + KEYS_ASKED_EVERY_MS])
  await arrive(desk, 0)
  await until(follower, 3)
  expect(folded(follower.messages)).toEqual(await listing(desk))
  await follower.cut()
})

test('ping is answered with pong; who goes on talking is cut off', async () => {
  const desk = await openDay()
  const follower = await follow('WebSocket', onDay(desk), withKey(desk))
  for (const _ of times(20, (n) => n)) follower.say('ping')
  await soon(() => expect(follower.raw).toContain('pong'.repeat(20)))
  for (const n of times(10, (n) => n)) follower.say(`{"type":"event","seq":${n}}`)
  await arrive(desk, 0)
  await until(follower, 3)
  expect(follower.end).toBeNull()
  follower.say('one more')
  await soon(() => expect(follower.end).toEqual({ code: 1008 }))
})

test.each(KINDS)(
  '%s: after an hour a follower has to come again, by the alarm or the next event',
  async (kind) => {
    const desk = await openDay()
    await arrive(desk, 0)
    const [idle, busy] = [
      await follow(kind, onDay(desk), withKey(desk)),
      await follow(kind, livePath(desk, { date: '2040-03-15' }), withKey(desk)),
    ]
    await until(idle, 3)
    await until(busy, 0)
    at(NOON + HOUR - MINUTE)
    await arrive(desk, 1)
    await until(idle, 5)
    at(NOON + HOUR + MINUTE)
    await runDurableObjectAlarm(objectOf(desk))
    await desk.book({ date: '2040-03-15' })
    const code = kind === 'WebSocket' ? { code: 4000 } : {}
    await soon(() => expect([idle.end, busy.end]).toEqual([code, code]))
    expect(busy.messages.map(({ seq }) => seq)).toEqual([0])
    const again = await follow(kind, onDay(desk), withKey(desk, 5))
    await arrive(desk, 2)
    await until(again, 7)
    expect(again.messages.map(({ seq }) => seq)).toEqual([6, 7])
    await again.cut()
  },
)

test.each(KINDS)('%s: who goes away leaves no socket behind', async (kind) => {
  const desk = await openDay()
  const followers = await Promise.all(times(5, () => follow(kind, onDay(desk), withKey(desk))))
  await Promise.all(followers.map((follower) => until(follower, 0)))
  expect(await followersOf(desk)).toBe(5)
  await Promise.all(followers.map((follower) => follower.cut()))
  await soon(async () => expect(await followersOf(desk)).toBe(0))
})

test('no deadline cuts a stream, and one that is silent shows that it is alive', async () => {
  const desk = await openDay()
  vi.useFakeTimers({
    now: NOON,
    toFake: ['Date', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'],
  })
  const follower = await follow('event stream', onDay(desk), withKey(desk))
  await vi.advanceTimersByTimeAsync(60_000)
  vi.useRealTimers()
  at(NOON + MINUTE)
  await soon(() => expect(follower.raw.match(/^: still here$/gm)).toHaveLength(4))
  await arrive(desk, 0)
  await until(follower, 3)
  expect(follower.end).toBeNull()
  await follower.cut()
})

test('keeps out: no key, a key without the scope, a clinic whose doctor it is not', async () => {
  const [desk, other] = [await openDay(), await openFrontDesk()]
  const scopeless = await keyFor(desk.clinicId, ['checkins:write', 'patients:read'])
  for (const upgrade of [{}, { Upgrade: 'websocket' }] as Record<string, string>[]) {
    expect((await scopeless.get(onDay(desk), upgrade)).status).toBe(403)
    expect((await other.get(onDay(desk), upgrade)).status).toBe(404)
    expect((await desk.get(onDay(desk), { ...upgrade, Authorization: '' })).status).toBe(401)
  }
  expect((await desk.get(livePath(desk, { date: 'today' }))).status).toBe(400)
  expect((await desk.get(onDay(desk, { view: 'all' }))).status).toBe(400)
})
