import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { openFrontDesk, type Reply, statuses, times } from './clinic'
import { betweenDays } from './faults'
import {
  APPOINTMENTS,
  CHECKINS,
  eventsOf,
  forgetReplies,
  get,
  idsOn,
  ledger,
  MONDAY,
  move,
  objectOf,
  TUESDAY,
  typeOf,
  WEDNESDAY,
} from './moves'
import { soon } from './soon'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

test('a rescheduled appointment keeps its id, takes the lowest slot of its new day and leaves the old one free', async () => {
  const desk = await openFrontDesk({ patients: 3 })
  const [first, , third] = await Promise.all([0, 1, 2].map((n) => desk.book({ date: MONDAY, patient: n })))
  await desk.book({ date: TUESDAY, patient: 1 })
  const moved = await move(desk, third?.body.id, { date: TUESDAY })
  const stands = { id: third?.body.id, date: TUESDAY, slot: 2, status: 'booked' }
  expect(moved).toMatchObject({ status: 200, body: { ...stands, created_at: third?.body.created_at } })
  expect((await get(desk, third?.body.id)).text).toBe(moved.text)
  expect(await idsOn(desk, MONDAY)).not.toContain(third?.body.id)
  expect(await idsOn(desk, TUESDAY)).toContain(third?.body.id)
  expect(await ledger(desk, MONDAY)).toMatchObject({ booked: 2, held: 0, remaining: 8 })
  expect(await ledger(desk, TUESDAY)).toMatchObject({ booked: 2, held: 0, remaining: 8 })
  await move(desk, first?.body.id, { date: TUESDAY })
  expect((await desk.book({ date: MONDAY, patient: 2 })).body.slot).toBe(1)
})

test('it may go to another doctor, and stays with its own where none is named', async () => {
  const desk = await openFrontDesk()
  const { body: other } = await desk.post('/api/v1/doctors', { name: 'Ada', code: 'AL' })
  const { body } = await desk.book({ date: MONDAY })
  expect((await move(desk, body.id, { date: MONDAY, doctor_id: other.id })).body).toMatchObject({
    doctor_id: other.id,
    date: MONDAY,
  })
  expect((await move(desk, body.id, { date: TUESDAY })).body).toMatchObject({ doctor_id: other.id })
})

test('to the day it is on: nothing changes and nothing is written', async () => {
  const desk = await openFrontDesk()
  const { body, text } = await desk.book({ date: MONDAY })
  const { version } = await ledger(desk, MONDAY)
  expect((await move(desk, body.id, { date: MONDAY })).text).toBe(text)
  expect((await ledger(desk, MONDAY)).version).toBe(version)
})

test('where the new day is full, or its doctor absent, it is refused and the old slot is still held', async () => {
  const desk = await openFrontDesk({ patients: 2, capacity: 1 })
  const { body } = await desk.book({ date: MONDAY })
  await desk.book({ date: TUESDAY, patient: 1 })
  await desk.post(`/api/v1/doctors/${desk.doctorId}/availability`, { date: WEDNESDAY, is_present: false })
  expect(typeOf(await move(desk, body.id, { date: TUESDAY }, 'k'))).toEqual([409, 'day_full'])
  expect(typeOf(await move(desk, body.id, { date: WEDNESDAY }))).toEqual([422, 'doctor_absent'])
  expect(await idsOn(desk, MONDAY)).toEqual([body.id])
  expect(await ledger(desk, MONDAY)).toMatchObject({ booked: 1, held: 0 })
  expect(await ledger(desk, TUESDAY)).toMatchObject({ booked: 1, held: 0 })
  expect((await desk.book({ date: MONDAY, patient: 1 })).status).toBe(409)
  await forgetReplies()
  expect(typeOf(await move(desk, body.id, { date: TUESDAY }, 'k'))).toEqual([409, 'day_full'])
})

test('what was cancelled, has checked in, is unknown, or would be the patient’s second that day is refused', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  vi.useFakeTimers({ now: Date.parse(`${MONDAY}T12:00:00Z`), toFake: ['Date'] })
  const [one, two] = [await desk.book({ date: MONDAY }), await desk.book({ date: MONDAY, patient: 1 })]
  await desk.book({ date: TUESDAY })
  expect(typeOf(await move(desk, one.body.id, { date: TUESDAY }))).toEqual([409, 'already_booked'])
  expect((await move(desk, one.body.id, { date: TUESDAY, allow_another: true })).body.slot).toBe(2)
  await desk.post(`${APPOINTMENTS}/${one.body.id}/cancel`)
  expect(typeOf(await move(desk, one.body.id, { date: MONDAY }))).toEqual([409, 'already_cancelled'])
  await desk.post(CHECKINS, { appointment_id: two.body.id, patient_id: desk.patientIds[1] })
  expect(typeOf(await move(desk, two.body.id, { date: TUESDAY }))).toEqual([409, 'already_checked_in'])
  expect((await move(desk, crypto.randomUUID(), { date: TUESDAY })).status).toBe(404)
  expect((await move(desk, two.body.id, { date: TUESDAY, doctor_id: 'nobody' })).status).toBe(404)
  const fault = await move(desk, two.body.id, { date: 'soon' })
  expect([fault.status, fault.body.errors[0].field]).toEqual([400, 'date'])
})

