import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import type { Known } from '../src/doctor-day/commands'
import type { DoctorDay } from '../src/doctor-day/doctor-day'
import { NEW_ID } from '../src/doctor-day/storage/address'
import { copied, DAY, inStorage, NOON, objectOf, openBusyDay, pathOf, rowOf, verdictOf } from './busy-day'
import { type Client, type FrontDesk, keyFor, openClinic } from './clinic'
import { aroundCopying } from './faults'
import { soon } from './soon'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const operator = () => openClinic({ scopes: ['admin', 'clinics:*'] })
const repair = (by: Client, desk: FrontDesk, how: string, headers = {}) =>
  by.post(
    `/api/v1/clinics/${desk.clinicId}/days/repair`,
    { doctor_id: desk.doctorId, date: DAY, how },
    headers,
  )

const HARMS = [
  ['lost', 'DROP TABLE events; DROP TABLE head; DROP TABLE ops; DROP TABLE readers; DROP TABLE _schema'],
  ['without its events', 'DROP TABLE events'],
  ['edited', `UPDATE events SET body = replace(body, '"slot":1', '"slot":2')`],
  ['not signed', "UPDATE head SET mac = ''"],
  ['with an invented reply', "INSERT INTO ops (op_id, reply) VALUES ('new', '7')"],
] as const
async function harm(desk: FrontDesk, statements: string): Promise<void> {
  await copied(desk, 6)
  await inStorage(desk, (sql) => {
    for (const statement of statements.split('; ')) sql.exec(statement)
  })
  await evictDurableObject(objectOf(desk))
}

/** Two appointments, one of them checked in, and 12 slots. */
const seen = async (desk: FrontDesk) => {
  const [day, list, queue] = await Promise.all([
    desk.get(pathOf(desk, '').replace(/\/$/, '')),
    desk.get(`/api/v1/appointments/doctors/${desk.doctorId}/appointments?date=${DAY}`),
    desk.get(`/api/v1/checkins/doctors/${desk.doctorId}/queue?date=${DAY}`),
  ])
  const { version, ...figures } = day.body
  return [figures, list.body, queue.body]
}

test.each(HARMS)(
  'a day that is %s has its appointments and check-ins again after a rebuild',
  async (_, harms) => {
    const [desk, admin] = [await openBusyDay(), await operator()]
    const before = await seen(desk)
    await harm(desk, harms)
    const key = { 'Idempotency-Key': 'k' }
    const repaired = await repair(admin, desk, 'rebuild', key)
    expect([repaired.status, repaired.body]).toEqual([
      200,
      {
        ...{ clinic_id: desk.clinicId, doctor_id: desk.doctorId, date: DAY },
        ...{ state: 'live', appointments: 2, check_ins: 1 },
      },
    ])
    expect(await seen(desk)).toEqual(before)
    expect(await verdictOf(desk)).toMatchObject({ ok: true, count: 2 })
    expect(await rowOf(desk)).toMatchObject({ version: 2, state: 'live' })
    expect((await repair(admin, desk, 'rebuild', key)).text).toBe(repaired.text)
    expect((await desk.book({ date: DAY, allow_another: true })).body.slot).toBe(3)
    expect((await repair(admin, desk, 'rebuild')).status).toBe(409)
  },
)

test('after a rebuild the day goes on: its copy follows, appointments can be cancelled and served', async () => {
  const [desk, admin] = [await openBusyDay(), await operator()]
  const [, [, second]] = await seen(desk)
  await harm(desk, HARMS[0][1])
  await repair(admin, desk, 'rebuild')
  expect((await desk.post(`/api/v1/appointments/${second.id}/cancel`)).status).toBe(200)
  vi.useFakeTimers({ now: NOON, toFake: ['Date'] })
  const next = `/api/v1/checkins/doctors/${desk.doctorId}/queue/next`
  expect((await desk.post(next, { date: DAY, room: '1' })).body).toMatchObject({ position: 1 })
  expect((await desk.post(`/api/v1/checkins/${desk.appointmentId}/serve`)).status).toBe(200)
  vi.useRealTimers()
  await soon(async () => {
    await runDurableObjectAlarm(objectOf(desk))
    expect(await rowOf(desk)).toMatchObject({ version: 5, taken: 1 })
  })
  const listed = await desk.get(`/api/v1/appointments?status=cancelled&doctor_id=${desk.doctorId}`)
  expect(listed.body).toMatchObject([{ id: second.id }])
  await desk.post(pathOf(desk, 'resync'))
  expect(await verdictOf(desk)).toMatchObject({ ok: true })
})

