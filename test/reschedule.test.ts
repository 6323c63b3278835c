import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { dayKey } from '../src/doctor-day/address'
import type { Command } from '../src/doctor-day/commands'
import type { DoctorDay } from '../src/doctor-day/doctor-day'
import type { RemoteDay } from '../src/doctor-day/reach'
import { type FrontDesk, openFrontDesk, type Reply, statuses, times } from './clinic'
import { abort, betweenDays } from './faults'
import { soon } from './soon'

const [MONDAY, TUESDAY, WEDNESDAY] = ['2040-03-12', '2040-03-13', '2040-03-14']
const APPOINTMENTS = '/api/v1/appointments'
const CHECKINS = '/api/v1/checkins'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const move = (desk: FrontDesk, id: string, wanted: object, key = '') =>
  desk.post(`${APPOINTMENTS}/${id}/reschedule`, wanted, key ? { 'Idempotency-Key': key } : {})
const get = (desk: FrontDesk, id: string) => desk.get(`${APPOINTMENTS}/${id}`)
const ledger = async (desk: FrontDesk, date: string) =>
  (await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${date}`)).body
const idsOn = async (desk: FrontDesk, date: string): Promise<string[]> =>
  (await desk.get(`${APPOINTMENTS}/doctors/${desk.doctorId}/appointments?date=${date}`)).body.map(
    ({ id }: { id: string }) => id,
  )
const objectOf = (desk: FrontDesk, date: string) =>
  env.DOCTOR_DAY.get(env.DOCTOR_DAY.idFromName(dayKey(desk.clinicId, desk.doctorId, date)))
const eventsOf = async (desk: FrontDesk, date: string): Promise<string[]> =>
  (await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${date}/events`)).body.map(
    ({ type }: { type: string }) => type,
  )
const forgetReplies = async () => {
  const { keys } = await env.REPLIES.list()
  await Promise.all(keys.map(({ name }) => env.REPLIES.delete(name)))
}
const typeOf = ({ status, body }: Reply) => [status, body.type?.split(':').at(-1)]

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
  expect((await eventsOf(desk, TUESDAY)).filter((type) => type === 'moved_in')).toHaveLength(1)
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
  expect((await eventsOf(desk, MONDAY)).filter((type) => type === 'pointed')).toHaveLength(5)
  const asked = vi.spyOn(Object.getPrototypeOf(env.DOCTOR_DAY) as DurableObjectNamespace, 'get')
  expect((await get(desk, body.id)).body.date).toBe(week.at(-1))
  expect(asked).toHaveBeenCalledTimes(2)
})

test('a request that was led to the next day and lost there takes effect on the retry, even back at home', async () => {
  const desk = await openFrontDesk()
  const { body } = await desk.book({ date: MONDAY })
  await move(desk, body.id, { date: TUESDAY })
  const cancel = () => desk.post(`${APPOINTMENTS}/${body.id}/cancel`, {}, { 'Idempotency-Key': 'k' })
  let asked = 0
  betweenDays(
    async (_, call) => {
      asked += 1
      if (asked === 2) throw new Error('Network connection lost.')
      return call()
    },
    ['cancel'],
  )
  expect((await cancel()).status).toBe(503)
  vi.restoreAllMocks()
  await move(desk, body.id, { date: MONDAY })
  expect((await cancel()).body).toMatchObject({ status: 'cancelled', date: MONDAY })
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
  expect(await listed('')).toEqual([(await get(desk, body.id)).body])
})

test('with the other day out of reach it is a 503 and nothing has moved; the same key works later', async () => {
  const desk = await openFrontDesk()
  const { body } = await desk.book({ date: MONDAY })
  betweenDays(async (command, call) => {
    if (command.type === 'reserve') throw new Error('Network connection lost.')
    return call()
  })
  const refused = await move(desk, body.id, { date: TUESDAY }, 'k')
  expect([refused.status, refused.headers.get('Retry-After')]).toEqual([503, '1'])
  expect((await get(desk, body.id)).body.date).toBe(MONDAY)
  vi.restoreAllMocks()
  expect((await move(desk, body.id, { date: TUESDAY }, 'k')).body.date).toBe(TUESDAY)
  expect(await ledger(desk, TUESDAY)).toMatchObject({ booked: 1, held: 0 })
})