test('the first who waits gets the slot that was left; who waits for the new day leaves that line', async () => {
  const desk = await openFrontDesk({ patients: 3, capacity: 1 })
  const { body } = await desk.book({ date: MONDAY })
  const there = await desk.book({ date: TUESDAY, patient: 2 })
  const wait = async (patient: number, date: string) =>
    (
      await desk.post(`${APPOINTMENTS}/waitlist`, {
        ...{ doctor_id: desk.doctorId, date, patient_id: desk.patientIds[patient] },
      })
    ).body
  await wait(1, MONDAY)
  await wait(0, TUESDAY)
  await desk.post(`${APPOINTMENTS}/${there.body.id}/cancel`)
  expect(await ledger(desk, TUESDAY)).toMatchObject({ offered: 1, remaining: 0 })
  expect((await move(desk, body.id, { date: TUESDAY })).body).toMatchObject({ slot: 1, date: TUESDAY })
  expect(await ledger(desk, TUESDAY)).toMatchObject({ booked: 1, held: 0, offered: 0, waiting: 0 })
  expect(await wait(1, MONDAY)).toMatchObject({ status: 'offered', offer: { slot: 1 } })
})

test('the id that was told at the booking serves for ever: reading, cancelling, checking in, calling, waiting', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  const [one, two] = [await desk.book({ date: MONDAY }), await desk.book({ date: MONDAY, patient: 1 })]
  for (const date of [TUESDAY, WEDNESDAY]) {
    await move(desk, one.body.id, { date })
    await move(desk, two.body.id, { date })
  }
  vi.useFakeTimers({ now: Date.parse(`${WEDNESDAY}T12:00:00Z`), toFake: ['Date'] })
  const arrival = { appointment_id: one.body.id, patient_id: desk.patientIds[0] }
  expect((await desk.post(CHECKINS, arrival)).body.queue_position).toBe(1)
  expect((await desk.get(`${CHECKINS}/${one.body.id}`)).body).toMatchObject({ position: 1, ahead: 0 })
  const called = await desk.post(`${CHECKINS}/doctors/${desk.doctorId}/queue/next`, { room: '1' })
  expect(called.body.appointment_id).toBe(one.body.id)
  expect((await desk.post(`${CHECKINS}/${one.body.id}/serve`)).body.status).toBe('served')
  expect((await desk.post(`${APPOINTMENTS}/${two.body.id}/cancel`)).body).toMatchObject({
    id: two.body.id,
    date: WEDNESDAY,
    status: 'cancelled',
  })
  expect((await get(desk, two.body.id)).body.status).toBe('cancelled')
})

test('home, away and home again, and it is there', async () => {
  const desk = await openFrontDesk()
  const { body } = await desk.book({ date: MONDAY })
  for (const date of [TUESDAY, MONDAY, WEDNESDAY, TUESDAY, MONDAY]) {
    expect((await move(desk, body.id, { date })).body.date).toBe(date)
    expect((await get(desk, body.id)).body.date).toBe(date)
    expect(await idsOn(desk, date)).toEqual([body.id])
  }
  expect(await ledger(desk, MONDAY)).toMatchObject({ booked: 1, held: 0 })
  expect(await ledger(desk, TUESDAY)).toMatchObject({ booked: 0, held: 0 })
})

test('a retry gets the first reply and moves nothing, wherever the appointment has gone since', async () => {
  const desk = await openFrontDesk()
  const { body } = await desk.book({ date: MONDAY })
  const journey = [TUESDAY, WEDNESDAY, MONDAY, WEDNESDAY]
  const replies: string[] = []
  for (const [n, date] of journey.entries()) replies.push((await move(desk, body.id, { date }, `k${n}`)).text)
  await forgetReplies()
  for (const [n, date] of journey.entries())
    expect((await move(desk, body.id, { date }, `k${n}`)).text).toBe(replies[n])
  expect((await get(desk, body.id)).body.date).toBe(WEDNESDAY)
  expect((await move(desk, body.id, { date: MONDAY }, 'k0')).status).toBe(422)
})

test('twenty at once with one key are one move', async () => {
  const desk = await openFrontDesk()
  const { body } = await desk.book({ date: MONDAY })
  const replies = await Promise.all(times(20, () => move(desk, body.id, { date: TUESDAY }, 'k')))
  expect(statuses(replies)).toEqual({ 200: 20 })
  expect(new Set(replies.map(({ text }) => text)).size).toBe(1)
  expect((await eventsOf(desk, MONDAY)).filter((type) => type === 'moved_out')).toHaveLength(1)
  const arrivals = async () => (await eventsOf(desk, TUESDAY)).filter((type) => type === 'moved_in')
  await soon(async () => expect(await arrivals()).toHaveLength(1))
})

