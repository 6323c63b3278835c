import { runDurableObjectAlarm } from 'cloudflare:test'
import { afterEach, expect, test, vi } from 'vitest'
import type { RemoteDay } from '../src/doctor-day/client'
import type { Command } from '../src/doctor-day/commands'
import { CLAIM_INQUIRY_MS } from '../src/doctor-day/wishing/home'
import { type FrontDesk, openFrontDesk, statuses } from './clinic'
import { abort, betweenDays } from './faults'
import { eventsOf, forgetReplies, ledger, MONDAY, objectOf, TUESDAY, typeOf, WEDNESDAY } from './moves'
import { soon } from './soon'
import {
  accept,
  DATES,
  decline,
  getWish,
  openFullWeek,
  placeOn,
  placesOf,
  WAITLIST,
  waitlistOn,
  wishFor,
} from './wishes'

const BETWEEN = ['join_wish', 'claim_wish', 'report_wish', 'end_place']
const LOST = new Error('Network connection lost.')

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

/** Of these commands the call is lost before it arrives, or its answer afterwards. */
const lose = (types: string[], when: 'before' | 'after' = 'before') =>
  betweenDays(async (_, call) => {
    if (when === 'after') await call()
    throw LOST
  }, types)
const later = (ms: number) => vi.useFakeTimers({ now: Date.now() + ms, toFake: ['Date'] })
const alarm = (desk: FrontDesk, date: string) => runDurableObjectAlarm(objectOf(desk, date))
const waitToo = (desk: FrontDesk, date: string) =>
  desk.post(WAITLIST, { patient_id: desk.patientIds[1], doctor_id: desk.doctorId, date })
const bookedOn = async (desk: FrontDesk) => {
  const ledgers = await Promise.all(DATES.map((date) => ledger(desk, date)))
  return ledgers.map(({ booked }) => booked)
}

test.each(['before', 'after'] as const)(
  'with the home out of reach (%s it decides) an accept is 503, the slot is kept, and the retry gets it',
  async (when) => {
    const { desk, free } = await openFullWeek()
    const { body: wish } = await wishFor(desk)
    await waitToo(desk, TUESDAY)
    await free(TUESDAY)
    lose(['claim_wish'], when)
    const undecided = await accept(desk, placeOn(wish, TUESDAY), 'k')
    expect([...typeOf(undecided), undecided.headers.get('Retry-After')]).toEqual([503, 'wish_undecided', '1'])
    expect(typeOf(await accept(desk, placeOn(wish, TUESDAY), 'other'))).toEqual([503, 'wish_undecided'])
    // Beyond the deadline of the offer too: the patient has accepted in time.
    later(20 * 60_000)
    await alarm(desk, TUESDAY)
    expect(await waitlistOn(desk, TUESDAY)).toMatchObject([{ status: 'offered' }, { status: 'waiting' }])
    vi.restoreAllMocks()
    const accepted = await accept(desk, placeOn(wish, TUESDAY), 'k')
    expect(accepted).toMatchObject({ status: 201, body: { date: TUESDAY } })
    await forgetReplies()
    expect((await accept(desk, placeOn(wish, TUESDAY), 'k')).text).toBe(accepted.text)
    expect(await bookedOn(desk)).toEqual([1, 1, 1])
  },
)

test('when nobody asks again the alarm books, and the retry finds what it has booked', async () => {
  const { desk, free } = await openFullWeek()
  const { body: wish } = await wishFor(desk)
  await free(TUESDAY)
  lose(['claim_wish'], 'after')
  expect((await accept(desk, placeOn(wish, TUESDAY), 'k')).status).toBe(503)
  vi.restoreAllMocks()
  await alarm(desk, TUESDAY)
  expect(await ledger(desk, TUESDAY)).toMatchObject({ booked: 1, offered: 0 })
  expect(await accept(desk, placeOn(wish, TUESDAY), 'k')).toMatchObject({
    status: 201,
    body: { date: TUESDAY },
  })
  expect((await eventsOf(desk, TUESDAY)).filter((type) => type === 'booked')).toHaveLength(2)
})

