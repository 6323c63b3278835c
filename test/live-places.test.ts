import { runInDurableObject } from 'cloudflare:test'
import { afterEach, expect, test, vi } from 'vitest'
import { PLACES_MAX, PLACES_PER_KEY_MAX, STREAMS_PER_TICKET_MAX } from '../src/doctor-day/readers/followers'
import { TICKETS_PER_KEY_MAX } from '../src/doctor-day/storage/tickets'
import { type Client, caller, type FrontDesk, keyFor, times } from './clinic'
import { type Follower, follow, KINDS, type Kind, livePath, until } from './followers'
import { arrive, at, DAY, followersOf, NOON, objectOf, onDay, openDay, withKey } from './live-day'
import { soon } from './soon'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const HOUR_SECONDS = 3_600
const FULL = { status: 503, body: { type: '/problems/live_full' } }
const stranger = caller()
const ticketsPath = (desk: FrontDesk) => `/api/v1/checkins/doctors/${desk.doctorId}/queue/tickets`
const issue = (desk: FrontDesk, by: Client = desk) => by.post(ticketsPath(desk), { date: DAY })
const boardOf = async (desk: FrontDesk, by: Client = desk): Promise<string> =>
  (await issue(desk, by)).body.url
const cutAll = (followers: Follower[]) => Promise.all(followers.map((follower) => follower.cut()))
const keysOf = (desk: FrontDesk, count: number) =>
  Promise.all(times(count, () => keyFor(desk.clinicId, ['checkins:read'])))

test.each(KINDS)('%s: one ticket has two streams at a time; a third ends the oldest', async (kind: Kind) => {
  const desk = await openDay()
  const url = await boardOf(desk)
  const followers: Follower[] = []
  for (const n of times(STREAMS_PER_TICKET_MAX + 3, (n) => n)) {
    at(NOON + n * 1_000)
    followers.push(await follow(kind, url))
    expect(await followersOf(desk)).toBeLessThanOrEqual(STREAMS_PER_TICKET_MAX)
  }
  await soon(() => expect(followers.map(({ end }) => end !== null)).toEqual([true, true, true, false, false]))
  expect((await stranger.get(await boardOf(desk))).status).toBe(200)
  await cutAll(followers)
})

test('one key takes at most its part of the places, and other keys find room', async () => {
  const desk = await openDay()
  const [other] = await keysOf(desk, 1)
  const followers = await Promise.all(
    times(PLACES_PER_KEY_MAX, () => follow('WebSocket', onDay(desk), withKey(desk))),
  )
  const full = await desk.get(onDay(desk))
  expect(full).toMatchObject(FULL)
  expect(full.headers.get('Retry-After')).toBe(String(HOUR_SECONDS))
  expect((await stranger.get(await boardOf(desk))).status).toBe(200)
  expect((await other?.get(onDay(desk)))?.status).toBe(200)
  await cutAll(followers)
})

test('screens with tickets of many keys take the places of screens, and the desk still finds its own', async () => {
  const desk = await openDay()
  const keys = await keysOf(desk, Math.ceil(PLACES_MAX.ticket / PLACES_PER_KEY_MAX))
  const followers: Follower[] = []
  for (const key of keys)
    for (const _ of times(PLACES_PER_KEY_MAX, (n) => n))
      followers.push(await follow('WebSocket', await boardOf(desk, key)))
  expect(followers).toHaveLength(PLACES_MAX.ticket)
  const full = await stranger.get(await boardOf(desk))
  expect([full.status, full.headers.get('Retry-After')]).toEqual([503, String(HOUR_SECONDS)])
  const atDesk = await follow('WebSocket', onDay(desk), withKey(desk))
  await arrive(desk)
  await until(atDesk, 3)
  await cutAll([...followers, atDesk])
}, 60_000)

test('the tickets of one key take at most their part of the places of screens', async () => {
  const desk = await openDay()
  const [other] = await keysOf(desk, 1)
  const followers: Follower[] = []
  for (const _ of times(PLACES_PER_KEY_MAX, (n) => n))
    followers.push(await follow('WebSocket', await boardOf(desk)))
  expect(await stranger.get(await boardOf(desk))).toMatchObject(FULL)
  expect((await stranger.get(await boardOf(desk, other))).status).toBe(200)
  await cutAll(followers)
})

test('one key cannot issue all tickets of a day; Retry-After says when its next one expires', async () => {
  const desk = await openDay()
  const [other] = await keysOf(desk, 1)
  await issue(desk)
  await runInDurableObject(objectOf(desk), (_, { storage }) => {
    for (const n of times(TICKETS_PER_KEY_MAX - 1, (n) => n))
      storage.sql.exec(
        `INSERT INTO tickets VALUES (?, ?, ?, 'c', 'board', ?)`,
        ...[`h${n}`, `o${n}`, desk.keyId, NOON + 15 * 60_000],
      )
  })
  at(NOON + 60_000)
  const full = await issue(desk)
  expect(full).toMatchObject(FULL)
  expect(full.headers.get('Retry-After')).toBe(String(14 * 60))
  expect((await issue(desk, other)).status).toBe(201)
  at(NOON + 15 * 60_000)
  expect((await issue(desk)).status).toBe(201)
})

test('a follower whose hour is over holds no place', async () => {
  const desk = await openDay()
  const url = await boardOf(desk)
  const followers = await Promise.all(times(STREAMS_PER_TICKET_MAX, () => follow('WebSocket', url)))
  at(NOON + HOUR_SECONDS * 1_000)
  const fresh = livePath(desk, { date: DAY, ticket: (await issue(desk)).body.ticket })
  expect((await stranger.get(fresh)).status).toBe(200)
  await soon(() => expect(followers.map(({ end }) => end?.code)).toEqual([4000, 4000]))
})