test('a day that goes on while it is repaired loses no appointment: the repair asks to be sent again', async () => {
  const [desk, admin] = [await openBusyDay(), await operator()]
  await copied(desk, 6)
  await inStorage(desk, (sql) => sql.exec(HARMS[4][1]))
  const copies = holdCopies()
  const { body } = await desk.book({ date: DAY, allow_another: true })
  await copies.areHeld()
  const key = { 'Idempotency-Key': 'k' }
  const repairing = repair(admin, desk, 'rebuild', key)
  await scheduler.wait(READ_MS)
  copies.release()
  const refused = await repairing
  expect([refused.status, refused.headers.has('Retry-After')]).toEqual([503, true])
  await copied(desk, 7)
  expect(await repair(admin, desk, 'rebuild', key)).toMatchObject({ status: 200, body: { appointments: 3 } })
  expect(await rowOf(desk)).toMatchObject({ version: 2, taken: 3 })
  expect((await desk.get(`/api/v1/appointments/${body.id}`)).body.slot).toBe(3)
  expect(await verdictOf(desk)).toMatchObject({ ok: true, count: 2 })
})

/** Copies of days reach D1 once they are released. */
function holdCopies(): { areHeld(): Promise<void>; release(): void } {
  const released = Promise.withResolvers<void>()
  const held = vi.fn()
  aroundCopying(async (copy) => {
    held()
    await released.promise
    return copy()
  })
  return { areHeld: () => soon(() => expect(held).toHaveBeenCalled()), release: released.resolve }
}

/** A request that has read D1 by now waits for the day. */
const READ_MS = 300

test('a copy that is under way when a repair is asked for reaches D1 before it, and takes nothing back', async () => {
  const [desk, admin] = [await openBusyDay(), await operator()]
  await copied(desk, 6)
  await inStorage(desk, (sql) => sql.exec(HARMS[4][1]))
  const copies = holdCopies()
  await desk.post(pathOf(desk, 'resync'))
  await copies.areHeld()
  const repairing = repair(admin, desk, 'rebuild')
  await scheduler.wait(READ_MS)
  copies.release()
  expect((await repairing).status).toBe(200)
  await scheduler.wait(READ_MS)
  expect(await rowOf(desk)).toMatchObject({ version: 2, taken: 2 })
  expect((await desk.book({ date: DAY, allow_another: true })).body.slot).toBe(3)
})

/** A booking as the day gets it. `known`: what its sender has read of the day in D1, if it has. */
function bookDirectly(desk: FrontDesk, known?: Known) {
  const { clinicId, doctorId, patientIds } = desk
  const opening = { clinicId, doctorId, date: DAY, timeZone: 'UTC', capacity: 12 }
  const [patientId = ''] = patientIds
  return runInDurableObject(objectOf(desk), (day: DoctorDay) =>
    day.perform(
      { id: 'late', actor: 'key', isKeyed: false, known },
      { type: 'book', opening, appointmentId: NEW_ID, patientId, allowAnother: true },
    ),
  )
}

test('a booking that has read D1 before a repair, and comes to the day after it, is not taken for damage', async () => {
  const [desk, admin] = [await openBusyDay(), await operator()]
  await copied(desk, 6)
  const known = { version: 6, head: (await rowOf(desk))?.head as string }
  await harm(desk, HARMS[0][1])
  await repair(admin, desk, 'rebuild')
  expect(await bookDirectly(desk, known)).toMatchObject({ ok: true, reply: { slot: 3 } })
  expect((await seen(desk))[1]).toHaveLength(3)
})

test('what a day itself has read in D1 before a repair is not held against the log after it', async () => {
  const [desk, admin] = [await openBusyDay(), await operator()]
  await harm(desk, HARMS[0][1])
  const answered = Promise.withResolvers<void>()
  const statement = Object.getPrototypeOf(env.DB.prepare('SELECT 1')) as D1PreparedStatement
  const first = statement.first as () => Promise<unknown>
  const reading = vi.spyOn(statement, 'first').mockImplementation(async function (this: D1PreparedStatement) {
    const row = await first.call(this)
    await answered.promise
    return row as never
  })
  const late = bookDirectly(desk)
  await soon(() => expect(reading).toHaveBeenCalled())
  await scheduler.wait(READ_MS)
  expect((await repair(admin, desk, 'rebuild')).status).toBe(200)
  answered.resolve()
  reading.mockRestore()
  expect(await late).toMatchObject({ ok: true, reply: { slot: 3 } })
  expect((await seen(desk))[1]).toHaveLength(3)
})

test('a loss that was accepted leaves an empty day, of which no list shows a booked appointment', async () => {
  const [desk, admin] = [await openBusyDay(), await operator()]
  await harm(desk, HARMS[0][1])
  const accepted = await repair(admin, desk, 'accept_loss')
  expect(accepted.body).toMatchObject({ state: 'loss_accepted', appointments: 0, check_ins: 0 })
  expect(await rowOf(desk)).toMatchObject({ state: 'loss_accepted', taken: 0, version: 2 })
  expect((await desk.get(`/api/v1/appointments?status=booked&doctor_id=${desk.doctorId}`)).body).toEqual([])
  expect((await desk.book({ date: DAY })).body.slot).toBe(1)
  expect(await verdictOf(desk)).toMatchObject({ ok: true })
})

