import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { caller, type FrontDesk, keyFor, openClinic, openFrontDesk, statuses, times } from './clinic'
import { abort, aroundCopying } from './faults'
import { folded, follow, KINDS, until } from './followers'
import { arrive, at, DAY, listing, NOON, next, objectOf, onDay, openDay, step, withKey } from './live-day'
import { soon } from './soon'

const MINUTE = 60_000
const CHECKINS = '/api/v1/checkins'
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const DESK = ['appointments:read', 'appointments:write', 'checkins:read', 'checkins:write']
/** A desk’s key without the scope to amend. */
const clerkOf = ({ clinicId }: FrontDesk) => keyFor(clinicId, DESK)
const undo = (by: Pick<FrontDesk, 'post'>, id: string, what: string, headers = {}) =>
  by.post(`${CHECKINS}/${id}/${what}`, undefined, headers)
const checkIn = (desk: FrontDesk, id: string, patient = 0) =>
  desk.post(CHECKINS, { appointment_id: id, patient_id: desk.patientIds[patient] })
const appointmentOf = async (desk: FrontDesk, id: string) =>
  (await desk.get(`/api/v1/appointments/${id}`)).body

async function serve(desk: FrontDesk, room = 'r'): Promise<string> {
  const { body } = await next(desk, room)
  expect((await step(desk, body.appointment_id, 'serve')).status).toBe(200)
  return body.appointment_id
}

test('a mistaken check-in is undone: booked again, in no queue, and its position is never given again', async () => {
  const desk = await openDay()
  const [first, second] = [await arrive(desk, 0), await arrive(desk, 1)]
  const undone = await undo(await clerkOf(desk), first, 'uncheck-in')
  expect([undone.status, undone.body]).toEqual([
    200,
    { appointment_id: first, status: 'booked', position: null, room: null },
  ])
  expect(await appointmentOf(desk, first)).toMatchObject({ status: 'booked', slot: 1 })
  expect((await listing(desk)).map((entry: { position: number }) => entry.position)).toEqual([2])
  expect((await desk.get(`${CHECKINS}/${first}`)).status).toBe(404)
  expect((await desk.get(`${CHECKINS}/${second}`)).body).toMatchObject({ ahead: 0 })
  expect((await checkIn(desk, first)).body).toMatchObject({ queue_position: 3 })
  expect((await next(desk, 'r')).body).toMatchObject({ appointment_id: second })
})

test('a walk-in that was a mistake is unchecked, and then cancelled: the slot is free again', async () => {
  const desk = await openFrontDesk({ capacity: 1 })
  at(NOON)
  const wanted = { doctor_id: desk.doctorId, patient_id: desk.patientIds[0] }
  const { body } = await desk.post(`${CHECKINS}/walk-in`, wanted)
  const path = `/api/v1/appointments/${body.appointment_id}`
  const refused = await desk.post(`${path}/cancel`)
  expect([refused.status, refused.body.message]).toEqual([409, expect.stringContaining('uncheck-in')])
  expect((await undo(desk, body.appointment_id, 'uncheck-in')).body.status).toBe('booked')
  expect((await desk.book({ date: DAY, allow_another: true })).status).toBe(409)
  expect((await desk.post(`${path}/cancel`)).status).toBe(200)
  expect((await desk.book({ date: DAY })).body.slot).toBe(1)
})

test('a visit completed by mistake is called again in its room, and no longer counts for the estimated wait', async () => {
  const desk = await openDay(5)
  const ids = [...(await Promise.all(times(4, (n) => arrive(desk, n))))]
  const waiting = await arrive(desk, 4)
  const wait = async () => (await desk.get(`${CHECKINS}/${waiting}`)).body
  const served = [await serve(desk), await serve(desk), await serve(desk, 'room 3')]
  expect(new Set(served).size).toBe(3)
  expect(ids).toEqual(expect.arrayContaining(served))
  expect(await wait()).toMatchObject({ basis: 'today', samples: 3 })
  const [id = ''] = served.slice(-1)
  const undone = await undo(await clerkOf(desk), id, 'unserve')
  expect([undone.status, undone.body]).toMatchObject([200, { status: 'called', room: 'room 3' }])
  expect(await wait()).toMatchObject({ basis: 'default', samples: 2 })
  expect(await appointmentOf(desk, id)).toMatchObject({ status: 'checked_in' })
  expect((await step(desk, id, 'serve')).body).toMatchObject({ status: 'served', room: 'room 3' })
  expect(await wait()).toMatchObject({ samples: 3 })
})

