import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import type { DoctorDay } from '../src/doctor-day/doctor-day'
import { dayKey } from '../src/doctor-day/storage/address'
import { DAY, type FrontDesk, openFrontDesk, type Reply, statuses, times } from './clinic'
import { aroundCopying } from './faults'
import { soon } from './soon'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const dayOf = (desk: FrontDesk) =>
  env.DOCTOR_DAY.get(env.DOCTOR_DAY.idFromName(dayKey(desk.clinicId, desk.doctorId, DAY)))

const listOf = (desk: FrontDesk) =>
  desk.get(`/api/v1/appointments/doctors/${desk.doctorId}/appointments?date=${DAY}`)

/** What D1's copy says of the day, in the words of the API's list. */
const copyOf = async (desk: FrontDesk) =>
  (
    await env.DB.prepare(
      'SELECT id, patient_id, slot FROM appointments WHERE clinic_id = ? AND doctor_id = ? AND date = ? ORDER BY slot',
    )
      .bind(desk.clinicId, desk.doctorId, DAY)
      .all()
  ).results

const inCopysWords = (list: Reply) =>
  list.body.map(({ id, patient_id, slot }: Record<string, unknown>) => ({ id, patient_id, slot }))

/** Every statement that writes fails as D1 does when it is lost; what only reads still works. */
function loseWrites() {
  const batch = Object.getPrototypeOf(env.DB).batch as D1Database['batch']
  const spy = vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'batch')
  spy.mockImplementation(async function (this: D1Database, statements: D1PreparedStatement[]) {
    if (
      statements.some((statement) =>
        /^\s*insert/i.test((statement as { statement?: string }).statement ?? ''),
      )
    )
      throw new Error('D1_ERROR: Network connection lost.')
    return (await batch.call(this, statements)) as never
  })
  return spy
}

async function untilCopied(desk: FrontDesk): Promise<void> {
  const list = inCopysWords(await listOf(desk))
  await soon(async () => expect(await copyOf(desk)).toEqual(list))
}

test('a booking is in D1’s copy soon after', async () => {
  const desk = await openFrontDesk({ patients: 3 })
  for (const patient of [0, 1, 2]) await desk.book({ date: DAY, patient })
  await untilCopied(desk)
})

test('while D1 refuses writes, bookings are still acknowledged and exact; the copy catches up when it returns', async () => {
  const desk = await openFrontDesk({ patients: 30 })
  const lost = loseWrites()
  const replies = await Promise.all(times(30, (patient) => desk.book({ date: DAY, patient })))
  expect(statuses(replies)).toEqual({ 201: 10, 409: 20 })
  const list = await listOf(desk)
  expect(list.body).toHaveLength(10)
  await soon(() => expect(lost).toHaveBeenCalled())
  expect(await copyOf(desk)).toEqual([])
  lost.mockRestore()
  await runDurableObjectAlarm(dayOf(desk))
  await untilCopied(desk)
  expect((await listOf(desk)).text).toBe(list.text)
})

test('an outage during which a day gets more events than one copy takes leaves none of them out', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  const { clinicId, doctorId } = desk
  const lost = loseWrites()
  const first = await desk.book({ date: DAY })
  await runInDurableObject(dayOf(desk), async (day: DoctorDay) => {
    const opening = { clinicId, doctorId, date: DAY, timeZone: 'UTC', capacity: 10 }
    for (const holdId of times(300, (n) => `hold-${n}`))
      for (const command of [
        { type: 'hold', opening, holdId, ttlMs: 60_000 } as const,
        { type: 'release_hold', clinicId, holdId } as const,
      ])
        await day.perform({ id: `${command.type}-${holdId}`, actor: 'key', isKeyed: false }, command)
  })
  await desk.post(`/api/v1/appointments/${first.body.id}/cancel`)
  await desk.book({ date: DAY, patient: 1 })
  expect(await copyOf(desk)).toEqual([])
  lost.mockRestore()
  await runDurableObjectAlarm(dayOf(desk))
  const row = () =>
    env.DB.prepare('SELECT taken, version FROM days WHERE doctor_id = ?').bind(doctorId).first()
  await soon(async () => expect(await row()).toEqual({ taken: 1, version: 604 }))
  const statuses = await env.DB.prepare(
    'SELECT status FROM appointments WHERE doctor_id = ? ORDER BY created_at',
  )
    .bind(doctorId)
    .all()
  expect(statuses.results).toEqual([{ status: 'cancelled' }, { status: 'booked' }])
})