test('an appointment that had moved to another day is found there after a rebuild of its first day', async () => {
  const [desk, admin] = [await openBusyDay(), await operator()]
  const { body } = await desk.book({ date: DAY, allow_another: true })
  const move = { date: '2040-03-20', allow_another: true }
  expect((await desk.post(`/api/v1/appointments/${body.id}/reschedule`, move)).status).toBe(200)
  await soon(async () =>
    expect((await desk.get('/api/v1/appointments?from=2040-03-20')).body).toHaveLength(1),
  )
  await soon(async () => expect(await rowOf(desk)).toMatchObject({ taken: 2 }))
  await inStorage(desk, (sql) => sql.exec('DROP TABLE events').toArray())
  await evictDurableObject(objectOf(desk))
  expect((await repair(admin, desk, 'rebuild')).status).toBe(200)
  expect((await desk.get(`/api/v1/appointments/${body.id}`)).body).toMatchObject({ date: '2040-03-20' })
})

test('while D1 has not learned of a rebuild, the day gives no slot; the retry completes it', async () => {
  const [desk, admin] = [await openBusyDay(), await operator()]
  await harm(desk, HARMS[0][1])
  const database = Object.getPrototypeOf(env.DB) as D1Database
  const { batch } = database
  let batches = 0
  vi.spyOn(database, 'batch').mockImplementation(function (this: D1Database, statements) {
    const isSecond = statements.some((one) =>
      /^\s*update "?appointments/i.test((one as { statement?: string }).statement ?? ''),
    )
    batches += isSecond ? 1 : 0
    if (isSecond) return Promise.reject(new Error('D1_ERROR: Network connection lost.'))
    return batch.call(this, statements) as Promise<never>
  })
  const key = { 'Idempotency-Key': 'k' }
  expect((await repair(admin, desk, 'rebuild', key)).status).toBe(503)
  expect(batches).toBe(1)
  vi.restoreAllMocks()
  expect((await desk.book({ date: DAY, allow_another: true })).status).toBe(503)
  expect((await repair(admin, desk, 'rebuild', key)).status).toBe(200)
  expect((await desk.book({ date: DAY, allow_another: true })).body.slot).toBe(3)
})

test('a whole day is not repaired, nor a day of an unknown clinic or doctor, nor without the scope', async () => {
  const [desk, admin] = [await openBusyDay(), await operator()]
  await copied(desk, 6)
  const intact = await repair(admin, desk, 'accept_loss')
  expect([intact.status, intact.body.type]).toEqual([409, '/problems/day_intact'])
  expect(await verdictOf(desk)).toMatchObject({ ok: true, count: 6 })
  expect((await repair(desk, desk, 'rebuild')).status).toBe(403)
  expect((await repair(admin, { ...desk, clinicId: 'nobody' }, 'rebuild')).status).toBe(404)
  expect((await repair(admin, { ...desk, doctorId: 'nobody' }, 'rebuild')).status).toBe(404)
  expect((await repair(admin, desk, 'wipe')).status).toBe(400)
})

test('an admin of one clinic repairs no day of another, unless the key reaches all clinics', async () => {
  const [desk, ofAnother] = [await openBusyDay(), await openClinic({ scopes: ['admin'] })]
  await copied(desk, 6)
  await harm(desk, HARMS[0][1])
  for (const how of ['rebuild', 'accept_loss'])
    expect([how, (await repair(ofAnother, desk, how)).status]).toEqual([how, 404])
  expect((await desk.book({ date: DAY, allow_another: true })).status).toBe(503)
  const admin = await keyFor(desk.clinicId, ['admin'])
  expect((await repair(admin, desk, 'rebuild')).status).toBe(200)
})

test('the clinic’s audit says who repaired the day, once', async () => {
  const [desk, admin] = [await openBusyDay(), await operator()]
  await harm(desk, HARMS[0][1])
  await repair(admin, desk, 'rebuild', { 'Idempotency-Key': 'k' })
  await repair(admin, desk, 'rebuild', { 'Idempotency-Key': 'k' })
  const { body } = await (await keyFor(desk.clinicId, ['audit:read'])).get('/api/v1/audit')
  const repairs = body.filter(({ action }: { action: string }) => action.startsWith('day.'))
  expect(repairs).toMatchObject([
    { action: 'day.rebuilt', subject: `${desk.doctorId}/${DAY}`, key_id: admin.keyId },
  ])
})