test.each(['uncheck-in', 'unserve'])(
  '%s more than a minute later needs checkins:amend: the refusal names the scope and the minute',
  async (what) => {
    const desk = await openDay()
    const [clerk, head] = [await clerkOf(desk), await keyFor(desk.clinicId, [...DESK, 'checkins:amend'])]
    const id = await arrive(desk, 0)
    if (what === 'unserve') await serve(desk)
    at(NOON + MINUTE + 1)
    const late = await undo(clerk, id, what, { 'Idempotency-Key': 'k' })
    expect([late.status, late.body.type]).toEqual([409, '/problems/too_late_to_undo'])
    expect(late.body.message).toMatch(/more than 60 seconds ago.*checkins:amend/)
    expect((await undo(clerk, id, what, { 'Idempotency-Key': 'k' })).text).toBe(late.text)
    expect((await undo(head, id, what)).status).toBe(200)
    at(NOON + 2 * MINUTE)
    if (what === 'uncheck-in') await checkIn(desk, id)
    else await step(desk, id, 'serve')
    at(NOON + 3 * MINUTE)
    expect((await undo(clerk, id, what)).status).toBe(200)
  },
)

test('a key that asks for all does not hold the scope; who manages the clinic does, and may give it', async () => {
  const desk = await openDay()
  const id = await arrive(desk, 0)
  at(NOON + 2 * MINUTE)
  expect((await undo(desk, id, 'uncheck-in')).body.type).toBe('/problems/too_late_to_undo')
  const manager = await keyFor(desk.clinicId, ['*', 'clinic:admin'])
  const { body } = await manager.post('/api/v1/keys', {
    clinic_id: desk.clinicId,
    name: 'new',
    scopes: ['checkins:write', 'checkins:amend'],
  })
  const granted = caller({ Authorization: `Bearer ${body.key}` })
  expect((await undo(granted, id, 'uncheck-in')).status).toBe(200)
})

test('keeps out: no key, a key that may not check in, one that may only amend, another clinic', async () => {
  const desk = await openDay()
  const id = await arrive(desk, 0)
  const [reader, amender] = [
    await keyFor(desk.clinicId, ['checkins:read', 'appointments:write']),
    await keyFor(desk.clinicId, ['checkins:amend']),
  ]
  const other = await openClinic()
  for (const what of ['uncheck-in', 'unserve']) {
    expect((await undo(desk, id, what, { Authorization: '' })).status).toBe(401)
    for (const key of [reader, amender]) expect((await undo(key, id, what)).status).toBe(403)
    const [foreign, unknown] = [await undo(other, id, what), await undo(other, crypto.randomUUID(), what)]
    expect([foreign.status, foreign.body.message]).toEqual([404, unknown.body.message])
    expect((await desk.post(`${CHECKINS}/${id}/${what}`, { reason: 'x' })).status).toBe(400)
  }
  expect(await listing(desk)).toHaveLength(1)
})