test('while D1 is gone altogether a booking is a fast 503 with Retry-After, and nothing is booked', async () => {
  const desk = await openFrontDesk()
  vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'batch').mockRejectedValue(
    new Error('D1_ERROR: Network connection lost.'),
  )
  const refused = await desk.book({ date: DAY, idempotency_key: 'k' })
  expect(refused.status).toBe(503)
  expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThan(0)
  vi.restoreAllMocks()
  expect((await listOf(desk)).body).toEqual([])
  expect((await desk.book({ date: DAY, idempotency_key: 'k' })).status).toBe(201)
})

test('a database that neither answers nor fails is a 503 within ten seconds, and the key works later', async () => {
  const desk = await openFrontDesk()
  vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'batch').mockReturnValue(new Promise(() => {}))
  const refused = await desk.book({ date: DAY, idempotency_key: 'k' })
  expect([refused.status, refused.headers.get('Retry-After')]).toEqual([503, '1'])
  vi.restoreAllMocks()
  expect((await desk.book({ date: DAY, idempotency_key: 'k' })).status).toBe(201)
})

test('D1 that commits and then loses the connection doubles nothing: the retry gets the one appointment', async () => {
  const desk = await openFrontDesk({ patients: 1 })
  const batch = Object.getPrototypeOf(env.DB).batch as D1Database['batch']
  const spy = vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'batch')
  let isLost = false
  spy.mockImplementation(async function (this: D1Database, statements: D1PreparedStatement[]) {
    const answer = await batch.call(this, statements)
    const claims = statements.some((one) =>
      /INTO idempotency_keys/.test(String(Reflect.get(one, 'statement'))),
    )
    if (isLost || !claims) return answer as never
    isLost = true
    throw new Error('D1_ERROR: Network connection lost.')
  })
  const wanted = { date: DAY, idempotency_key: 'k', allow_another: true }
  expect((await desk.book(wanted)).status).toBe(503)
  const replies = await Promise.all(times(5, () => desk.book(wanted)))
  expect(statuses(replies)).toEqual({ 201: 5 })
  expect((await listOf(desk)).body).toHaveLength(1)
})

test('KV out of reach changes no answer: D1 and the day know the key', async () => {
  const desk = await openFrontDesk()
  const kv = Object.getPrototypeOf(env.REPLIES) as KVNamespace
  vi.spyOn(kv, 'get').mockRejectedValue(new Error('KV is gone'))
  vi.spyOn(kv, 'put').mockRejectedValue(new Error('KV is gone'))
  const first = await desk.book({ date: DAY, idempotency_key: 'k' })
  const again = await desk.book({ date: DAY, idempotency_key: 'k' })
  expect([first.status, again.status, again.text]).toEqual([201, 201, first.text])
  expect(again.headers.get('Idempotency-Replayed')).toBe('true')
  const refused = await desk.book({ date: DAY, idempotency_key: 'k2' })
  expect((await desk.book({ date: DAY, idempotency_key: 'k2' })).text).toBe(refused.text)
})

test('an object that loses its memory knows its day, its keys and its positions again', async () => {
  const desk = await openFrontDesk({ patients: 3 })
  vi.useFakeTimers({ now: new Date(`${DAY}T12:00:00Z`), toFake: ['Date'] })
  const first = await desk.book({ date: DAY, idempotency_key: 'k' })
  await desk.book({ date: DAY, patient: 1 })
  await desk.post('/api/v1/checkins', { appointment_id: first.body.id, patient_id: desk.patientIds[0] })
  const [list, queue] = [await listOf(desk), await desk.get(queuePath(desk))]
  await evictDurableObject(dayOf(desk))
  expect((await listOf(desk)).text).toBe(list.text)
  expect((await desk.get(queuePath(desk))).text).toBe(queue.text)
  await env.REPLIES.list().then(({ keys }) => Promise.all(keys.map(({ name }) => env.REPLIES.delete(name))))
  expect((await desk.book({ date: DAY, idempotency_key: 'k' })).text).toBe(first.text)
  expect((await desk.book({ date: DAY, patient: 2 })).body.slot).toBe(3)
})