test('a day that dies after the home has decided books when it wakes, and answers the caller', async () => {
  const { desk, free } = await openFullWeek()
  const { body: wish } = await wishFor(desk)
  await free(TUESDAY)
  const tuesday = objectOf(desk, TUESDAY)
  let isReached = false
  const hangs = betweenDays(
    async (_, call) => {
      await call()
      if (isReached) return call()
      isReached = true
      return new Promise(() => {})
    },
    ['claim_wish'],
  )
  const answer = accept(desk, placeOn(wish, TUESDAY), 'k')
  await soon(() => expect(isReached).toBe(true))
  hangs.mockRestore()
  await abort(tuesday)
  expect(await answer).toMatchObject({ status: 201, body: { date: TUESDAY } })
  expect((await eventsOf(desk, TUESDAY)).filter((type) => type === 'wait_ended')).toHaveLength(1)
  await soon(async () => expect((await getWish(desk, wish.wish_id)).status).toBe('fulfilled'))
})

test('two accepts at once on two days: one is booked, and the other is told where', async () => {
  const { desk, free } = await openFullWeek()
  const { body: wish } = await wishFor(desk)
  await free(TUESDAY)
  await free(WEDNESDAY)
  const replies = await Promise.all(
    [TUESDAY, WEDNESDAY].map((date) => accept(desk, placeOn(wish, date), date)),
  )
  expect(statuses(replies)).toEqual({ 201: 1, 409: 1 })
  const won = replies.find(({ status }) => status === 201)?.body.date
  const other = replies.find(({ status }) => status === 409)
  expect([other?.body.type, other?.body.message]).toEqual([
    expect.stringContaining('wish_fulfilled'),
    expect.stringContaining(won),
  ])
  await forgetReplies()
  const again = await accept(
    desk,
    placeOn(wish, won === TUESDAY ? WEDNESDAY : TUESDAY),
    won === TUESDAY ? WEDNESDAY : TUESDAY,
  )
  expect([typeOf(again), again.body.message]).toEqual([[409, 'wish_fulfilled'], other?.body.message])
})

test('a win that cannot be booked any more is given back, and another day fulfils the wish', async () => {
  const { desk, free } = await openFullWeek()
  const { body: wish } = await wishFor(desk)
  for (const date of [TUESDAY, WEDNESDAY]) await free(date)
  lose(['claim_wish'], 'after')
  expect((await accept(desk, placeOn(wish, TUESDAY), 'k')).status).toBe(503)
  vi.restoreAllMocks()
  // The home has given the wish to Tuesday, which does not know it.
  expect(typeOf(await accept(desk, placeOn(wish, WEDNESDAY)))).toEqual([409, 'wish_fulfilled'])
  expect(typeOf(await decline(desk, wish.wish_id))).toEqual([503, 'wish_undecided'])
  const absent = { date: TUESDAY, is_present: false }
  expect((await desk.post(`/api/v1/doctors/${desk.doctorId}/availability`, absent)).status).toBe(200)
  expect(typeOf(await accept(desk, placeOn(wish, TUESDAY), 'k'))).toEqual([422, 'doctor_absent'])
  await soon(async () =>
    expect(await accept(desk, placeOn(wish, WEDNESDAY))).toMatchObject({
      status: 201,
      body: { date: WEDNESDAY },
    }),
  )
  expect(await bookedOn(desk)).toEqual([1, 0, 1])
})