test('what will pass is not remembered: the same key that met another move in progress works later', async () => {
  const desk = await openFrontDesk()
  const { body } = await desk.book({ date: MONDAY })
  betweenDays(async (command, call) =>
    command.type === 'reserve' ? { ok: false, refused: 'moving' } : call(),
  )
  expect(typeOf(await move(desk, body.id, { date: TUESDAY }, 'k'))).toEqual([409, 'moving'])
  vi.restoreAllMocks()
  expect((await move(desk, body.id, { date: TUESDAY }, 'k')).body.date).toBe(TUESDAY)
})

test('storage that fails in the very step that ends a move leaves nothing half moved', async () => {
  const desk = await openFrontDesk()
  const { body } = await desk.book({ date: MONDAY })
  const monday = objectOf(desk, MONDAY)
  let isFailing = false
  await runInDurableObject(monday, (_, { storage }) => {
    const transact = storage.transactionSync.bind(storage)
    vi.spyOn(storage, 'transactionSync').mockImplementation((work) => {
      if (isFailing) throw new Error('The disk is gone')
      return transact(work)
    })
  })
  betweenDays(async (command, call) => {
    const reply = await call()
    if (command.type === 'reserve') isFailing = true
    return reply
  })
  const { clinicId, doctorId } = desk
  const to = { clinicId, doctorId, date: TUESDAY, timeZone: 'UTC', capacity: 10 }
  const wanted = { type: 'begin_move', clinicId, appointmentId: body.id, to, allowAnother: false } as const
  const isLost = await runInDurableObject(monday, (object: DoctorDay) =>
    object.move({ id: 'op', actor: 'key', isKeyed: true }, wanted).then(
      () => false,
      () => true,
    ),
  )
  expect(isLost).toBe(true)
  isFailing = false
  await runDurableObjectAlarm(monday)
  vi.restoreAllMocks()
  expect((await get(desk, body.id)).body.date).toBe(MONDAY)
  expect(await ledger(desk, TUESDAY)).toMatchObject({ booked: 0, held: 0 })
  expect((await move(desk, body.id, { date: TUESDAY })).status).toBe(200)
})

test('a reserve that comes after its move was given up keeps no slot', async () => {
  const desk = await openFrontDesk({ capacity: 1 })
  const { body } = await desk.book({ date: MONDAY })
  const late: Command[] = []
  betweenDays(async (command, call) => {
    if (command.type !== 'reserve') return call()
    late.push(command)
    throw new Error('Network connection lost.')
  })
  expect((await move(desk, body.id, { date: TUESDAY })).status).toBe(503)
  vi.restoreAllMocks()
  const tuesday = objectOf(desk, TUESDAY) as unknown as RemoteDay
  const send = (command: Command) => tuesday.perform({ id: 'late', actor: 'key', isKeyed: true }, command)
  expect(await Promise.all(late.map(send))).toMatchObject([{ refused: 'unavailable' }])
  expect(await ledger(desk, TUESDAY)).toMatchObject({ booked: 0, held: 0, remaining: 1 })
})

