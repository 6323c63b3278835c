import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import type { ClinicBoard, ClinicDesk } from '../src/clinic-day/model'
import { clinicDayKey, dayKey } from '../src/doctor-day/storage/address'
import { type Client, caller, type FrontDesk, keyFor, openFrontDesk, times } from './clinic'
import { abort } from './faults'
import { type Follower, follow, KINDS, keyOf, randomFrom } from './followers'
import { at, DAY, NOON, next, step } from './live-day'
import { rounds } from './rounds'
import { soon } from './soon'

afterEach(() => {
  env.BOARD_INITIALS = 'false'
  vi.restoreAllMocks()
  vi.useRealTimers()
})

interface Clinic extends FrontDesk {
  doctorIds: string[]
}

async function openClinicOf(doctors = 2, patients = 3): Promise<Clinic> {
  const desk = await openFrontDesk({ patients, capacity: 20 })
  const others = await Promise.all(
    times(doctors - 1, (n) =>
      desk.post('/api/v1/doctors', { name: `Doctor ${n}`, code: `D${n}`, capacity: 20 }),
    ),
  )
  at(NOON)
  return { ...desk, doctorIds: [desk.doctorId, ...others.map(({ body }) => body.id as string)] }
}

const livePath = (query: Record<string, string> = {}) =>
  `/api/v1/days/live?${new URLSearchParams({ date: DAY, ...query })}`
const withKey = (desk: Client) => ({ headers: keyOf(desk) })
const objectOf = (desk: Client) =>
  env.CLINIC_DAY.get(env.CLINIC_DAY.idFromName(clinicDayKey(desk.clinicId, DAY)))
const dayOf = (desk: Client, doctorId: string) =>
  env.DOCTOR_DAY.get(env.DOCTOR_DAY.idFromName(dayKey(desk.clinicId, doctorId, DAY)))

const deskOf = ({ messages }: Pick<Follower, 'messages'>) => messages as unknown as ClinicDesk[]
const boardOf = ({ messages }: Pick<Follower, 'messages'>) => messages as unknown as ClinicBoard[]
const eventsOf = (follower: Pick<Follower, 'messages'>) =>
  deskOf(follower).flatMap((message) => (message.type === 'event' ? [message] : []))
const started = (follower: Follower) => soon(() => expect(follower.messages.length).toBeGreaterThan(0))

/** Each event as its day has it: the doctor and the number. */
const heard = (follower: Pick<Follower, 'messages'>) =>
  eventsOf(follower).map(({ doctor, day_seq }) => `${doctor.id} ${day_seq}`)

async function logOf(desk: Client, doctorId: string): Promise<{ seq: number; type: string }[]> {
  return (await desk.get(`/api/v1/doctors/${doctorId}/days/${DAY}/events?limit=1000`)).body
}

async function arrive(desk: Clinic, doctor: number, patient: number): Promise<string> {
  const { body } = await desk.book({ date: DAY, doctorId: desk.doctorIds[doctor] ?? '', patient })
  await desk.post('/api/v1/checkins', { appointment_id: body.id, patient_id: body.patient_id })
  return body.id
}

/** What the messages add up to: the records of every doctor. */
function foldedDesk(follower: Pick<Follower, 'messages'>) {
  const doctors = new Map<string, Map<string, unknown>>()
  const put = (
    one: { doctor: { id: string }; removed?: number } & Record<string, unknown>,
    gone: string[] = [],
  ) => {
    const records = doctors.get(one.doctor.id) ?? new Map<string, unknown>()
    doctors.set(one.doctor.id, records)
    if (one.removed) records.delete(`queue ${one.removed}`)
    for (const id of gone) for (const kind of KINDS_OF_RECORDS) records.delete(`${kind} ${id}`)
    for (const kind of KINDS_OF_RECORDS)
      for (const record of one[kind] as { id?: string; hold_id?: string; position?: number }[])
        records.set(`${kind} ${record.position ?? record.id ?? record.hold_id}`, record)
    const { is_present, capacity, booked, held, offered, waiting } = one
    records.set('figures', { is_present, capacity, booked, held, offered, waiting })
  }
  for (const message of deskOf(follower))
    if (message.type === 'event') put(message, message.gone)
    else {
      doctors.clear()
      for (const one of message.doctors) put(one)
    }
  return Object.fromEntries(
    [...doctors].sort().map(([id, records]) => [id, Object.fromEntries([...records].sort())]),
  )
}
const KINDS_OF_RECORDS = ['appointments', 'holds', 'waitlist', 'queue'] as const