test('the same key gets the first answer, also after the object died, and undoes nothing that came later', async () => {
  const desk = await openDay()
  const id = await arrive(desk, 0)
  const key = { 'Idempotency-Key': 'undo' }
  const first = await undo(desk, id, 'uncheck-in', key)
  await abort(objectOf(desk) as never)
  expect((await checkIn(desk, id)).body.queue_position).toBe(2)
  const { keys } = await env.REPLIES.list()
  for (const { name } of keys) await env.REPLIES.delete(name)
  for (const _ of [1, 2]) expect((await undo(desk, id, 'uncheck-in', key)).text).toBe(first.text)
  expect(await listing(desk)).toMatchObject([{ position: 2, status: 'waiting' }])
  expect((await undo(desk, id, 'uncheck-in')).status).toBe(200)
  const verdict = await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${DAY}/verify`)
  expect(verdict.body).toMatchObject({ ok: true })
})

test('ten desks undo one check-in at once and one wins; a call and an undoing never both win', async () => {
  const desk = await openDay()
  const id = await arrive(desk, 0)
  expect(statuses(await Promise.all(times(10, () => undo(desk, id, 'uncheck-in'))))).toEqual({
    200: 1,
    409: 9,
  })
  for (const n of times(10, (n) => n)) {
    expect((await checkIn(desk, id)).body.queue_position).toBe(n + 2)
    const [called, undone] = await Promise.all([next(desk, `room ${n}`), undo(desk, id, 'uncheck-in')])
    expect([called.status, undone.status]).toEqual(called.status === 200 ? [200, 409] : [204, 200])
    if (called.status === 200)
      for (const what of ['requeue', 'uncheck-in']) expect((await step(desk, id, what)).status).toBe(200)
  }
})

/** D1’s check-ins of the clinic, by position. */
const copied = async ({ clinicId }: FrontDesk) =>
  (
    await env.DB.prepare('SELECT position, status FROM check_ins WHERE clinic_id = ? ORDER BY position')
      .bind(clinicId)
      .all()
  ).results

test('the searchable copy shows the appointment as booked and its check-in as undone, after a resync too', async () => {
  const desk = await openDay()
  const id = await arrive(desk, 0)
  await undo(desk, id, 'uncheck-in')
  await checkIn(desk, id)
  await undo(desk, id, 'uncheck-in')
  const expected = [1, 2].map((position) => ({ position, status: 'undone' }))
  await soon(async () => expect(await copied(desk)).toEqual(expected))
  const listed = await desk.get('/api/v1/appointments?status=booked')
  expect(listed.body).toEqual([await appointmentOf(desk, id)])
  await env.DB.prepare('DELETE FROM check_ins WHERE clinic_id = ?').bind(desk.clinicId).run()
  await desk.post(`/api/v1/doctors/${desk.doctorId}/days/${DAY}/resync`)
  await soon(async () => expect(await copied(desk)).toEqual(expected))
})

test('lists across days show an unserved visit as checked in again', async () => {
  const desk = await openDay()
  await arrive(desk, 0)
  const id = await serve(desk)
  const list = async (status: string) =>
    (await desk.get(`/api/v1/appointments?status=${status}`)).body.map((one: { id: string }) => one.id)
  await soon(async () => expect(await list('completed')).toEqual([id]))
  await undo(desk, id, 'unserve')
  await soon(async () => expect([await list('completed'), await list('checked_in')]).toEqual([[], [id]]))
  expect(await copied(desk)).toEqual([{ position: 1, status: 'called' }])
})

test('a copy of the check-in that D1 runs late does not bring it back', async () => {
  const desk = await openDay()
  const late: (() => Promise<unknown>)[] = []
  aroundCopying(async (copy) => {
    late.push(copy)
    return copy()
  })
  const id = await arrive(desk, 0)
  await soon(async () => expect(await copied(desk)).toEqual([{ position: 1, status: 'waiting' }]))
  await undo(desk, id, 'uncheck-in')
  const undone = [{ position: 1, status: 'undone' }]
  await soon(async () => expect(await copied(desk)).toEqual(undone))
  expect(late.length).toBeGreaterThan(1)
  for (const copy of late) await copy()
  expect(await copied(desk)).toEqual(undone)
  expect((await desk.get('/api/v1/appointments?status=checked_in')).body).toEqual([])
})

test('a day that is rebuilt from the copy has no undone check-in, and does not give its position again', async () => {
  const desk = await openDay()
  const [first, second] = [await arrive(desk, 0), await arrive(desk, 1)]
  await undo(desk, second, 'uncheck-in')
  await soon(async () =>
    expect(await copied(desk)).toMatchObject([{ status: 'waiting' }, { status: 'undone' }]),
  )
  const admin = await openClinic({ scopes: ['admin', 'clinics:*'] })
  await runInDurableObject(objectOf(desk), (_, { storage }) => {
    storage.sql.exec("UPDATE head SET mac = ''")
  })
  await evictDurableObject(objectOf(desk))
  const repair = { doctor_id: desk.doctorId, date: DAY, how: 'rebuild' }
  const repaired = await admin.post(`/api/v1/clinics/${desk.clinicId}/days/repair`, repair)
  expect(repaired.body).toMatchObject({ appointments: 2, check_ins: 1 })
  expect(await listing(desk)).toMatchObject([{ appointment_id: first, position: 1 }])
  expect((await checkIn(desk, second, 1)).body).toMatchObject({ queue_position: 3 })
})

test.each(KINDS)('%s: both views hear of it once, and one that comes again hears it once', async (kind) => {
  const desk = await openDay()
  const [id] = [await arrive(desk, 0), await arrive(desk, 1)]
  const views = [
    await follow(kind, onDay(desk), withKey(desk)),
    await follow(kind, onDay(desk, { view: 'board' }), withKey(desk)),
  ]
  for (const follower of views) await until(follower, 5)
  await undo(desk, id, 'uncheck-in')
  for (const follower of views) {
    await until(follower, 6)
    expect(follower.messages.at(-1)).toMatchObject({ event: 'unchecked_in', entry: null, removed: 1 })
    expect(folded(follower.messages).map(({ position }) => position)).toEqual([2])
  }
  const [again, knows] = [
    await follow(kind, onDay(desk, { view: 'board' }), withKey(desk, 5)),
    await follow(kind, onDay(desk), withKey(desk, 6)),
  ]
  await until(again, 6)
  await serve(desk)
  await until(knows, 8)
  expect(again.messages.filter((message) => 'removed' in message)).toHaveLength(1)
  expect(knows.messages.map(({ seq }) => seq)).toEqual([7, 8])
  await Promise.all([...views, again, knows].map((follower) => follower.cut()))
})

test('a called patient is requeued in one step and keeps the place; recall and skip stay', async () => {
  const desk = await openDay()
  const [first] = [await arrive(desk, 0), await arrive(desk, 1)]
  await next(desk, 'r')
  expect((await step(desk, first, 'recall')).body.status).toBe('called')
  expect((await step(desk, first, 'requeue')).body).toMatchObject({
    status: 'waiting',
    position: 1,
    room: null,
  })
  expect((await next(desk, 's')).body).toMatchObject({ appointment_id: first, room: 's' })
})

test('the queue at an instant is as it was: before the check-in, while waiting, after the undoing', async () => {
  const desk = await openDay()
  const id = await arrive(desk, 0)
  at(NOON + 10_000)
  await next(desk, 'r')
  at(NOON + 20_000)
  await step(desk, id, 'requeue')
  at(NOON + 30_000)
  await undo(desk, id, 'uncheck-in')
  const queueAt = async (ms: number, date = `date=${DAY}&`) => {
    const instant = new Date(NOON + ms).toISOString()
    const path = `${CHECKINS}/doctors/${desk.doctorId}/queue?${date}at=${instant}`
    return (await desk.get(path)).body.map(({ status, room }: Record<string, unknown>) => [status, room])
  }
  expect(await queueAt(-1)).toEqual([])
  for (const date of [undefined, ''])
    expect([
      await queueAt(0, date),
      await queueAt(10_000, date),
      await queueAt(29_999, date),
      await queueAt(30_000, date),
    ]).toEqual([[['waiting', null]], [['called', 'r']], [['waiting', null]], []])
  const waitAt = (ms: number) => desk.get(`${CHECKINS}/${id}?at=${new Date(NOON + ms).toISOString()}`)
  expect((await waitAt(10_000)).body).toMatchObject({ status: 'called', position: 1 })
  for (const ms of [-1, 30_000]) expect((await waitAt(ms)).status).toBe(404)
  const bad = await desk.get(`${CHECKINS}/doctors/${desk.doctorId}/queue?date=${DAY}&at=noon`)
  expect(bad.body.errors[0].field).toBe('at')
})
