import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { dayKey } from '../src/doctor-day/storage/address'
import { DAY, type FrontDesk, openFrontDesk, statuses, times } from './clinic'
import { soon } from './soon'

const NOON = Date.parse(`${DAY}T12:00:00Z`)
const MINUTE = 60_000
const KEY: Record<string, string> = { 'Idempotency-Key': 'k' }
const APPOINTMENTS = '/api/v1/appointments'
const CHECKINS = '/api/v1/checkins'

const at = (now: number) => vi.useFakeTimers({ now, toFake: ['Date'] })
afterEach(() => {
  vi.useRealTimers()
})

const cancel = (desk: FrontDesk, id: string, key = '') =>
  desk.post(`${APPOINTMENTS}/${id}/cancel`, { reason: 'ill' }, key ? { 'Idempotency-Key': key } : {})
const hold = (desk: FrontDesk, ttl_seconds = 300) =>
  desk.post(`${APPOINTMENTS}/holds`, { doctor_id: desk.doctorId, date: DAY, ttl_seconds })
const wait = (desk: FrontDesk, patient: number) =>
  desk.post(`${APPOINTMENTS}/waitlist`, {
    doctor_id: desk.doctorId,
    date: DAY,
    patient_id: desk.patientIds[patient],
  })
const offerOf = async (desk: FrontDesk, patient: number) => (await wait(desk, patient)).body
const next = (desk: FrontDesk, room: string, key = '') =>
  desk.post(
    `${CHECKINS}/doctors/${desk.doctorId}/queue/next`,
    { date: DAY, room },
    key ? { 'Idempotency-Key': key } : {},
  )

/** Books and checks in so many patients. */
async function fillQueue(desk: FrontDesk, count: number, priority = 'normal'): Promise<string[]> {
  const booked = await Promise.all(times(count, (patient) => desk.book({ date: DAY, patient })))
  const ids = booked.map(({ body }) => body.id as string)
  for (const { body } of booked)
    await desk.post(CHECKINS, { appointment_id: body.id, patient_id: body.patient_id, priority })
  return ids
}

test('a cancelled appointment frees its slot at once, for the next who books', async () => {
  const desk = await openFrontDesk({ patients: 3, capacity: 2 })
  const [first] = [await desk.book({ date: DAY, patient: 0 }), await desk.book({ date: DAY, patient: 1 })]
  const cancelled = await cancel(desk, first.body.id)
  expect(cancelled).toMatchObject({ status: 200, body: { id: first.body.id, status: 'cancelled' } })
  expect((await desk.book({ date: DAY, patient: 2 })).body.slot).toBe(1)
  const list = await desk.get(`${APPOINTMENTS}/doctors/${desk.doctorId}/appointments?date=${DAY}`)
  expect(list.body).toHaveLength(2)
  expect((await desk.get(`${APPOINTMENTS}/${first.body.id}`)).body.status).toBe('cancelled')
})

test('cancelling again is 409; with the same key it is the first reply; after check-in it is 409', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  at(NOON)
  const { body } = await desk.book({ date: DAY })
  const [first, again] = [await cancel(desk, body.id, 'k'), await cancel(desk, body.id, 'k')]
  expect([again.status, again.text]).toEqual([200, first.text])
  expect(await cancel(desk, body.id)).toMatchObject({
    status: 409,
    body: { type: '/problems/already_cancelled' },
  })
  const [arrived = ''] = await fillQueue(desk, 1)
  expect((await cancel(desk, arrived)).body.type).toBe('/problems/already_checked_in')
  expect((await cancel(desk, crypto.randomUUID())).status).toBe(404)
})

test('a cancelled appointment is cancelled in D1’s copy too', async () => {
  const desk = await openFrontDesk()
  const { body } = await desk.book({ date: DAY })
  await cancel(desk, body.id)
  const copied = () => env.DB.prepare('SELECT status FROM appointments WHERE id = ?').bind(body.id).first()
  await soon(async () => expect(await copied()).toEqual({ status: 'cancelled' }))
})