test('a slot that begins before the home has answered is given to nobody, and the wish goes on elsewhere', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  await desk.send(
    'PATCH',
    `/api/v1/doctors/${desk.doctorId}`,
    '{"working_hours":{"from":"13:00","to":"14:00","minutes_per_slot":60}}',
  )
  const { body: booked } = await desk.book({ date: WEDNESDAY, patient: 1 })
  const { body: wish } = await wishFor(desk)
  lose(['claim_wish'], 'after')
  expect((await accept(desk, placeOn(wish, TUESDAY), 'k')).status).toBe(503)
  vi.useFakeTimers({ now: Date.parse(`${TUESDAY}T13:00:00Z`), toFake: ['Date'] })
  await alarm(desk, TUESDAY)
  expect(await ledger(desk, TUESDAY)).toMatchObject({ booked: 0, offered: 0 })
  vi.restoreAllMocks()
  expect(typeOf(await accept(desk, placeOn(wish, TUESDAY), 'k'))).toEqual([410, 'offer_over'])
  await desk.post(`/api/v1/appointments/${booked.id}/cancel`)
  const [wednesday] = await waitlistOn(desk, WEDNESDAY)
  expect(wednesday).toMatchObject({ status: 'offered', wish: { id: wish.wish_id } })
  await alarm(desk, TUESDAY)
  expect(await accept(desk, placeOn(wish, WEDNESDAY))).toMatchObject({
    status: 201,
    body: { date: WEDNESDAY },
  })
})

test('a day that lost its log after it won: the home asks it, and the wish is open again', async () => {
  const { desk, free } = await openFullWeek()
  const { body: wish } = await wishFor(desk)
  await free(WEDNESDAY)
  const home = () => objectOf(desk, MONDAY) as unknown as RemoteDay
  const { clinicId } = desk
  const claim = {
    type: 'claim_wish',
    clinicId,
    wishId: wish.wish_id,
    claimId: 'lost',
    date: TUESDAY,
  } as const
  const asked = (id: string) => home().perform({ id, actor: 'key', isKeyed: false }, claim)
  expect(await asked('one')).toMatchObject({ reply: { isWon: true, won: TUESDAY } })
  expect(typeOf(await accept(desk, placeOn(wish, WEDNESDAY)))).toEqual([409, 'wish_fulfilled'])
  later(CLAIM_INQUIRY_MS + 1)
  await alarm(desk, MONDAY)
  // The same claim may still be on its way: it wins nothing any more.
  expect(await asked('two')).toMatchObject({ reply: { isWon: false } })
  expect((await accept(desk, placeOn(wish, WEDNESDAY))).status).toBe(201)
})

test('days that cannot be asked are pending, and get their places by the alarm', async () => {
  const { desk, free } = await openFullWeek()
  lose(['join_wish'])
  const { status, body: wish } = await wishFor(desk, {}, 'k')
  expect([status, placesOf(wish)]).toEqual([201, ['waiting', 'pending', 'pending']])
  vi.restoreAllMocks()
  await alarm(desk, MONDAY)
  const now = await getWish(desk, wish.wish_id)
  expect(placesOf(now)).toEqual(['waiting', 'waiting', 'waiting'])
  await free(TUESDAY)
  expect((await accept(desk, placeOn(now, TUESDAY))).status).toBe(201)
})

test('a home that dies in the middle of asking has one wish, and the retry with its key completes it', async () => {
  const { desk } = await openFullWeek()
  const monday = objectOf(desk, MONDAY)
  let asked = 0
  const hangs = betweenDays(
    async (_, call) => {
      asked += 1
      await call()
      return new Promise(() => {})
    },
    ['join_wish'],
  )
  const answer = wishFor(desk, {}, 'k')
  await soon(() => expect(asked).toBe(2))
  hangs.mockRestore()
  await abort(monday)
  const { status, body: wish } = await answer
  expect([status, placesOf(wish)]).toEqual([201, ['waiting', 'waiting', 'waiting']])
  await forgetReplies()
  expect((await wishFor(desk, {}, 'k')).body).toEqual(wish)
  expect((await eventsOf(desk, MONDAY)).filter((type) => type === 'wish_made')).toHaveLength(1)
  for (const date of DATES) expect(await waitlistOn(desk, date)).toHaveLength(1)
})

