import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { afterEach, expect, test, vi } from 'vitest'
import { DoctorDay } from '../src/doctor-day/doctor-day'
import type { Query } from '../src/doctor-day/state/views'
import { type FrontDesk, openFrontDesk, type Reply } from './clinic'
import { abort, betweenDays } from './faults'
import {
  APPOINTMENTS,
  CHECKINS,
  eventsOf,
  get,
  idsOn,
  ledger,
  MONDAY,
  move,
  objectOf,
  pastLedger,
  TUESDAY,
  WEDNESDAY,
} from './moves'
import { soon } from './soon'

/** The answer to a move does not wait until the new day hears of it. What a client does then works all the same. */

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

/** Moved and answered; Tuesday has not heard of it, and will not until the mocks are restored. */
async function movedUnheard(desk: FrontDesk): Promise<string> {
  const { body } = await desk.book({ date: MONDAY })
  betweenDays(async ({ type }, call) => (type === 'confirm_move' ? new Promise(() => {}) : call()))
  expect((await move(desk, body.id, { date: TUESDAY })).status).toBe(200)
  expect(await eventsOf(desk, TUESDAY)).toEqual(['opened', 'reserved'])
  return body.id
}

test('the lists of the new day show it, and its slot is booked', async () => {
  const desk = await openFrontDesk()
  const id = await movedUnheard(desk)
  expect(await pastLedger(desk, TUESDAY)).toMatchObject({ booked: 0, held: 1 })
  expect(await idsOn(desk, TUESDAY)).toEqual([id])
  expect(await ledger(desk, TUESDAY)).toMatchObject({ booked: 1, held: 0 })
  expect(await idsOn(desk, MONDAY)).toEqual([])
})

const GOES_ON: [what: string, ask: (desk: FrontDesk, id: string) => Promise<Reply>, ends: object][] = [
  ['read', get, { status: 'booked', date: TUESDAY }],
  ['cancelled', (desk, id) => desk.post(`${APPOINTMENTS}/${id}/cancel`), { status: 'cancelled' }],
  ['moved on', (desk, id) => move(desk, id, { date: WEDNESDAY }, 'k'), { date: WEDNESDAY }],
  ['moved back', (desk, id) => move(desk, id, { date: MONDAY }, 'k'), { date: MONDAY }],
  [
    'checked in',
    (desk, id) => {
      vi.useFakeTimers({ now: Date.parse(`${TUESDAY}T12:00:00Z`), toFake: ['Date'] })
      return desk.post(CHECKINS, { appointment_id: id, patient_id: desk.patientIds[0] })
    },
    { queue_position: 1 },
  ],
]

test.each(GOES_ON)('by its id it can be %s', async (_, ask, ends) => {
  const desk = await openFrontDesk()
  const id = await movedUnheard(desk)
  vi.restoreAllMocks()
  expect((await ask(desk, id)).body).toMatchObject(ends)
  const { date } = (await get(desk, id)).body
  await soon(async () => expect((await pastLedger(desk, TUESDAY)).held).toBe(0))
  for (const each of [MONDAY, TUESDAY, WEDNESDAY])
    expect((await idsOn(desk, each)).includes(id)).toBe(each === date && ends !== GOES_ON[1]?.[2])
})

test('an absence of the new day affects it', async () => {
  const desk = await openFrontDesk()
  const id = await movedUnheard(desk)
  const path = `/api/v1/doctors/${desk.doctorId}/days/${TUESDAY}/absence`
  const { body } = await desk.post(path, { reason: 'ill', move_to: { date: WEDNESDAY } })
  expect(body.moved).toMatchObject([{ appointment_id: id, date: WEDNESDAY }])
  expect(await idsOn(desk, WEDNESDAY)).toEqual([id])
})

test('before it has ended, the move shows on the old day only', async () => {
  const desk = await openFrontDesk()
  const { body } = await desk.book({ date: MONDAY })
  const between: string[][] = []
  betweenDays(async ({ type }, call) => {
    const reply = await call()
    if (type === 'reserve') between.push(await idsOn(desk, MONDAY), await idsOn(desk, TUESDAY))
    return reply
  })
  expect((await move(desk, body.id, { date: TUESDAY })).status).toBe(200)
  expect(between).toEqual([[body.id], []])
})

test('while the old day is out of reach, a list of the new day is answered without it', async () => {
  const desk = await openFrontDesk()
  const id = await movedUnheard(desk)
  vi.restoreAllMocks()
  const see = DoctorDay.prototype.see as (...sent: unknown[]) => unknown
  vi.spyOn(DoctorDay.prototype, 'see').mockImplementation(async function (
    this: DoctorDay,
    ...sent: [string, Query]
  ) {
    if (sent[1].view === 'committed') return { ok: false, refused: 'unavailable' }
    return see.apply(this, sent)
  } as never)
  expect(await idsOn(desk, TUESDAY)).toEqual([])
  vi.restoreAllMocks()
  expect(await idsOn(desk, TUESDAY)).toEqual([id])
})

test('both days have an alarm set when the move is answered; after a crash it ends the move, and D1 follows', async () => {
  const desk = await openFrontDesk()
  const id = await movedUnheard(desk)
  for (const date of [MONDAY, TUESDAY])
    expect(
      await runInDurableObject(objectOf(desk, date), (_, { storage }) => storage.getAlarm()),
    ).not.toBeNull()
  vi.restoreAllMocks()
  for (const date of [MONDAY, TUESDAY]) await abort(objectOf(desk, date))
  expect(await runDurableObjectAlarm(objectOf(desk, MONDAY))).toBe(true)
  expect(await eventsOf(desk, TUESDAY)).toEqual(['opened', 'reserved', 'moved_in'])
  expect((await eventsOf(desk, MONDAY)).at(-1)).toBe('move_settled')
  const copied = async () => (await desk.get(`${APPOINTMENTS}?from=${MONDAY}`)).body
  await soon(async () => expect(await copied()).toMatchObject([{ id, date: TUESDAY, status: 'booked' }]))
})
