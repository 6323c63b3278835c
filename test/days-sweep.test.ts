import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { dayKey } from '../src/doctor-day/storage/address'
import { pathOf } from './busy-day'
import { type FrontDesk, openFrontDesk } from './clinic'

/** Later than the real clock: an alarm in the past of it would ring by itself. */
const DAY = '2031-03-14'
const HOUR = 3_600_000
const MORNING = Date.parse(`${DAY}T08:00:00Z`)
afterEach(() => {
  vi.useRealTimers()
})

const objectOf = (desk: FrontDesk) =>
  env.DOCTOR_DAY.get(env.DOCTOR_DAY.idFromName(dayKey(desk.clinicId, desk.doctorId, DAY)))
const verdictOf = async (desk: FrontDesk) => (await desk.get(pathOf(desk, 'verify', DAY))).body
const replies = (desk: FrontDesk) =>
  runInDurableObject(
    objectOf(desk),
    (_, { storage }) => storage.sql.exec<{ count: number }>('SELECT count(*) AS count FROM ops').one().count,
  )
const alarmOf = (desk: FrontDesk) =>
  runInDurableObject(objectOf(desk), (_, { storage }) => storage.getAlarm())
const ring = (desk: FrontDesk) => runDurableObjectAlarm(objectOf(desk))
const book = (desk: FrontDesk, key?: string) =>
  desk.book({ date: DAY, allow_another: true }, key ? { 'Idempotency-Key': key } : {})

/** The alarm has rung once after the bookings, so that only the sweep is left. */
async function openDay(timeZone = 'UTC') {
  vi.useFakeTimers({ now: MORNING, toFake: ['Date'] })
  const desk = await openFrontDesk({ timeZone })
  await book(desk)
  await book(desk, 'k')
  vi.setSystemTime(MORNING + 60_000)
  await ring(desk)
  return desk
}

test.each([
  ['UTC', '2031-03-16T00:00:00Z'],
  ['America/New_York', '2031-03-16T04:00:00Z'],
  ['Pacific/Kiritimati', '2031-03-15T10:00:00Z'],
  ['Asia/Kolkata', '2031-03-15T18:30:00Z'],
])('in %s replies are removed 24 hours after the end of the date', async (timeZone, due) => {
  const desk = await openDay(timeZone)
  expect(await alarmOf(desk)).toBe(Date.parse(due))
  vi.setSystemTime(Date.parse(due) - 1)
  await ring(desk)
  expect(await replies(desk)).toBe(2)
  vi.setSystemTime(Date.parse(due))
  await ring(desk)
  expect(await replies(desk)).toBe(0)
  expect(await alarmOf(desk)).toBeNull()
  expect(await verdictOf(desk)).toMatchObject({ ok: true, count: 3 })
})

test('a reply that is younger than its key is valid stays, and the alarm comes back for it', async () => {
  const desk = await openDay()
  const late = Date.parse('2031-03-15T20:00:00Z')
  vi.setSystemTime(late)
  const callNext = () =>
    desk.post(
      `/api/v1/checkins/doctors/${desk.doctorId}/queue/next`,
      { date: DAY, room: '1' },
      { 'Idempotency-Key': 'late' },
    )
  expect((await callNext()).status).toBe(204)
  vi.setSystemTime(Date.parse('2031-03-16T00:00:00Z'))
  await ring(desk)
  expect(await replies(desk)).toBe(1)
  expect(await alarmOf(desk)).toBe(late + 24 * HOUR)
  expect((await callNext()).status).toBe(204)
  expect(await replies(desk)).toBe(1)
  vi.setSystemTime(late + 24 * HOUR)
  await ring(desk)
  expect(await replies(desk)).toBe(0)
})

test('refusals with keys are removed too, also on a day that has nothing but an answer', async () => {
  vi.useFakeTimers({ now: MORNING, toFake: ['Date'] })
  const desk = await openFrontDesk()
  const next = `/api/v1/checkins/doctors/${desk.doctorId}/queue/next`
  const called = await desk.post(next, { date: DAY, room: '1' }, { 'Idempotency-Key': 'k' })
  expect(called.status).toBe(204)
  expect(await replies(desk)).toBe(1)
  vi.setSystemTime((await alarmOf(desk)) ?? 0)
  await ring(desk)
  expect(await replies(desk)).toBe(0)
  expect(Date.now()).toBeGreaterThanOrEqual(MORNING + 24 * HOUR)
  expect(await verdictOf(desk)).toMatchObject({ ok: true, count: 0 })
})