test.each(KINDS)(
  '%s: a snapshot of all doctors, then each event of any of them, without a gap',
  async (kind) => {
    const desk = await openClinicOf(3)
    await arrive(desk, 0, 0)
    const follower = await follow(kind, livePath(), withKey(desk))
    await started(follower)
    expect(deskOf(follower)[0]).toMatchObject({
      type: 'snapshot',
      date: DAY,
      doctors: [
        {
          doctor: { id: desk.doctorIds[0], name: 'Grace Hopper', code: 'GH' },
          version: 3,
          ...{ is_present: true, capacity: 20, booked: 1, held: 0, offered: 0, waiting: 0 },
          appointments: [{ status: 'checked_in', slot: 1, patient_name: 'Patient 0' }],
          queue: [{ position: 1, status: 'waiting', patient_name: 'Patient 0' }],
        },
      ],
    })
    await arrive(desk, 1, 1)
    await desk.post(`/api/v1/checkins/doctors/${desk.doctorIds[0]}/queue/next`, { date: DAY, room: '7' })
    await soon(() => expect(eventsOf(follower)).toHaveLength(4))
    const first = deskOf(follower)[0]?.seq ?? 0
    expect(follower.messages.map(({ seq }) => seq)).toEqual(times(5, (n) => first + n))
    expect(heard(follower).sort()).toEqual(
      [`${desk.doctorIds[0]} 4`, ...times(3, (n) => `${desk.doctorIds[1]} ${n + 1}`)].sort(),
    )
    expect(eventsOf(follower).find(({ event }) => event === 'called')).toMatchObject({
      doctor: { id: desk.doctorIds[0], name: 'Grace Hopper' },
      queue: [{ position: 1, status: 'called', room: '7', patient_name: 'Patient 0' }],
    })
    expect(eventsOf(follower).find(({ event }) => event === 'booked')).toMatchObject({
      doctor: { id: desk.doctorIds[1], name: 'Doctor 0', code: 'D0' },
      appointments: [{ status: 'booked', patient_name: 'Patient 1' }],
      queue: [],
      booked: 1,
    })
    await follower.cut()
  },
)

test('the desk hears of holds, offers and waiting places, and when each of them has gone', async () => {
  const desk = await openClinicOf(1, 3)
  await desk.post(`/api/v1/doctors/${desk.doctorId}/availability`, {
    date: DAY,
    is_present: true,
    capacity: 1,
  })
  const follower = await follow('WebSocket', livePath(), withKey(desk))
  await started(follower)
  const place = { doctor_id: desk.doctorId, date: DAY }
  const hold = await desk.post('/api/v1/appointments/holds', { ...place, ttl_seconds: 60 })
  const waiting = await desk.post('/api/v1/appointments/waitlist', {
    ...place,
    patient_id: desk.patientIds[0],
  })
  await desk.send('DELETE', `/api/v1/appointments/holds/${hold.body.hold_id}`)
  await desk.post(`/api/v1/appointments/waitlist/${waiting.body.id}/accept`)
  await soon(() => expect(eventsOf(follower).at(-1)?.event).toBe('booked'))
  const by = (event: string) => eventsOf(follower).find((one) => one.event === event)
  expect(by('held')).toMatchObject({ holds: [{ hold_id: hold.body.hold_id, slot: 1 }], held: 1 })
  expect(by('waitlisted')).toMatchObject({
    waitlist: [{ id: waiting.body.id, patient_name: 'Patient 0', offer: null }],
    waiting: 1,
  })
  expect(by('hold_ended')).toMatchObject({ holds: [], gone: [hold.body.hold_id], held: 0 })
  expect(by('offered')).toMatchObject({ waitlist: [{ id: waiting.body.id, offer: { slot: 1 } }], offered: 1 })
  expect(by('wait_ended')).toMatchObject({ gone: [waiting.body.id], offered: 0 })
  expect(by('booked')).toMatchObject({ appointments: [{ slot: 1, patient_name: 'Patient 0' }], booked: 1 })
  await follower.cut()
})

