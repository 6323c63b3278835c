import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { DoctorDay } from '../src/doctor-day/doctor-day'
import { type FrontDesk, openFrontDesk } from './clinic'
import { betweenDays, failStorage, passTime } from './faults'
import {
  APPOINTMENTS,
  eventsOf,
  get,
  ledger,
  MONDAY,
  move,
  objectOf,
  TUESDAY,
  typeOf,
  WEDNESDAY,
} from './moves'
import { soon } from './soon'

/** What one day waits for another. */
const WAIT_MS = 3_000

/**
 * The clock is an hour ahead, so no alarm rings but those that a test rings. On a slow machine the alarm five seconds
 * after a booking would ring while the timers are fake, and then wait for a day that never answers.
 */
const AHEAD_MS = 3_600_000
beforeEach(() => {
  const now = Date.now
  vi.spyOn(Date, 'now').mockImplementation(() => now() + AHEAD_MS)
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

/** What was said and never answered, to be said again later. */
type Late = () => Promise<unknown>

/**
 * Tuesday does not answer, whether it keeps a slot or not, and Monday waits: for that slot, and then for Tuesday to
 * hear that it is not wanted any more.
 */
async function moveInVain(desk: FrontDesk, id: string, { key = '', isKept = false } = {}) {
  const monday = objectOf(desk, MONDAY)
  const unanswered: { type: string; call: Late }[] = []
  const silence = betweenDays(async ({ type }, call) => {
    if (type === 'reserve' && isKept) await call()
    unanswered.push({ type, call: () => runInDurableObject(monday, call) })
    return new Promise(() => {})
  })
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const moving = move(desk, id, { date: TUESDAY }, key)
  for (const said of [1, 2]) {
    await soon(() => expect(unanswered).toHaveLength(said))
    await passTime(monday, WAIT_MS)
  }
  const reply = await moving
  vi.useRealTimers()
  silence.mockRestore()
  const [reserve, release] = unanswered
  expect([reserve?.type, release?.type]).toEqual(['reserve', 'release_move'])
  return { reply, reserveLate: reserve?.call, releaseLate: release?.call }
}

const cancel = (desk: FrontDesk, id: string) => desk.post(`${APPOINTMENTS}/${id}/cancel`)

test('a day that does not answer is out of reach: 503, and the appointment is as free as before', async () => {
  const desk = await openFrontDesk({ patients: 3 })
  for (const [patient, goesOn] of [
    (id: string) => cancel(desk, id),
    (id: string) => move(desk, id, { date: TUESDAY }, 'key-1'),
    (id: string) => move(desk, id, { date: TUESDAY }, 'another-key'),
  ].entries()) {
    const { body } = await desk.book({ date: MONDAY, patient })
    const { reply } = await moveInVain(desk, body.id, { key: `key-${patient}` })
    expect([...typeOf(reply), reply.headers.get('Retry-After')]).toEqual([503, 'unavailable', '1'])
    expect((await get(desk, body.id)).body).toMatchObject({ status: 'booked', date: MONDAY })
    expect((await goesOn(body.id)).status).toBe(200)
  }
})

test('while that day goes on saying nothing, the appointment can move to a third one', async () => {
  const desk = await openFrontDesk()
  const { body } = await desk.book({ date: MONDAY })
  await moveInVain(desk, body.id)
  betweenDays(async ({ type }, call) => (type === 'release_move' ? new Promise(() => {}) : call()))
  expect((await move(desk, body.id, { date: WEDNESDAY })).body.date).toBe(WEDNESDAY)
})

test.each([
  ['while Monday waited for it', true],
  ['too late', false],
])('a slot that was kept %s is given back', async (_, isKept) => {
  const desk = await openFrontDesk()
  const { body } = await desk.book({ date: MONDAY })
  const { reserveLate, releaseLate } = await moveInVain(desk, body.id, { isKept })
  await runDurableObjectAlarm(objectOf(desk, MONDAY))
  await reserveLate?.()
  expect(await ledger(desk, TUESDAY)).toMatchObject({ booked: 0, held: 0 })
  expect((await eventsOf(desk, TUESDAY)).includes('reserved')).toBe(isKept)
  expect((await move(desk, body.id, { date: TUESDAY })).status).toBe(200)
  await releaseLate?.()
  expect(await ledger(desk, TUESDAY)).toMatchObject({ booked: 1, held: 0 })
})

test('what broke off is undone while another appointment is still on its way, and that one arrives', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  const [slow, broken] = [await desk.book({ date: MONDAY }), await desk.book({ date: MONDAY, patient: 1 })]
  const monday = objectOf(desk, MONDAY)
  let [isAsked, isAnswering, isFailing] = [false, false, false]
  await failStorage(monday, () => isFailing)
  betweenDays(async (command, call) => {
    const reply = await call()
    if (command.type !== 'reserve') return reply
    isAsked = true
    if (command.appointmentId === broken.body.id) isFailing = true
    else await soon(() => expect(isAnswering).toBe(true))
    return reply
  })
  const moving = move(desk, slow.body.id, { date: TUESDAY })
  await soon(() => expect(isAsked).toBe(true))
  await loseMove(desk, monday, broken.body.id)
  isFailing = false
  await runDurableObjectAlarm(monday)
  expect((await cancel(desk, broken.body.id)).status).toBe(200)
  expect(typeOf(await cancel(desk, slow.body.id))).toEqual([409, 'moving'])
  isAnswering = true
  expect((await moving).body).toMatchObject({ id: slow.body.id, date: TUESDAY })
})

/** Asks within the object: a remote call that throws fails the run, even where it is caught. */
async function loseMove(
  desk: FrontDesk,
  monday: ReturnType<typeof objectOf>,
  appointmentId: string,
): Promise<void> {
  const { clinicId, doctorId } = desk
  const to = { clinicId, doctorId, date: TUESDAY, timeZone: 'UTC', capacity: 10 }
  const wanted = { type: 'begin_move', clinicId, appointmentId, to, allowAnother: false } as const
  const end = await runInDurableObject(monday, (object: DoctorDay) =>
    object.move({ id: 'op', actor: 'key', isKeyed: true }, wanted).then(
      () => 'told',
      () => 'lost',
    ),
  )
  expect(end).toBe('lost')
}