const queuePath = (desk: FrontDesk) => `/api/v1/checkins/doctors/${desk.doctorId}/queue?date=${DAY}`

test('an object that dies before its copy is done arms its alarm when it wakes', async () => {
  const desk = await openFrontDesk()
  const lost = loseWrites()
  await desk.book({ date: DAY })
  await runInDurableObject(dayOf(desk), (_, state) => state.storage.deleteAlarm())
  await evictDurableObject(dayOf(desk))
  lost.mockRestore()
  await listOf(desk)
  expect(await runDurableObjectAlarm(dayOf(desk))).toBe(true)
  await untilCopied(desk)
})

test('the alarm stores once how far the copy has come; an object that dies before it copies again', async () => {
  const desk = await openFrontDesk({ patients: 3 })
  const stored = () =>
    runInDurableObject(dayOf(desk), (_, { storage }) =>
      storage.sql.exec(`SELECT seq FROM readers WHERE name = 'copy'`).toArray(),
    )
  for (const patient of [0, 1]) await desk.book({ date: DAY, patient })
  await untilCopied(desk)
  expect(await stored()).toEqual([])
  await evictDurableObject(dayOf(desk))
  await desk.book({ date: DAY, patient: 2 })
  await untilCopied(desk)
  expect(await runDurableObjectAlarm(dayOf(desk))).toBe(true)
  expect(await stored()).toEqual([{ seq: 4 }])
  expect((await listOf(desk)).body).toHaveLength(3)
})

test('a copy that D1 neither makes nor refuses is made again; the first, made later, takes nothing back', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  const day = dayOf(desk)
  const late = silenceCopies()
  await desk.book({ date: DAY })
  await soon(() => expect(late).toHaveLength(1))
  vi.restoreAllMocks()
  const { body } = await desk.book({ date: DAY, patient: 1 })
  await desk.post(`/api/v1/appointments/${body.id}/cancel`)
  await runDurableObjectAlarm(day)
  const taken = () =>
    env.DB.prepare('SELECT taken, version FROM days WHERE doctor_id = ?').bind(desk.doctorId).first()
  await soon(async () => expect(await taken()).toEqual({ taken: 1, version: 4 }))
  await late[0]?.()
  expect(await taken()).toEqual({ taken: 1, version: 4 })
})

/** D1 says nothing to whoever copies a day. What was to be written can still be written later. */
function silenceCopies(): (() => Promise<unknown>)[] {
  const late: (() => Promise<unknown>)[] = []
  aroundCopying((copy) => {
    late.push(copy)
    return new Promise(() => {})
  })
  return late
}

test('the copy never goes back: events copied again or late change nothing', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  await desk.book({ date: DAY })
  await untilCopied(desk)
  await runInDurableObject(dayOf(desk), (_, state) => {
    state.storage.sql.exec(`UPDATE readers SET seq = 0 WHERE name = 'copy'`)
  })
  await evictDurableObject(dayOf(desk))
  await env.DB.prepare('UPDATE appointments SET version = 1000, slot = 7 WHERE clinic_id = ?')
    .bind(desk.clinicId)
    .run()
  await desk.book({ date: DAY, patient: 1 })
  await soon(async () => expect(await copyOf(desk)).toMatchObject([{ slot: 2 }, { slot: 7 }]))
})

test('each event of a day’s log carries the hash of the one before', async () => {
  const desk = await openFrontDesk({ patients: 3 })
  for (const patient of [0, 1, 2]) await desk.book({ date: DAY, patient })
  const rows = await runInDurableObject(dayOf(desk), (_, state) =>
    state.storage.sql.exec('SELECT seq, at, actor, body, hash FROM events ORDER BY seq').toArray(),
  )
  expect(rows.map(({ seq }) => seq)).toEqual([1, 2, 3, 4])
  let previous = ''
  for (const { seq, at, actor, body, hash } of rows) {
    const text = new TextEncoder().encode(JSON.stringify([previous, seq, at, actor, body]))
    const digest = await crypto.subtle.digest('SHA-256', text)
    expect(Buffer.from(digest).toString('hex')).toBe(hash)
    previous = String(hash)
  }
})