test('a crash before the end undoes the move, a crash after it completes it, with nobody asking again', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  const { capacity } = await ledger(desk, MONDAY)
  for (const [patient, dies, ends] of [
    [0, 'reserve', MONDAY],
    [1, 'confirm_move', TUESDAY],
  ] as const) {
    const { body } = await desk.book({ date: MONDAY, patient })
    const monday = objectOf(desk, MONDAY)
    let isReached = false
    betweenDays(async (command, call) => {
      if (command.type !== dies) return call()
      if (dies === 'reserve') await call()
      isReached = true
      return new Promise(() => {})
    })
    const { clinicId, doctorId } = desk
    const to = { clinicId, doctorId, date: TUESDAY, timeZone: 'UTC', capacity }
    const wanted = { type: 'begin_move', clinicId, appointmentId: body.id, to, allowAnother: false } as const
    const lost = (monday as unknown as RemoteDay)
      .move({ id: `op ${patient}`, actor: 'key', isKeyed: true }, wanted)
      .catch(() => 'lost')
    await soon(() => expect(isReached).toBe(true))
    vi.restoreAllMocks()
    await abort(monday)
    expect(await lost).toBe('lost')
    await runDurableObjectAlarm(objectOf(desk, MONDAY))
    for (const date of [MONDAY, TUESDAY]) {
      expect(await ledger(desk, date)).toMatchObject({ held: 0 })
      expect((await idsOn(desk, date)).includes(body.id)).toBe(date === ends)
    }
    expect((await get(desk, body.id)).body.date).toBe(ends)
  }
})

test('a caller whose day dies under the move is answered by the next try, and it is moved once', async () => {
  const desk = await openFrontDesk()
  const { body } = await desk.book({ date: MONDAY })
  const monday = objectOf(desk, MONDAY)
  let tries = 0
  betweenDays(async (command, call) => {
    if (command.type !== 'reserve') return call()
    const reply = await call()
    tries += 1
    return tries === 1 ? new Promise(() => {}) : reply
  })
  const moved = move(desk, body.id, { date: TUESDAY })
  await soon(() => expect(tries).toBe(1))
  await abort(monday)
  expect((await moved).body).toMatchObject({ date: TUESDAY, status: 'booked' })
  await soon(async () => expect(await ledger(desk, TUESDAY)).toMatchObject({ booked: 1, held: 0 }))
  expect((await eventsOf(desk, MONDAY)).filter((type) => type === 'moved_out')).toHaveLength(1)
})

test('a slot kept for a move nobody speaks of any more is asked after, and given back or taken', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  for (const [patient, lost, booked] of [
    [0, ['end_move', 'release_move'], 0],
    [1, ['confirm_move'], 1],
  ] as const) {
    const { body } = await desk.book({ date: MONDAY, patient })
    const [monday, tuesday] = [objectOf(desk, MONDAY), objectOf(desk, TUESDAY)]
    betweenDays(async (command, call) => {
      if (command.type === 'reserve' && patient === 0) {
        await call()
        throw new Error('Network connection lost.')
      }
      if ((lost as readonly string[]).includes(command.type)) throw new Error('Network connection lost.')
      return call()
    })
    await move(desk, body.id, { date: TUESDAY })
    expect(await ledger(desk, TUESDAY)).toMatchObject({ held: 1 })
    vi.useFakeTimers({ now: Date.now() + 31_000, toFake: ['Date'] })
    await runDurableObjectAlarm(tuesday)
    vi.useRealTimers()
    vi.restoreAllMocks()
    expect(await ledger(desk, TUESDAY)).toMatchObject({ held: 0, booked })
    await runDurableObjectAlarm(monday)
  }
})

test('whoever follows an appointment that has just left finds it, even before its new day was told', async () => {
  const desk = await openFrontDesk()
  const { body } = await desk.book({ date: MONDAY })
  betweenDays(async (command, call) => {
    if (command.type === 'confirm_move') throw new Error('Network connection lost.')
    return call()
  })
  const moved = await move(desk, body.id, { date: TUESDAY })
  expect(moved.status).toBe(200)
  expect((await get(desk, body.id)).text).toBe(moved.text)
  expect(await ledger(desk, TUESDAY)).toMatchObject({ booked: 1, held: 0 })
})

test('both days’ logs verify, and tell where it went and where it came from', async () => {
  const desk = await openFrontDesk()
  const { body } = await desk.book({ date: MONDAY })
  await move(desk, body.id, { date: TUESDAY })
  expect((await eventsOf(desk, MONDAY)).slice(2)).toEqual(['move_began', 'moved_out', 'move_settled'])
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