test.each(KINDS)(
  '%s: the board shows positions, states and rooms by doctor’s code, and no name, id or time',
  async (kind) => {
    const desk = await openClinicOf(2)
    const board = await follow(kind, livePath({ view: 'board' }), withKey(desk))
    await started(board)
    const ids = [await arrive(desk, 0, 0), await arrive(desk, 1, 1)]
    await desk.post(`/api/v1/checkins/doctors/${desk.doctorIds[1]}/queue/next`, { date: DAY, room: 'Room 7' })
    await soon(() => expect(board.messages).toHaveLength(8))
    const again = await follow(kind, livePath({ view: 'board' }), withKey(desk))
    await started(again)
    const entry = (status: string, room: string | null) => [{ position: 1, status, room, initials: null }]
    expect(boardOf(again)[0]).toMatchObject({
      doctors: [
        { doctor: 'D0', entries: entry('called', 'Room 7') },
        { doctor: 'GH', entries: entry('waiting', null) },
      ],
    })
    expect(boardOf(board).find((message) => 'event' in message && message.event === 'called')).toMatchObject({
      event: 'called',
      doctor: 'D0',
      entries: entry('called', 'Room 7'),
    })
    const [, ...events] = boardOf(board)
    expect(events.filter((message) => 'event' in message && message.event === 'other')).toHaveLength(4)
    for (const { raw } of [board, again]) {
      for (const secret of [...ids, ...desk.patientIds, ...desk.doctorIds, desk.clinicId, desk.keyId])
        expect(raw).not.toContain(secret)
      expect(raw).not.toMatch(/patient|booked|2040-|T12:|Hopper/i)
    }
    await Promise.all([board.cut(), again.cut()])
  },
)

test('a check-in and a completed visit that are undone are told to the desk and to the board', async () => {
  const desk = await openClinicOf(2, 2)
  const staff = await follow('WebSocket', livePath(), withKey(desk))
  const board = await follow('WebSocket', livePath({ view: 'board' }), withKey(desk))
  await Promise.all([started(staff), started(board)])
  const [kept, undone] = [await arrive(desk, 0, 0), await arrive(desk, 1, 1)]
  await next(desk, '1')
  await step(desk, kept, 'serve')
  expect((await step(desk, kept, 'unserve')).status).toBe(200)
  expect((await step(desk, undone, 'uncheck-in')).status).toBe(200)
  const told = (message: ClinicDesk | ClinicBoard) => ('event' in message ? message.event : '')
  await soon(() => {
    expect(deskOf(staff).map(told)).toContain('unchecked_in')
    expect(boardOf(board).map(told)).toContain('unchecked_in')
  })
  expect(deskOf(staff).find((message) => told(message) === 'unchecked_in')).toMatchObject({
    appointments: [{ id: undone, status: 'booked' }],
    ...{ removed: 1, queue: [], gone: [] },
  })
  expect(deskOf(staff).find((message) => told(message) === 'unserved')).toMatchObject({
    queue: [{ appointment_id: kept, status: 'called' }],
  })
  expect(boardOf(board).find((message) => told(message) === 'unchecked_in')).toMatchObject({
    ...{ doctor: 'D0', entries: [], removed: 1 },
  })
  expect(boardOf(board).find((message) => told(message) === 'unserved')).toMatchObject({
    ...{ doctor: 'GH', entries: [{ position: 1, status: 'called' }] },
  })
  await Promise.all([staff.cut(), board.cut()])
})