test('days that do not hear of the end keep the place until the alarm tells them; then the next patient is offered', async () => {
  const { desk, free } = await openFullWeek()
  const { body: wish } = await wishFor(desk)
  await waitToo(desk, WEDNESDAY)
  await free(TUESDAY)
  await free(WEDNESDAY)
  lose(['end_place', 'report_wish'])
  expect((await accept(desk, placeOn(wish, TUESDAY))).status).toBe(201)
  expect(await waitlistOn(desk, WEDNESDAY)).toMatchObject([{ status: 'offered' }, { status: 'waiting' }])
  expect(typeOf(await accept(desk, placeOn(wish, WEDNESDAY)))).toEqual([409, 'wish_fulfilled'])
  vi.restoreAllMocks()
  await alarm(desk, TUESDAY)
  await soon(async () =>
    expect(await waitlistOn(desk, WEDNESDAY)).toMatchObject([
      { patient_id: desk.patientIds[1], status: 'offered' },
    ]),
  )
  expect(await bookedOn(desk)).toEqual([1, 1, 0])
})

test('an answer to the end that is lost is repeated, and frees nothing twice', async () => {
  const { desk, free } = await openFullWeek()
  const { body: wish } = await wishFor(desk)
  await free(WEDNESDAY)
  lose(['end_place'], 'after')
  await decline(desk, wish.wish_id)
  await soon(async () => expect(await waitlistOn(desk, WEDNESDAY)).toEqual([]))
  expect((await desk.book({ date: WEDNESDAY, patient: 1 })).status).toBe(201)
  vi.restoreAllMocks()
  await alarm(desk, MONDAY)
  expect(await ledger(desk, WEDNESDAY)).toMatchObject({ booked: 1, remaining: 0 })
  expect((await eventsOf(desk, MONDAY)).filter((type) => type === 'wish_told')).not.toEqual([])
})

test('a question for a place that comes after the wish has ended makes none', async () => {
  const { desk } = await openFullWeek()
  const late: Command[] = []
  const losing = betweenDays(
    async (command) => {
      late.push(command)
      throw LOST
    },
    ['join_wish'],
  )
  const { body: wish } = await wishFor(desk)
  losing.mockRestore()
  expect((await decline(desk, wish.wish_id)).status).toBe(200)
  await soon(async () => expect(await eventsOf(desk, WEDNESDAY)).toContain('wish_over'))
  const joins = late.filter((one) => 'opening' in one && one.opening.date === WEDNESDAY)
  const wednesday = objectOf(desk, WEDNESDAY) as unknown as RemoteDay
  const send = (command: Command) => wednesday.perform({ id: 'late', actor: 'key', isKeyed: false }, command)
  expect(await Promise.all(joins.map(send))).toMatchObject([{ refused: 'offer_over' }])
  expect(await waitlistOn(desk, WEDNESDAY)).toEqual([])
})

test('what one day says to another may come twice: each wish is placed, booked and ended once', async () => {
  const { desk, free } = await openFullWeek()
  betweenDays(async (_, call) => {
    await call()
    return call()
  }, BETWEEN)
  const { body: wish } = await wishFor(desk)
  await free(TUESDAY)
  expect((await accept(desk, placeOn(wish, TUESDAY))).status).toBe(201)
  await soon(async () => expect((await eventsOf(desk, MONDAY)).at(-1)).toBe('wish_told'))
  const counted = async (date: string, type: string) =>
    (await eventsOf(desk, date)).filter((one) => one === type).length
  expect(await counted(MONDAY, 'wish_claimed')).toBe(1)
  expect(await counted(MONDAY, 'wish_fulfilled')).toBe(1)
  for (const date of DATES) {
    expect(await counted(date, 'wish_joined')).toBe(1)
    expect(await counted(date, 'wait_ended')).toBe(1)
  }
})
