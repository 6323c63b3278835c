import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { DAY, objectOf, openBusyDay, pathOf, verdictOf } from './busy-day'
import { type FrontDesk, times } from './clinic'
import { aroundCopying } from './faults'
import { soon } from './soon'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
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
  await soon(async () => expect((await copyOf(desk)).map((rows) => rows.length)).toEqual([1, 2, 1]))
  return copyOf(desk)
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
  expect((await desk.post(pathOf(desk, 'resync', '2040-03-15'), {}, key)).status).toBe(422)
  expect((await desk.post(url)).body).toEqual({ events: 7 })
})

test('a resync asked for while the copy rests between two events is not forgotten', async () => {
  const desk = await openBusyDay()
  await wholeCopy(desk)
  await desk.book({ date: DAY, allow_another: true })
  await wipeCopy(desk)
  await desk.book({ date: DAY, allow_another: true })
  await desk.post(pathOf(desk, 'resync'))
  await soon(async () => expect((await copyOf(desk)).map((rows) => rows.length)).toEqual([1, 4, 1]))
})

test('a resync while D1 is out of reach is accepted, and done when D1 is back', async () => {
  const desk = await openBusyDay()
  const before = await wholeCopy(desk)
  await wipeCopy(desk)
  const lost = aroundCopying(() => Promise.reject(new Error('D1_ERROR: Network connection lost.')))
  expect((await desk.post(pathOf(desk, 'resync'))).status).toBe(202)
  await soon(() => expect(lost).toHaveBeenCalled())
  await evictDurableObject(objectOf(desk))
  lost.mockRestore()
  expect((await copyOf(desk)).flat()).toEqual([])
  expect(await runDurableObjectAlarm(objectOf(desk))).toBe(true)
  expect(await wholeCopy(desk)).toEqual(before)
})

test('an accepted resync has its alarm set at once, in case D1 hangs and the object dies', async () => {
  const desk = await openBusyDay()
  await wholeCopy(desk)
  vi.useRealTimers()
  const alarm = () => runInDurableObject(objectOf(desk), (_, state) => state.storage.getAlarm())
  await runDurableObjectAlarm(objectOf(desk))
  expect(await alarm()).toBeNull()
  let mayEnd = false
  aroundCopying(async (copy) => {
    while (!mayEnd) await scheduler.wait(5)
    return copy()
  })
  const askedAt = Date.now()
  await desk.post(pathOf(desk, 'resync'))
  expect(await alarm()).toBeGreaterThan(askedAt)
  mayEnd = true
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
  await soon(() => expect(hasCopied).toBe(true))
  await wipeCopy(desk)
  await desk.post(pathOf(desk, 'resync'))
  mayEnd = true
  expect(await wholeCopy(desk)).toEqual(before)
})