test('the board shows initials where the service is set up to', async () => {
  env.BOARD_INITIALS = 'true'
  const desk = await openClinicOf(1)
  await arrive(desk, 0, 0)
  const board = await follow('WebSocket', livePath({ view: 'board' }), withKey(desk))
  await started(board)
  expect(board.raw).toContain('"initials":"P0"')
  expect(board.raw).not.toContain('Patient')
  await board.cut()
})

test('a ticket opens its view of its date, again and again, and nothing else', async () => {
  const [desk, other] = [await openClinicOf(), await openFrontDesk()]
  await arrive(desk, 0, 0)
  const ticketFor = async (client: Client, view: string) =>
    (await client.post('/api/v1/days/tickets', { date: DAY, view })).body as { ticket: string; url: string }
  const [board, names] = [await ticketFor(desk, 'board'), await ticketFor(desk, 'desk')]
  for (const kind of KINDS) {
    const [one, two] = [await follow(kind, board.url), await follow(kind, names.url)]
    await Promise.all([started(one), started(two)])
    expect([one.raw.includes('Patient 0'), two.raw.includes('Patient 0')]).toEqual([false, true])
    await Promise.all([one.cut(), two.cut()])
  }
  const foreign = (await ticketFor(other, 'desk')).ticket
  const own = clinicDayKey(desk.clinicId, DAY)
  const wrong = [
    livePath({ ticket: board.ticket, view: 'desk' }),
    livePath({ ticket: names.ticket, date: '2040-03-15' }),
    livePath({ ticket: `${names.ticket}x` }),
    livePath({ ticket: foreign.replace(clinicDayKey(other.clinicId, DAY), own) }),
    `/api/v1/checkins/doctors/${desk.doctorId}/queue/live?date=${DAY}&ticket=${names.ticket}`,
    `/api/v1/ws/queue?ticket=${names.ticket}`,
    `/api/v1/days?date=${DAY}&ticket=${names.ticket}`,
  ]
  for (const path of wrong) {
    const { status } = await caller().get(path, { Upgrade: 'websocket' })
    expect([path, status]).toEqual([path, 401])
  }
  const retried = await desk.post('/api/v1/days/tickets', { date: DAY }, { 'Idempotency-Key': 'k' })
  const again = await desk.post('/api/v1/days/tickets', { date: DAY }, { 'Idempotency-Key': 'k' })
  expect([retried.status, again.status, again.body.type]).toEqual([201, 409, '/problems/key_shown_once'])
})

test('the desk of a clinic needs the scopes of all that it shows; a board needs that of the queue', async () => {
  const desk = await openClinicOf()
  const statusOf = async (scopes: string[], view: string) => {
    const key = await keyFor(desk.clinicId, scopes)
    const live = await key.get(livePath({ view }))
    const ticket = await key.post('/api/v1/days/tickets', { date: DAY, view })
    return [live.status, ticket.status]
  }
  const all = ['checkins:read', 'appointments:read', 'patients:read']
  expect(await statusOf(all, 'desk')).toEqual([200, 201])
  expect(await statusOf(['checkins:read'], 'board')).toEqual([200, 201])
  for (const missing of all)
    expect([
      missing,
      ...(await statusOf(
        all.filter((scope) => scope !== missing),
        'desk',
      )),
    ]).toEqual([missing, 403, 403])
})

test('a clinic hears nothing of another one on the same date', async () => {
  const [desk, other] = [await openClinicOf(), await openClinicOf()]
  await arrive(desk, 0, 0)
  const follower = await follow('WebSocket', livePath(), withKey(other))
  await started(follower)
  await arrive(desk, 1, 1)
  await arrive(other, 0, 0)
  await soon(() => expect(eventsOf(follower)).toHaveLength(3))
  for (const id of [...desk.patientIds, ...desk.doctorIds]) expect(follower.raw).not.toContain(id)
  await follower.cut()
})

