import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { KEYS_ASKED_EVERY_MS } from '../src/doctor-day/readers/key-watch'
import { type Client, caller, type FrontDesk, keyFor } from './clinic'
import { type Follower, follow, KINDS, until } from './followers'
import { arrive, at, DAY, NOON, objectOf, onDay, openDay, withKey } from './live-day'
import { changeRole, personOf } from './people'
import { soon } from './soon'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const stranger = caller()
const ticketOf = async (desk: FrontDesk, by: Client, view = 'board'): Promise<string> =>
  (await by.post(`/api/v1/checkins/doctors/${desk.doctorId}/queue/tickets`, { date: DAY, view })).body.url
const follower = (desk: FrontDesk) => keyFor(desk.clinicId, ['checkins:read'])
/** As another isolate does it: this one still has the key in memory. */
const revoke = ({ keyId }: Client) =>
  env.DB.prepare('UPDATE api_keys SET revoked_at = 1 WHERE id = ?').bind(keyId).run()
const alarmOf = (desk: FrontDesk) =>
  runInDurableObject(objectOf(desk), (_, { storage }) => storage.getAlarm())
/** Rings as late as the day has asked for, and tells when that was. */
const ring = async (desk: FrontDesk): Promise<number> => {
  const due = (await alarmOf(desk)) ?? Number.POSITIVE_INFINITY
  at(Math.max(due, Date.now()))
  await runDurableObjectAlarm(objectOf(desk))
  return due
}

test('the day asks about keys early enough that a stream ends ten seconds after a revocation', () => {
  expect(KEYS_ASKED_EVERY_MS + 2_000).toBeLessThanOrEqual(10_000)
})

test.each(KINDS)(
  '%s: the streams of a revoked key and of its tickets end, the others go on',
  async (kind) => {
    const desk = await openDay()
    const key = await follower(desk)
    const [own, ofTicket, other, otherBoard] = [
      await follow(kind, onDay(desk), withKey(key)),
      await follow(kind, await ticketOf(desk, key)),
      await follow(kind, onDay(desk), withKey(desk)),
      await follow(kind, await ticketOf(desk, desk)),
    ]
    await Promise.all([own, ofTicket, other, otherBoard].map((one) => until(one, 0)))
    await revoke(key)
    expect(await ring(desk)).toBeLessThanOrEqual(NOON + KEYS_ASKED_EVERY_MS)
    await soon(() => expect([own.end, ofTicket.end]).not.toContain(null))
    if (kind === 'WebSocket') expect([own.end?.code, ofTicket.end?.code]).toEqual([4001, 4001])
    await arrive(desk)
    await Promise.all([until(other, 3), until(otherBoard, 3)])
    expect(own.messages).toHaveLength(1)
    await Promise.all([other.cut(), otherBoard.cut()])
  },
)

test.each([
  ['has expired', 'UPDATE api_keys SET expires_at = 1 WHERE id = ?'],
  ['may not read queues any more', `UPDATE api_keys SET scopes = '["tests:read"]' WHERE id = ?`],
])(
  'the streams of a key that %s end as those of a revoked one, and its ticket opens nothing',
  async (_, sql) => {
    const desk = await openDay()
    const key = await follower(desk)
    const ticket = await ticketOf(desk, key)
    const [own, ofTicket, other] = [
      await follow('WebSocket', onDay(desk), withKey(key)),
      await follow('WebSocket', ticket),
      await follow('WebSocket', onDay(desk), withKey(desk)),
    ]
    await Promise.all([own, ofTicket, other].map((one) => until(one, 0)))
    await env.DB.prepare(sql).bind(key.keyId).run()
    await ring(desk)
    await soon(() => expect([own.end?.code, ofTicket.end?.code]).toEqual([4001, 4001]))
    expect((await stranger.get(ticket)).status).toBe(401)
    expect(other.end).toBeNull()
    await other.cut()
  },
)

test('a person whose new role may not read queues follows none any more; one who still may goes on', async () => {
  const desk = await openDay()
  const manager = await keyFor(desk.clinicId, ['*', 'clinic:admin'])
  const [nurse, stays] = [await personOf(manager, 'nurse'), await personOf(manager, 'nurse')]
  const own = await follow('WebSocket', onDay(desk), withKey({ ...manager, key: nurse.key }))
  const other = await follow('WebSocket', onDay(desk), withKey({ ...manager, key: stays.key }))
  await Promise.all([own, other].map((one) => until(one, 0)))
  expect((await changeRole(manager, nurse, 'lab')).status).toBe(200)
  expect((await changeRole(manager, stays, 'doctor')).status).toBe(200)
  await ring(desk)
  await soon(() => expect(own.end?.code).toBe(4001))
  expect(other.end).toBeNull()
  await other.cut()
})

test('the day goes on asking while it has followers, also unused and after an eviction, and then stops', async () => {
  const desk = await openDay()
  const key = await follower(desk)
  const one = await follow('WebSocket', onDay(desk), withKey(key))
  await until(one, 0)
  for (const round of [1, 2, 3]) {
    if (round === 2) await evictDurableObject(objectOf(desk))
    expect(await ring(desk)).toBeLessThanOrEqual(NOON + round * KEYS_ASKED_EVERY_MS)
  }
  expect(one.end).toBeNull()
  await one.cut()
  await soon(async () => {
    await ring(desk)
    expect(await alarmOf(desk)).toBeNull()
  })
})

test('a ticket of a revoked key opens nothing, at once, on any day that it was issued for', async () => {
  const desk = await openDay()
  const key = await follower(desk)
  const [board, names] = [await ticketOf(desk, key), await ticketOf(desk, key, 'desk')]
  await revoke(key)
  at(NOON + 10_000)
  for (const url of [board, names, board]) expect((await stranger.get(url)).status).toBe(401)
  vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'prepare').mockImplementation(() => {
    throw new Error('D1_ERROR: Network connection lost.')
  })
  expect((await stranger.get(board)).status).toBe(401)
})

test('a key that another isolate revoked opens no stream, though this one still knows it', async () => {
  const desk = await openDay()
  const key = await follower(desk)
  expect((await key.get('/api/v1/doctors')).status).toBe(403)
  await revoke(key)
  expect((await key.get(onDay(desk))).status).toBe(401)
})

test('many followers of many keys cost one query each time, and an outage of D1 closes no stream', async () => {
  const desk = await openDay()
  const keys = [desk, await follower(desk), await follower(desk), await follower(desk)]
  const followers: Follower[] = []
  for (const key of [...keys, ...keys]) followers.push(await follow('WebSocket', onDay(desk), withKey(key)))
  await Promise.all(followers.map((one) => until(one, 0)))
  const asked = vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'prepare')
  await ring(desk)
  expect(asked).toHaveBeenCalledTimes(1)
  asked.mockImplementation(() => {
    throw new Error('D1_ERROR: Network connection lost.')
  })
  await ring(desk)
  expect(asked).toHaveBeenCalledTimes(2)
  asked.mockRestore()
  expect(followers.map(({ end }) => end)).toEqual(followers.map(() => null))
  await revoke(keys[1] as Client)
  await ring(desk)
  await soon(() => expect(followers.filter(({ end }) => end?.code === 4001)).toHaveLength(2))
  await Promise.all(followers.map((one) => one.cut()))
})