test('a hold counts as taken, becomes a booking, and is good for one', async () => {
  const desk = await openFrontDesk({ patients: 2, capacity: 1 })
  const held = await hold(desk)
  expect(held).toMatchObject({ status: 201, body: { hold_id: expect.any(String), slot: 1 } })
  expect((await desk.book({ date: DAY })).status).toBe(409)
  const body = { hold_id: held.body.hold_id, patient_id: desk.patientIds[0] }
  expect(await desk.post(APPOINTMENTS, body)).toMatchObject({
    status: 201,
    body: { slot: 1, date: DAY, doctor_id: desk.doctorId },
  })
  expect((await desk.post(APPOINTMENTS, { ...body, patient_id: desk.patientIds[1] })).status).toBe(410)
})

test('a hold beyond its deadline is 410, and its slot is bookable, with or without the alarm', async () => {
  const desk = await openFrontDesk({ patients: 2, capacity: 1 })
  at(NOON)
  const held = await hold(desk, 60)
  expect(held.body.expires_at).toBe(new Date(NOON + MINUTE).toISOString())
  at(NOON + MINUTE)
  expect(
    (await desk.post(APPOINTMENTS, { hold_id: held.body.hold_id, patient_id: desk.patientIds[0] })).status,
  ).toBe(410)
  expect((await desk.book({ date: DAY, patient: 1 })).body.slot).toBe(1)
})

test('a released hold frees its slot; releasing again is no error; an unknown hold is 404', async () => {
  const desk = await openFrontDesk({ capacity: 1 })
  const held = await hold(desk)
  const path = `${APPOINTMENTS}/holds/${held.body.hold_id}`
  for (const _ of [1, 2])
    expect(await desk.send('DELETE', path)).toMatchObject({ status: 200, body: { released: true } })
  expect((await desk.book({ date: DAY })).status).toBe(201)
  expect((await desk.send('DELETE', `${APPOINTMENTS}/holds/nobody`)).status).toBe(404)
})

test('a hold that was booked cannot be released: 410, and the visit stands; one that expired is no error', async () => {
  const desk = await openFrontDesk({ patients: 2, capacity: 1 })
  at(NOON)
  const { hold_id } = (await hold(desk, 60)).body
  const { body } = await desk.post(APPOINTMENTS, { hold_id, patient_id: desk.patientIds[0] })
  for (const headers of [{}, KEY, KEY])
    expect(await desk.send('DELETE', `${APPOINTMENTS}/holds/${hold_id}`, null, headers)).toMatchObject({
      status: 410,
      body: { type: '/problems/hold_over', message: expect.stringContaining('cancel the appointment') },
    })
  expect((await desk.get(`${APPOINTMENTS}/${body.id}`)).body.status).toBe('booked')
  await desk.post(`${APPOINTMENTS}/${body.id}/cancel`)
  expect((await desk.send('DELETE', `${APPOINTMENTS}/holds/${hold_id}`)).status).toBe(410)
  const expired = (await hold(desk, 60)).body.hold_id
  at(NOON + MINUTE)
  expect((await desk.send('DELETE', `${APPOINTMENTS}/holds/${expired}`)).body.released).toBe(true)
})

test.each([0, 601, 1.5, '60', null])('a hold of %j seconds is 400', async (ttl_seconds) => {
  const desk = await openFrontDesk()
  const wanted = { doctor_id: desk.doctorId, date: DAY, ttl_seconds }
  expect((await desk.post(`${APPOINTMENTS}/holds`, wanted)).body.errors).toMatchObject([
    { field: 'ttl_seconds' },
  ])
})

test('the waitlist tells the place in line: 201, and 200 for who waits already', async () => {
  const desk = await openFrontDesk({ patients: 3, capacity: 1 })
  await desk.book({ date: DAY })
  expect(await wait(desk, 1)).toMatchObject({
    status: 201,
    body: { place: 1, status: 'waiting', offer: null },
  })
  expect(await wait(desk, 2)).toMatchObject({ status: 201, body: { place: 2 } })
  expect(await wait(desk, 1)).toMatchObject({ status: 200, body: { place: 1 } })
  expect((await wait(desk, 0)).status).toBe(409)
})