test('the streams of a revoked key and of its tickets end, the others go on', async () => {
  const desk = await openClinicOf()
  const key = await keyFor(desk.clinicId, ['checkins:read'])
  const { url } = (await key.post('/api/v1/days/tickets', { date: DAY })).body
  const followers = [
    await follow('WebSocket', livePath({ view: 'board' }), withKey(key)),
    await follow('WebSocket', url),
    await follow('WebSocket', livePath(), withKey(desk)),
  ]
  await Promise.all(followers.map(started))
  await env.DB.prepare('UPDATE api_keys SET revoked_at = 1 WHERE id = ?').bind(key.keyId).run()
  at(NOON + 10_000)
  await runDurableObjectAlarm(objectOf(desk))
  await soon(() => expect(followers.map(({ end }) => end?.code)).toEqual([4001, 4001, undefined]))
  expect((await caller().get(url)).status).toBe(401)
  await followers[2]?.cut()
})

/** Somebody who follows again after each cut, with the last number that came. */
function returning(kind: (typeof KINDS)[number], desk: Clinic) {
  const messages: Follower['messages'] = []
  let now: Follower | null = null
  return {
    /** All that came so far. */
    seen: () => ({ messages: [...messages, ...(now?.messages ?? [])] }),
    async come(): Promise<void> {
      const seq = messages.at(-1)?.seq
      now = await follow(kind, livePath(), { ...withKey(desk), ...(seq === undefined ? {} : { seq }) })
    },
    async cut(): Promise<void> {
      await now?.cut()
      messages.push(...(now?.messages ?? []))
      now = null
    },
  }
}

/** Every event of every day, but those that the first snapshot held. */
async function expectAll(desk: Clinic, seen: Pick<Follower, 'messages'>): Promise<void> {
  const [first] = deskOf(seen)
  if (first?.type !== 'snapshot') throw new Error('It did not begin with a snapshot')
  const before = new Map(first.doctors.map(({ doctor, version }) => [doctor.id, version]))
  const logs = await Promise.all(desk.doctorIds.map((id) => logOf(desk, id)))
  const wanted = desk.doctorIds.map((id, n) =>
    (logs[n] ?? []).slice(before.get(id) ?? 0).map(({ seq, type }) => `${seq} ${type}`),
  )
  const came = desk.doctorIds.map((id) =>
    eventsOf(seen).flatMap(({ doctor, day_seq, event }) => (doctor.id === id ? [`${day_seq} ${event}`] : [])),
  )
  expect(came).toEqual(wanted)
  expect(seen.messages.map(({ seq }) => seq)).toEqual(times(wanted.flat().length + 1, (n) => first.seq + n))
}

test.each(KINDS)(
  '%s: after a cut, and a reset of all objects, since goes on without a gap or a repeat',
  async (kind) => {
    const desk = await openClinicOf(2, 4)
    const follower = returning(kind, desk)
    await arrive(desk, 0, 0)
    await follower.come()
    await soon(() => expect(follower.seen().messages).toHaveLength(1))
    await arrive(desk, 1, 1)
    await soon(() => expect(eventsOf(follower.seen()).length).toBeGreaterThan(0))
    await follower.cut()
    await abort(objectOf(desk))
    await arrive(desk, 0, 2)
    for (const doctorId of desk.doctorIds) await abort(dayOf(desk, doctorId))
    await follower.come()
    await arrive(desk, 1, 3)
    await soon(() => expectAll(desk, follower.seen()))
    await follower.cut()
  },
)

/** Hints are lost while `isLost` says so. */
function loseHints(isLost: () => boolean): { lost(): number } {
  const namespace = Object.getPrototypeOf(env.CLINIC_DAY) as DurableObjectNamespace
  const get = namespace.get
  let lost = 0
  vi.spyOn(namespace, 'get').mockImplementation(function (this: DurableObjectNamespace, ...args) {
    const stub = get.apply(this, args)
    return new Proxy(stub, {
      get(target, name) {
        // A native method is called on the object itself.
        if (name === 'fetch') return target.fetch.bind(target)
        if (name !== 'hint' || !isLost()) return Reflect.get(target, name)
        lost += 1
        return async () => {}
      },
    })
  })
  return { lost: () => lost }
}

