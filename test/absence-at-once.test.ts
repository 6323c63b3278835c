import { runInDurableObject } from 'cloudflare:test'
import { afterEach, expect, test, vi } from 'vitest'
import type { DoctorDay } from '../src/doctor-day/doctor-day'
import { type FrontDesk, openFrontDesk, type Reply, statuses, times } from './clinic'
import { abort, betweenDays, failStorage } from './faults'
import { CHECKINS, eventsOf, idsOn, ledger, MONDAY, objectOf, TUESDAY } from './moves'
import { soon } from './soon'

/** An absence moves all patients at once, in one call of the other day, and a retry completes it. */

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const absent = (desk: FrontDesk, key = 'k') =>
  desk.post(
    `/api/v1/doctors/${desk.doctorId}/days/${MONDAY}/absence`,
    { reason: 'ill', move_to: { date: TUESDAY } },
    { 'Idempotency-Key': key },
  )

/** Patients of Monday, by slot; Tuesday has room for some of them. */
async function mondayOf(patients: number, room: number): Promise<{ desk: FrontDesk; ids: string[] }> {
  const desk = await openFrontDesk({ patients, capacity: Math.max(patients, 1) })
  const ids: string[] = []
  for (const patient of times(patients, (n) => n))
    ids.push((await desk.book({ date: MONDAY, patient })).body.id)
  const tuesday = { date: TUESDAY, is_present: true, capacity: room }
  await desk.post(`/api/v1/doctors/${desk.doctorId}/availability`, tuesday)
  return { desk, ids }
}

const idsIn = (list: { appointment_id: string }[]) => list.map(({ appointment_id }) => appointment_id)

async function expectAllEnded(desk: FrontDesk, ids: string[], room: number, { body }: Reply): Promise<void> {
  expect([idsIn(body.moved), idsIn(body.waitlisted)]).toEqual([ids.slice(0, room), ids.slice(room)])
  expect(body.moved.map(({ slot }: { slot: number }) => slot)).toEqual(times(room, (n) => n + 1))
  expect(body.to_call).toEqual([])
  expect(await idsOn(desk, TUESDAY)).toEqual(ids.slice(0, room))
  expect(await idsOn(desk, MONDAY)).toEqual([])
  const waiting = ids.length - room
  expect(await ledger(desk, TUESDAY)).toMatchObject({ booked: room, held: 0, offered: 0, waiting })
}

test('earlier slots find room first, the others wait in the same order', async () => {
  const { desk, ids } = await mondayOf(7, 3)
  await expectAllEnded(desk, ids, 3, await absent(desk))
  const waited = (await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${TUESDAY}/events`)).body
    .filter(({ type }: { type: string }) => type === 'waitlisted')
    .map(({ data }: { data: { patient_id: string } }) => data.patient_id)
  expect(waited).toEqual(desk.patientIds.slice(3))
})

test('a hundred patients are moved in one call, and other callers of that day get their turn', async () => {
  const { desk, ids } = await mondayOf(100, 60)
  const told = absent(desk)
  const read = ledger(desk, TUESDAY)
  await expectAllEnded(desk, ids, 60, await told)
  expect((await read).capacity).toBe(60)
})

test('with the other day out of reach it is a 503 and all stay; the same key works later', async () => {
  const { desk, ids } = await mondayOf(4, 2)
  betweenDays(async ({ type }, call) => {
    if (type === 'reserve') throw new Error('Network connection lost.')
    return call()
  })
  expect((await absent(desk)).status).toBe(503)
  expect(await idsOn(desk, MONDAY)).toEqual(ids)
  vi.restoreAllMocks()
  await expectAllEnded(desk, ids, 2, await absent(desk))
})

test('an answer that is lost leaves no slot held, and nobody waits twice', async () => {
  const { desk, ids } = await mondayOf(4, 2)
  let isLost = true
  betweenDays(
    async ({ type }, call) => {
      const reply = await call()
      if (type === 'wait' && isLost) throw new Error('Network connection lost.')
      return reply
    },
    ['wait'],
  )
  expect((await absent(desk)).status).toBe(503)
  isLost = false
  await expectAllEnded(desk, ids, 2, await absent(desk))
})

test('a caller whose day dies in the middle is answered by the next try', async () => {
  const { desk, ids } = await mondayOf(4, 2)
  const monday = objectOf(desk, MONDAY)
  let asked = 0
  betweenDays(async ({ type }, call) => {
    const reply = await call()
    if (type !== 'reserve') return reply
    asked += 1
    return asked === 3 ? new Promise(() => {}) : reply
  })
  const told = absent(desk)
  await soon(() => expect(asked).toBe(3))
  await abort(monday)
  await told
  vi.restoreAllMocks()
  await expectAllEnded(desk, ids, 2, await absent(desk))
})

test('twenty at once with one key are one absence', async () => {
  const { desk, ids } = await mondayOf(4, 2)
  const replies = await Promise.all(times(20, () => absent(desk)))
  expect(statuses(replies)).toEqual({ 200: 20 })
  expect(new Set(replies.map(({ text }) => text)).size).toBe(1)
  await expectAllEnded(desk, ids, 2, replies[0] as Reply)
  const left = (await eventsOf(desk, MONDAY)).filter((type) => ['moved_out', 'cancelled'].includes(type))
  expect(left).toHaveLength(4)
})

test('one who checks in before the retry keeps the slot, and leaves the waitlist again', async () => {
  const { desk, ids } = await mondayOf(1, 1)
  const other = (await desk.post('/api/v1/patients', { name: 'Another', phone: '+1 202 555 0199' })).body
  await desk.post('/api/v1/appointments', {
    ...{ patient_id: other.id, doctor_id: desk.doctorId, date: TUESDAY },
  })
  const monday = objectOf(desk, MONDAY)
  let endings = 0
  // The step that ends the move is stored; the step that cancels the appointment is not.
  await failStorage(monday, () => {
    endings += 1
    return endings === 4
  })
  vi.useFakeTimers({ now: Date.parse(`${MONDAY}T12:00:00Z`), toFake: ['Date'] })
  const lost = await runInDurableObject(monday, (day: DoctorDay) =>
    declare(day, desk).then(
      () => 'told',
      () => 'lost',
    ),
  )
  expect(lost).toBe('lost')
  expect((await ledger(desk, TUESDAY)).waiting).toBe(1)
  const arrival = { appointment_id: ids[0], patient_id: desk.patientIds[0] }
  expect((await desk.post(CHECKINS, arrival)).status).toBe(201)
  const told = await runInDurableObject(monday, (day: DoctorDay) => declare(day, desk))
  expect(told).toMatchObject({ reply: { ends: [{ end: 'already_checked_in' }] } })
  expect((await ledger(desk, TUESDAY)).waiting).toBe(0)
})

function declare(day: DoctorDay, { clinicId, doctorId }: FrontDesk) {
  const opening = { clinicId, doctorId, timeZone: 'UTC', capacity: 1 }
  return day.declareAbsence(
    { id: 'op', actor: 'key', isKeyed: true },
    {
      ...{ type: 'declare_absence', id: 'absence', reason: 'ill', known: null },
      opening: { ...opening, date: MONDAY },
      moveTo: { ...opening, date: TUESDAY },
    },
  )
}
