import { Temporal } from 'temporal-polyfill'
import { afterEach, expect, test, vi } from 'vitest'
import { openFrontDesk } from './clinic'
import { onTheWall, walk } from './on-the-wall'
import { openTimedDesk } from './timed-desk'

/** A date as the API keeps it, against Temporal: how long it is, when it begins, and when it ends. */

const MINUTE = 60_000
const DAY_MS = 24 * 60 * MINUTE
afterEach(() => {
  vi.useRealTimers()
})

test.each([
  ['America/New_York', '2040-03-11', 46],
  ['America/New_York', '2040-11-04', 50],
  ['Europe/Berlin', '2040-03-25', 46],
  ['Europe/Berlin', '2040-10-28', 50],
  ['Australia/Lord_Howe', '2040-04-01', 49],
  ['Australia/Lord_Howe', '2040-10-07', 47],
  ['Pacific/Chatham', '2040-04-01', 50],
  ['Pacific/Chatham', '2040-09-30', 46],
  ['America/Sao_Paulo', '2018-11-04', 46],
  ['America/Sao_Paulo', '2018-02-17', 50],
  ['America/Havana', '2040-03-11', 46],
  ['Asia/Amman', '2021-03-26', 46],
  ['Pacific/Apia', '2011-12-30', 0],
  ['Asia/Kolkata', '2028-02-29', 48],
])('in %s, %s has %i half hours, through the API as by Temporal', async (timeZone, date, count) => {
  // A date that is over is refused, and some of these are.
  vi.useFakeTimers({ now: onTheWall(date, '00:00', timeZone).epochMilliseconds - DAY_MS, toFake: ['Date'] })
  const desk = await openTimedDesk({ from: '00:00', to: '24:00', minutes_per_slot: 30 }, { timeZone })
  const expected = [...walk(onTheWall(date, '00:00', timeZone), onTheWall(date, '24:00', timeZone), 30)]
  const timesOf = async () =>
    (await desk.ledger(date)).body.slots.map((slot: Record<string, string>) => ({
      startsAt: slot.starts_at,
      endsAt: slot.ends_at,
    }))
  expect(expected).toHaveLength(count)
  expect(await timesOf()).toEqual(expected)
  const booked = await desk.book({ date })
  expect(booked.status).toBe(count === 0 ? 409 : 201)
  expect([booked.body.starts_at, booked.body.ends_at]).toEqual([expected[0]?.startsAt, expected[0]?.endsAt])
  expect(await timesOf()).toEqual(expected)
})

/** Days of 23, 25, 23.5 and 24 hours; in Havana and Cairo these have no midnight. */
test.each([
  ['America/New_York', '2040-03-11'],
  ['America/New_York', '2040-11-04'],
  ['Europe/Berlin', '2040-10-28'],
  ['America/Havana', '2040-03-11'],
  ['Africa/Cairo', '2040-04-27'],
  ['Australia/Lord_Howe', '2040-10-07'],
  ['Pacific/Chatham', '2040-04-01'],
  ['Asia/Kolkata', '2040-02-29'],
])('in %s, %s is today from its first instant to its last: check-in, walk-in, lists', async (zone, date) => {
  const desk = await openFrontDesk({ patients: 9, timeZone: zone })
  const booked: string[] = []
  for (const patient of [0, 1, 2, 3, 4, 5, 6]) booked.push((await desk.book({ date, patient })).body.id)
  const arriveAt = (now: number, patient: number) => {
    vi.useFakeTimers({ now, toFake: ['Date'] })
    const arrival = { appointment_id: booked[patient], patient_id: desk.patientIds[patient] }
    return desk.post('/api/v1/checkins', arrival)
  }
  const today = async () =>
    (await desk.get(`/api/v1/doctors/${desk.doctorId}/availability`)).body.date as string
  const first = onTheWall(date, '00:00', zone).epochMilliseconds
  const next = onTheWall(date, '24:00', zone).epochMilliseconds
  const asked = [first - 1, first, first + MINUTE, next - MINUTE, next - 1, next, next + MINUTE]
  const [replies, dates]: [Awaited<ReturnType<typeof arriveAt>>[], string[]] = [[], []]
  for (const [patient, now] of asked.entries()) {
    replies.push(await arriveAt(now, patient))
    dates.push(await today())
  }
  expect(replies.map(({ status }) => status)).toEqual([422, 201, 201, 201, 201, 422, 422])
  expect(replies[0]?.body.message).toContain('only allowed on appointment date')
  const dateIn = (days: number) => Temporal.PlainDate.from(date).add({ days }).toString()
  expect(dates).toEqual([dateIn(-1), date, date, date, date, dateIn(1), dateIn(1)])
  vi.setSystemTime(next - 1)
  const walkIn = { patient_id: desk.patientIds[7], doctor_id: desk.doctorId }
  expect((await desk.post('/api/v1/checkins/walk-in', walkIn)).body).toMatchObject({ queue_position: 5 })
  const list = `/api/v1/appointments/doctors/${desk.doctorId}/appointments`
  expect((await desk.get(list)).body).toHaveLength(8)
  vi.setSystemTime(next)
  expect((await desk.get(list)).body).toHaveLength(0)
  const queue = await desk.get(`/api/v1/checkins/doctors/${desk.doctorId}/queue?date=${date}`)
  expect(queue.body).toHaveLength(5)
})
