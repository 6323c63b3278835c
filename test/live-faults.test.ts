import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { PLACES_MAX, PLACES_PER_KEY_MAX } from '../src/doctor-day/readers/followers'
import { keyFor, times } from './clinic'
import { passTime } from './faults'
import { folded, follow, until } from './followers'
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

/** What a screen waits for names. */
const WAIT_MS = 3_000

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

test('only so many follow one day; one that goes makes room', async () => {
  const desk = await openDay()
  const keys = await Promise.all(
    times(PLACES_MAX.key / PLACES_PER_KEY_MAX, () => keyFor(desk.clinicId, ['checkins:read'])),
  )
  const followers = await Promise.all(
    times(PLACES_MAX.key, (n) => follow('WebSocket', onDay(desk), withKey(keys[n % keys.length] ?? desk))),
  )
  const full = await desk.get(onDay(desk))
  expect(full).toMatchObject({ status: 503, body: { type: '/problems/live_full' } })
  expect(full.headers.get('Retry-After')).toBe('3600')
  await arrive(desk, 0)
  await Promise.all(followers.map((follower) => until(follower, 3)))
  await followers[0]?.cut()
  await soon(async () => expect(await followersOf(desk)).toBe(PLACES_MAX.key - 1))
  expect((await desk.get(onDay(desk))).status).toBe(200)
  await Promise.all(followers.map((follower) => follower.cut()))
}, 20_000)

test('one socket that fails is dropped, and the others hear everything', async () => {
  const desk = await openDay()
  const followers = await Promise.all(times(3, () => follow('WebSocket', onDay(desk), withKey(desk))))
  await Promise.all(followers.map((follower) => until(follower, 0)))
  await runInDurableObject(objectOf(desk), (_, state) => {
    const [socket] = state.getWebSockets()
    vi.spyOn(socket as WebSocket, 'send').mockImplementation(() => {
      throw new Error('The pipe is broken')
    })
    vi.spyOn(state, 'getWebSockets').mockReturnValue([socket as WebSocket, ...state.getWebSockets().slice(1)])
  })
  await arrive(desk, 0)
  await soon(() => expect(followers.filter(({ end }) => end?.code === 1011)).toHaveLength(1))
  const others = followers.filter(({ end }) => end === null)
  await Promise.all(others.map((follower) => until(follower, 3)))
  await Promise.all(others.map((follower) => follower.cut()))
})

test('while D1 is gone the desk waits for its names, in order, and the board goes on', async () => {
  const desk = await openDay()
  const known = await arrive(desk, 0)
  const [atDesk, board] = [
    await follow('WebSocket', onDay(desk), withKey(desk)),
    await follow('WebSocket', onDay(desk, { view: 'board' }), withKey(desk)),
  ]
  await Promise.all([until(atDesk, 3), until(board, 3)])
  const { body } = await desk.book({ date: DAY, patient: 1 })
  const names = askNames(() => {
    throw new Error('D1_ERROR: Network connection lost.')
  })
  await desk.post('/api/v1/checkins', { appointment_id: body.id, patient_id: body.patient_id })
  await next(desk, '1').catch(() => {})
  await step(desk, known, 'serve')
  await until(board, 7)
  expect(atDesk.messages.map(({ seq }) => seq)).toEqual([3, 4])
  expect(names.asked()).toBeGreaterThan(0)
  await runInDurableObject(objectOf(desk), (_, { storage }) => storage.deleteAlarm())
  await evictDurableObject(objectOf(desk))
  vi.restoreAllMocks()
  await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${DAY}`)
  expect(await runDurableObjectAlarm(objectOf(desk))).toBe(true)
  await until(atDesk, 7)
  expect(atDesk.messages.map(({ seq }) => seq)).toEqual([3, 4, 5, 6, 7])
  expect(folded(atDesk.messages)).toEqual(await listing(desk))
  await Promise.all([atDesk.cut(), board.cut()])
})

test('while D1 says nothing at all the desk asks for its names again', async () => {
  const desk = await openDay()
  const atDesk = await follow('WebSocket', onDay(desk), withKey(desk))
  await until(atDesk, 0)
  const names = askNames(() => new Promise(() => {}))
  vi.useFakeTimers({ now: NOON, toFake: ['Date', 'setTimeout', 'clearTimeout'] })
  await arrive(desk)
  await soon(() => expect(names.asked()).toBe(1))
  await passTime(objectOf(desk), WAIT_MS)
  vi.restoreAllMocks()
  at(NOON)
  await runDurableObjectAlarm(objectOf(desk))
  await until(atDesk, 3)
  expect(folded(atDesk.messages)).toEqual(await listing(desk))
  await atDesk.cut()
})

/** Whoever asks D1 for patients’ names gets this answer; all else works. */
function askNames(answer: () => Promise<never>): { asked(): number } {
  const prototype = Object.getPrototypeOf(env.DB) as D1Database
  const prepare = prototype.prepare
  let asked = 0
  vi.spyOn(prototype, 'prepare').mockImplementation(function (this: D1Database, query: string) {
    const statement = prepare.call(this, query)
    if (!/^SELECT asked.value AS id, patients.name /.test(query)) return statement
    const told = () => {
      asked += 1
      return answer()
    }
    return Object.assign(statement, { bind: () => ({ all: told }) })
  })
  return { asked: () => asked }
}