test('a freed slot goes to the first in line, who accepts; nobody else can book it meanwhile', async () => {
  const desk = await openFrontDesk({ patients: 4, capacity: 1 })
  const { body } = await desk.book({ date: DAY })
  await wait(desk, 1)
  await wait(desk, 2)
  await cancel(desk, body.id)
  expect((await desk.book({ date: DAY, patient: 3 })).status).toBe(409)
  const offered = await offerOf(desk, 1)
  expect(offered).toMatchObject({ status: 'offered', offer: { slot: 1 } })
  expect(await desk.post(`${APPOINTMENTS}/waitlist/${offered.id}/accept`)).toMatchObject({
    status: 201,
    body: { slot: 1, patient_id: desk.patientIds[1] },
  })
  expect((await desk.post(`${APPOINTMENTS}/waitlist/${offered.id}/accept`)).status).toBe(410)
  expect((await offerOf(desk, 2)).offer).toBeNull()
})

test('declined or lapsed, the offer goes to the next; a late accept is 410', async () => {
  const desk = await openFrontDesk({ patients: 4, capacity: 1 })
  at(NOON)
  const { body } = await desk.book({ date: DAY })
  const waiting = [await offerOf(desk, 1), await offerOf(desk, 2), await offerOf(desk, 3)]
  expect((await desk.post(`${APPOINTMENTS}/waitlist/${waiting[0].id}/accept`)).status).toBe(409)
  await cancel(desk, body.id)
  expect((await desk.post(`${APPOINTMENTS}/waitlist/${waiting[0].id}/decline`)).body.status).toBe('declined')
  expect((await offerOf(desk, 2)).offer.expires_at).toBe(new Date(NOON + 15 * MINUTE).toISOString())
  at(NOON + 15 * MINUTE)
  expect((await desk.post(`${APPOINTMENTS}/waitlist/${waiting[1].id}/accept`)).status).toBe(410)
  expect((await offerOf(desk, 3)).offer).toMatchObject({ slot: 1 })
})

test('a deadline passes by the alarm alone: the hold ends and the slot is offered on, with nobody asking', async () => {
  const desk = await openFrontDesk({ patients: 1, capacity: 1 })
  const [date, noon] = ['2040-03-14', Date.parse('2040-03-14T12:00:00Z')]
  at(noon)
  const place = { doctor_id: desk.doctorId, date }
  await desk.post(`${APPOINTMENTS}/holds`, { ...place, ttl_seconds: 60 })
  await desk.post(`${APPOINTMENTS}/waitlist`, { ...place, patient_id: desk.patientIds[0] })
  const day = env.DOCTOR_DAY.get(env.DOCTOR_DAY.idFromName(dayKey(desk.clinicId, desk.doctorId, date)))
  at(noon + MINUTE)
  expect(await runDurableObjectAlarm(day)).toBe(true)
  const last = await runInDurableObject(day, (_, state) =>
    state.storage.sql.exec('SELECT body FROM events ORDER BY seq DESC LIMIT 2').toArray(),
  )
  expect(last.map(({ body }) => JSON.parse(String(body)).type)).toEqual(['offered', 'hold_ended'])
})

test('twenty rooms call next on ten patients at once: ten different patients and ten 204, the same on retry', async () => {
  const desk = await openFrontDesk({ patients: 10 })
  at(NOON)
  await fillQueue(desk, 10)
  const call = () => Promise.all(times(20, (room) => next(desk, `room ${room}`, `call-${room}`)))
  const [first, retried] = [await call(), await call()]
  expect(statuses(first)).toEqual({ 200: 10, 204: 10 })
  const called = first.flatMap(({ status, body }) => (status === 200 ? [body.appointment_id] : []))
  expect(new Set(called).size).toBe(10)
  expect(retried.map(({ text }) => text)).toEqual(first.map(({ text }) => text))
})

test('a call tells who comes into which room; a day that nobody has touched has nobody waiting', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  expect((await next(desk, 'r')).status).toBe(204)
  at(NOON)
  const [, urgent] = await fillQueue(desk, 2, 'normal')
  expect(await next(desk, 'room 1')).toMatchObject({
    status: 200,
    body: { patient_name: 'Patient 0', room: 'room 1', status: 'called', position: 1 },
  })
  expect((await next(desk, 'room 2')).body.appointment_id).toBe(urgent)
})