test('one day to the other and back at once: nobody waits for the other for ever', async () => {
  const desk = await openFrontDesk({ patients: 8, capacity: 8 })
  const ids: string[] = []
  for (const n of times(8, (n) => n))
    ids.push((await desk.book({ date: n % 2 ? MONDAY : TUESDAY, patient: n })).body.id)
  const replies = await Promise.all(ids.map((id, n) => move(desk, id, { date: n % 2 ? TUESDAY : MONDAY })))
  expect(statuses(replies)).toEqual({ 200: 8 })
  expect(new Set(await idsOn(desk, MONDAY))).toEqual(new Set(ids.filter((_, n) => n % 2 === 0)))
})

test('while it is between two days it can be neither cancelled, checked in nor moved again', async () => {
  const desk = await openFrontDesk()
  vi.useFakeTimers({ now: Date.parse(`${MONDAY}T12:00:00Z`), toFake: ['Date'] })
  const { body } = await desk.book({ date: MONDAY })
  const between: Reply[] = []
  betweenDays(async (command, call) => {
    if (command.type === 'reserve') {
      const arrival = { appointment_id: body.id, patient_id: desk.patientIds[0] }
      between.push(
        await desk.post(`${APPOINTMENTS}/${body.id}/cancel`, {}, { 'Idempotency-Key': 'cancel' }),
        await desk.post(CHECKINS, arrival),
        await desk.post(`${CHECKINS}/${body.id}/no-show`),
        await move(desk, body.id, { date: WEDNESDAY }),
      )
      expect((await get(desk, body.id)).body).toMatchObject({ date: MONDAY, status: 'booked' })
    }
    return call()
  })
  expect((await move(desk, body.id, { date: TUESDAY })).status).toBe(200)
  expect(between.map(typeOf)).toEqual(times(4, () => [409, 'moving']))
  const later = await desk.post(`${APPOINTMENTS}/${body.id}/cancel`, {}, { 'Idempotency-Key': 'cancel' })
  expect(later.body).toMatchObject({ status: 'cancelled', date: TUESDAY })
})

test('its first day is told where it lives now, so that following it stays short however often it moves', async () => {
  const desk = await openFrontDesk()
  const { body } = await desk.book({ date: MONDAY })
  const week = times(6, (n) => `2040-04-0${n + 1}`)
  for (const date of week) await move(desk, body.id, { date })
  await soon(async () =>
    expect((await eventsOf(desk, MONDAY)).filter((type) => type === 'pointed')).toHaveLength(5),
  )
  const asked = vi.spyOn(Object.getPrototypeOf(env.DOCTOR_DAY) as DurableObjectNamespace, 'get')
  expect((await get(desk, body.id)).body.date).toBe(week.at(-1))
  const days = asked.mock.calls.filter(([id]) => /^[0-9a-f]{20}$/.test(id.name ?? ''))
  expect(days).toHaveLength(2)
})

test('in D1’s copy it is on its new day, and news of the old day that comes late changes nothing', async () => {
  const desk = await openFrontDesk()
  const { body } = await desk.book({ date: MONDAY })
  await move(desk, body.id, { date: TUESDAY })
  const listed = async (query: string) => (await desk.get(`${APPOINTMENTS}?${query}`)).body
  await soon(async () => expect(await listed(`from=${TUESDAY}`)).toMatchObject([{ id: body.id }]))
  await desk.post(`/api/v1/doctors/${desk.doctorId}/days/${MONDAY}/resync`)
  await runDurableObjectAlarm(objectOf(desk, MONDAY))
  expect(await listed('')).toMatchObject([{ id: body.id, date: TUESDAY, doctor_id: desk.doctorId }])
  const stands = await get(desk, body.id)
  expect(await listed('')).toEqual([stands.body])
})

test('both days’ logs verify, and tell where it went and where it came from', async () => {
  const desk = await openFrontDesk()
  const { body } = await desk.book({ date: MONDAY })
  await move(desk, body.id, { date: TUESDAY })
  await soon(async () =>
    expect((await eventsOf(desk, MONDAY)).slice(2)).toEqual(['move_began', 'moved_out', 'move_settled']),
  )
  expect(await eventsOf(desk, TUESDAY)).toEqual(['opened', 'reserved', 'moved_in'])
  for (const date of [MONDAY, TUESDAY]) {
    await evictDurableObject(objectOf(desk, date))
    const verdict = await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${date}/verify`)
    expect(verdict.body.ok).toBe(true)
  }
  expect((await get(desk, body.id)).body.date).toBe(TUESDAY)
  const left = await runInDurableObject(objectOf(desk, MONDAY), (_, state) =>
    state.storage.sql.exec('SELECT count(*) AS events FROM events').one(),
  )
  expect(left).toEqual({ events: 5 })
})
