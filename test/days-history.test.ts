import { runInDurableObject } from 'cloudflare:test'
import { afterEach, expect, test, vi } from 'vitest'
import type { DoctorDay } from '../src/doctor-day/doctor-day'
import type { Recorded } from '../src/doctor-day/state/event'
import { fold, foldUntil } from '../src/doctor-day/state/fold'
import { DAY, inStorage, NOON, objectOf, openBusyDay, pathOf, verdictOf } from './busy-day'
import { allPages, keyFor, openFrontDesk, times } from './clinic'

afterEach(() => {
  vi.useRealTimers()
})

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
    staff_id: null,
    type: 'booked',
    data: { appointment_id: desk.appointmentId, patient_id: desk.patientIds[0], slot: 1 },
  })
})

test('since leads on behind the last event seen, page after page, to the end', async () => {
  const desk = await openBusyDay()
  const pages = await allPages(desk, `${pathOf(desk, 'events')}?limit=4`)
  const seen = pages.flatMap(({ body }) => body.map(({ seq }: Recorded) => seq))
  expect(seen).toEqual([1, 2, 3, 4, 5, 6])
  expect((await desk.get(`${pathOf(desk, 'events')}?since=5`)).body).toMatchObject([{ seq: 6 }])
  expect((await desk.get(`${pathOf(desk, 'events')}?since=6`)).body).toEqual([])
  expect((await desk.get(`${pathOf(desk, 'events')}?limit=6`)).headers.get('Link')).toBeNull()
})

test('whatever is read of a day that nobody has touched is answered, also of an instant, and leaves it untouched', async () => {
  const desk = await openFrontDesk()
  const [doctor, days] = [`doctor_id=${desk.doctorId}`, `/api/v1/doctors/${desk.doctorId}/days/${DAY}`]
  const empty = [
    `/api/v1/checkins/doctors/${desk.doctorId}/queue?date=${DAY}`,
    `/api/v1/appointments/waitlist?${doctor}&date=${DAY}`,
    `/api/v1/appointments?${doctor}&from=${DAY}&to=${DAY}`,
    `/api/v1/appointments/doctors/${desk.doctorId}/appointments?date=${DAY}`,
    `${days}/events?since=3`,
    `${days}/list`,
  ]
  for (const path of empty) expect([path, (await desk.get(path)).body]).toEqual([path, []])
  const instants = [
    '1999-01-01T00:00:00Z',
    new Date().toISOString(),
    `${DAY}T12:00:00Z`,
    '2099-01-01T00:00:00Z',
  ]
  for (const at of instants)
    for (const path of empty.slice(0, 2))
      expect([at, (await desk.get(`${path}&at=${at}`)).body]).toEqual([at, []])
  const { status, body } = await desk.get(days)
  expect([status, body.booked, body.remaining]).toEqual([200, 0, 10])
  const { capacity, booked, version } = body
  const ledger = { date: DAY, capacity, booked, version }
  const then = async (at: string) => (await desk.get(`${days}?at=${at}`)).body
  for (const at of instants) expect([at, await then(at)]).toMatchObject([at, ledger])
  for (const path of [`${days}/verify`, `/api/v1/doctors/${desk.doctorId}/availability?date=${DAY}`])
    expect([path, (await desk.get(path)).status]).toEqual([path, 200])
  const ticket = await desk.post(`/api/v1/checkins/doctors/${desk.doctorId}/queue/tickets`, { date: DAY })
  expect(ticket.status).toBe(201)
  for (const at of instants) expect([at, await then(at)]).toMatchObject([at, ledger])
  const tables = await inStorage(desk, (sql) =>
    sql
      .exec<{ name: string }>(
        `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'`,
      )
      .toArray(),
  )
  expect(tables).toEqual([{ name: 'tickets' }])
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

test.each(['since=-1', 'since=x', 'limit=0', 'limit=-1', 'limit=x'])(
  'events with ?%s is 400',
  async (search) => {
    const desk = await openFrontDesk()
    const { status, body } = await desk.get(`${pathOf(desk, 'events')}?${search}`)
    expect([status, body.errors[0].field]).toEqual([400, search.split('=')[0]])
  },
)

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

test('a day as of an instant holds what had happened by then, and nothing later', async () => {
  const desk = await openBusyDay()
  const dayAt = (at: number, clinicId = desk.clinicId) =>
    runInDurableObject(objectOf(desk), async (object: DoctorDay) => {
      const sight = await object.see(clinicId, { view: 'ledger' }, at)
      return 'refused' in sight ? expect.fail(sight.refused) : sight.seen
    })
  const facts = async (at: number) => {
    const day = await dayAt(at)
    return day && [day.version, day.booked, day.capacity]
  }
  expect(await facts(NOON - 1)).toBeNull()
  expect(await facts(NOON)).toEqual([2, 1, 10])
  expect(await facts(NOON + 59_999)).toEqual([2, 1, 10])
  expect(await facts(NOON + 60_000)).toEqual([3, 2, 10])
  expect(await facts(NOON + 120_000)).toEqual([5, 2, 12])
  expect(await facts(Number.MAX_SAFE_INTEGER)).toEqual([6, 2, 12])
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