test('a patient is called, skipped, requeued, called, recalled and served; an illegal step is 409 and says why', async () => {
  const desk = await openFrontDesk()
  at(NOON)
  const [id = ''] = await fillQueue(desk, 1)
  const step = async (name: string) => desk.post(`${CHECKINS}/${id}/${name}`)
  expect(await step('serve')).toMatchObject({
    status: 409,
    body: { type: '/problems/illegal_step', from: 'waiting', to: 'served', allowed: [] },
  })
  await next(desk, 'r')
  expect((await step('skip')).body).toMatchObject({ status: 'skipped' })
  expect((await step('requeue')).body).toMatchObject({ status: 'waiting', position: 1, room: null })
  await next(desk, 's')
  expect((await step('recall')).body).toMatchObject({ status: 'called', room: 's' })
  expect((await step('serve')).body).toMatchObject({ status: 'served' })
  expect((await step('no-show')).body).toMatchObject({ from: 'served', to: 'no_show', allowed: [] })
  expect((await step('vanish')).status).toBe(404)
})

test('a no-show frees the slot, but not before the day has come', async () => {
  const desk = await openFrontDesk({ patients: 2, capacity: 1 })
  const { body } = await desk.book({ date: DAY })
  at(NOON - 24 * 60 * MINUTE)
  expect((await desk.post(`${CHECKINS}/${body.id}/no-show`)).status).toBe(422)
  at(NOON)
  expect((await desk.post(`${CHECKINS}/${body.id}/no-show`)).body).toMatchObject({
    status: 'no_show',
    position: null,
  })
  expect((await desk.book({ date: DAY, patient: 1 })).body.slot).toBe(1)
})

test('a walk-in is booked and checked in at once, if there is room', async () => {
  const desk = await openFrontDesk({ patients: 2, capacity: 1 })
  at(NOON)
  const walkIn = (patient: number) =>
    desk.post(`${CHECKINS}/walk-in`, { patient_id: desk.patientIds[patient], doctor_id: desk.doctorId })
  expect(await walkIn(0)).toMatchObject({ status: 201, body: { queue_position: 1 } })
  expect((await walkIn(1)).status).toBe(409)
  expect((await desk.get(`${CHECKINS}/doctors/${desk.doctorId}/queue`)).body).toHaveLength(1)
})

test('the wait is told from the day’s own pace, and says where it is only usual', async () => {
  const desk = await openFrontDesk({ patients: 6 })
  at(NOON)
  const ids = await fillQueue(desk, 6)
  const waitOf = async (n: number) => (await desk.get(`${CHECKINS}/${ids[n]}`)).body
  expect(await waitOf(5)).toMatchObject({
    position: 6,
    ahead: 5,
    estimate_minutes: { p50: 75, p90: 125 },
    basis: 'default',
    samples: 0,
  })
  for (const [n, minutes] of [10, 20, 30].entries()) {
    await next(desk, 'r')
    at(Date.now() + minutes * MINUTE)
    await desk.post(`${CHECKINS}/${ids[n]}/serve`)
  }
  expect(await waitOf(5)).toMatchObject({
    ahead: 2,
    estimate_minutes: { p50: 40, p90: 60 },
    basis: 'today',
    samples: 3,
  })
  expect((await desk.get(`${CHECKINS}/nobody`)).status).toBe(404)
})

test('a hold is booked on its own day only: another doctor or date beside it is 400, its own are right', async () => {
  const desk = await openFrontDesk()
  const place = { doctor_id: desk.doctorId, date: DAY }
  const held = await desk.post(`${APPOINTMENTS}/holds`, { ...place, ttl_seconds: 60 })
  const wanted = { hold_id: held.body.hold_id, patient_id: desk.patientIds[0] }
  for (const other of [{ date: '2040-03-15' }, { doctor_id: 'nobody' }]) {
    const { status, body } = await desk.post(APPOINTMENTS, { ...wanted, ...place, ...other })
    expect([status, body.errors[0].field]).toEqual([400, 'hold_id'])
  }
  for (const [given, missing] of [
    [{ doctor_id: desk.doctorId }, 'date'],
    [{ date: '2040-03-15' }, 'doctor_id'],
    [{ date: DAY, doctor_id: null }, 'doctor_id'],
  ] as const) {
    const { status, body } = await desk.post(APPOINTMENTS, { ...wanted, ...given })
    expect([status, body.errors[0].field]).toEqual([400, missing])
  }
  expect((await desk.post(APPOINTMENTS, { ...wanted, ...place })).status).toBe(201)
})