test('a lost hint costs a second: D1’s copy tells which day has gone on', async () => {
  const desk = await openClinicOf(2)
  await arrive(desk, 0, 0)
  const follower = await follow('WebSocket', livePath(), withKey(desk))
  await started(follower)
  const hints = loseHints(() => true)
  await arrive(desk, 0, 1)
  await arrive(desk, 1, 2)
  await soon(() => expect(eventsOf(follower)).toHaveLength(5))
  expect(hints.lost()).toBeGreaterThan(0)
  await follower.cut()
})

test('a known day is followed while D1 is gone', async () => {
  const desk = await openClinicOf(1)
  const id = await arrive(desk, 0, 0)
  await next(desk, '3')
  const follower = await follow('WebSocket', livePath(), withKey(desk))
  await started(follower)
  vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'prepare').mockImplementation(() => {
    throw new Error('D1_ERROR: Network connection lost.')
  })
  await step(desk, id, 'skip')
  await soon(() =>
    expect(eventsOf(follower).at(-1)).toMatchObject({ event: 'skipped', doctor: { code: 'GH' } }),
  )
  await follower.cut()
})

test('a day that was repaired has another log: its followers get a snapshot, and go on', async () => {
  const desk = await openClinicOf(2)
  await arrive(desk, 0, 0)
  await arrive(desk, 1, 1)
  const follower = await follow('WebSocket', livePath(), withKey(desk))
  await started(follower)
  const admin = await keyFor(desk.clinicId, ['admin', 'appointments:read'])
  await soon(async () => {
    const copied = 'SELECT sum(version) AS events FROM days WHERE clinic_id = ?'
    expect(await env.DB.prepare(copied).bind(desk.clinicId).first('events')).toBe(6)
  })
  await runInDurableObject(dayOf(desk, desk.doctorId), (_, { storage }) => {
    storage.sql.exec(`UPDATE events SET body = '{}' WHERE seq = 2`)
  })
  await abort(dayOf(desk, desk.doctorId))
  const repaired = await admin.post(`/api/v1/clinics/${desk.clinicId}/days/repair`, {
    doctor_id: desk.doctorId,
    date: DAY,
    how: 'rebuild',
  })
  expect(repaired.status).toBe(200)
  await soon(() => expect(follower.messages.filter(({ type }) => type === 'snapshot')).toHaveLength(2))
  const again = deskOf(follower).findLast(({ type }) => type === 'snapshot')
  expect(again).toMatchObject({
    doctors: [
      { doctor: { name: 'Doctor 0' }, version: 3, booked: 1 },
      { doctor: { name: 'Grace Hopper' }, version: 2, booked: 1, queue: [{ patient_name: 'Patient 0' }] },
    ],
  })
  await arrive(desk, 1, 2)
  await soon(() =>
    expect(heard(follower).slice(-2)).toEqual(times(2, (n) => `${desk.doctorIds[1]} ${n + 4}`)),
  )
  await follower.cut()
})

test('a since of another numbering gets a snapshot', async () => {
  const desk = await openClinicOf(1)
  await arrive(desk, 0, 0)
  for (const seq of [0, 7, 999_999_999_999_999]) {
    const follower = await follow('event stream', livePath(), { ...withKey(desk), seq })
    await started(follower)
    expect(follower.messages.map(({ type }) => type)).toEqual(['snapshot'])
    await follower.cut()
  }
})

test('a day after the last follower the numbers are swept, and a follower of before gets a snapshot', async () => {
  const desk = await openClinicOf(1)
  await arrive(desk, 0, 0)
  const follower = await follow('WebSocket', livePath(), withKey(desk))
  await started(follower)
  await follower.cut()
  const tables = () =>
    runInDurableObject(objectOf(desk), (_, { storage }) =>
      storage.sql.exec(`SELECT name FROM sqlite_master WHERE name = 'runs'`).toArray(),
    )
  expect(await tables()).toHaveLength(1)
  await soon(async () => {
    at(NOON + 48 * 3_600_000)
    await runDurableObjectAlarm(objectOf(desk))
    expect(await tables()).toHaveLength(0)
  })
  const again = await follow('WebSocket', livePath(), {
    ...withKey(desk),
    seq: follower.messages[0]?.seq ?? 0,
  })
  await started(again)
  expect(again.messages.map(({ type }) => type)).toEqual(['snapshot'])
  await again.cut()
})

