import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { afterEach, expect, test, vi } from 'vitest'
import type { RemoteDay } from '../src/doctor-day/client'
import type { Command } from '../src/doctor-day/commands'
import type { DoctorDay } from '../src/doctor-day/doctor-day'
import { openFrontDesk } from './clinic'
import { abort, betweenDays, failStorage } from './faults'
import {
  APPOINTMENTS,
  eventsOf,
  get,
  idsOn,
  ledger,
  MONDAY,
  move,
  objectOf,
  pastLedger,
  TUESDAY,
  typeOf,
} from './moves'
import { soon } from './soon'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
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
  await failStorage(monday, () => isFailing)
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
  for (const [patient, dies, ends, told] of [
    [0, 'reserve', MONDAY, 'lost'],
    [1, 'confirm_move', TUESDAY, 'answered'],
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
    const answer = (monday as unknown as RemoteDay)
      .move({ id: `op ${patient}`, actor: 'key', isKeyed: true }, wanted)
      .then(({ ok }) => ok && 'answered')
      .catch(() => 'lost')
    await soon(() => expect(isReached).toBe(true))
    vi.restoreAllMocks()
    await abort(monday)
    expect(await answer).toBe(told)
    expect(await runDurableObjectAlarm(objectOf(desk, MONDAY))).toBe(true)
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
    await soon(async () => expect(await pastLedger(desk, TUESDAY)).toMatchObject({ held: 1 }))
    vi.useFakeTimers({ now: Date.now() + 31_000, toFake: ['Date'] })
    await runDurableObjectAlarm(tuesday)
    vi.useRealTimers()
    vi.restoreAllMocks()
    expect(await pastLedger(desk, TUESDAY)).toMatchObject({ held: 0, booked })
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