test('a day that nobody follows asks for no object of the clinic', async () => {
  const desk = await openClinicOf(1)
  const calls = vi.spyOn(Object.getPrototypeOf(env.CLINIC_DAY) as DurableObjectNamespace, 'get')
  const reached = vi.spyOn(Object.getPrototypeOf(env.CLINIC_DAY) as DurableObjectNamespace, 'idFromName')
  await arrive(desk, 0, 0)
  const names = reached.mock.calls.map(([name]) => name)
  expect(calls).toHaveBeenCalled()
  expect(names).not.toContain(clinicDayKey(desk.clinicId, DAY))
})

/** One thing out of a clinic's day. What a day refuses changes nothing, and is as good a test. */
function lifeOf(desk: Clinic, random: (below: number) => number): () => Promise<unknown> {
  const came: string[] = []
  const some = <One>(all: One[]) => all[random(all.length)] as One
  return async () => {
    const place = { doctor_id: some(desk.doctorIds), date: DAY }
    const patient_id = some(desk.patientIds)
    switch (random(7)) {
      case 0:
        return desk.post('/api/v1/appointments/holds', { ...place, ttl_seconds: 600 })
      case 1:
        return desk.post(`/api/v1/checkins/doctors/${place.doctor_id}/queue/next`, { date: DAY, room: 'r' })
      case 2:
        return desk.post('/api/v1/appointments/waitlist', { ...place, patient_id })
      case 3: {
        const { body, status } = await desk.post('/api/v1/appointments', { ...place, patient_id })
        return status === 201 && desk.post(`/api/v1/appointments/${body.id}/cancel`, {})
      }
      case 4:
        return came.length > 0 && desk.post(`/api/v1/checkins/${some(came)}/${some(STEPS)}`)
      case 5:
        return (
          came.length > 0 &&
          desk.post(`/api/v1/appointments/${some(came)}/reschedule`, {
            ...place,
            doctor_id: some(desk.doctorIds),
          })
        )
      default: {
        const { body, status } = await desk.post('/api/v1/checkins/walk-in', {
          doctor_id: place.doctor_id,
          patient_id,
        })
        return status === 201 && came.push(body.appointment_id)
      }
    }
  }
}
const SEEDS = [3, 5, 11, 17]
const STEPS = ['serve', 'skip', 'requeue', 'no-show', 'recall', 'unserve', 'uncheck-in']

test.each(SEEDS.slice(0, rounds(1, 4)).flatMap((seed) => KINDS.map((kind) => [kind, seed] as const)))(
  '%s, seed %i: while objects are reset, hints lost and connections cut, the stream is the logs of all days',
  async (kind, seed) => {
    const desk = await openClinicOf(4, 30)
    const random = randomFrom(seed * 7_919)
    const [live, follower] = [lifeOf(desk, random), returning(kind, desk)]
    loseHints(() => random(3) === 0)
    for (const _ of times(12, (n) => n)) {
      await follower.come()
      const happening = Promise.all(times(random(6), live))
      if (random(3) > 0) await happening
      if (random(3) > 0) await scheduler.wait(random(40))
      await happening
      const doctorId = desk.doctorIds[random(4)] ?? ''
      if (random(3) === 0 && (await logOf(desk, doctorId)).length > 0) await abort(dayOf(desk, doctorId))
      await follower.cut()
      if (random(3) === 0) await abort(objectOf(desk))
    }
    await follower.come()
    await soon(() => expectAll(desk, follower.seen()))
    expect(eventsOf(follower.seen()).length).toBeGreaterThan(20)
    const whole = await follow('WebSocket', livePath(), withKey(desk))
    await started(whole)
    expect(foldedDesk(follower.seen())).toEqual(foldedDesk(whole))
    await Promise.all([follower.cut(), whole.cut()])
  },
  60_000,
)
