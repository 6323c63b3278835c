import { expect, test } from 'vitest'
import { keyFor, openFrontDesk } from './clinic'
import { ledger, MONDAY, TUESDAY, typeOf, WEDNESDAY } from './moves'
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

test('one wish waits on each of its days, and is booked on the one whose offer is accepted', async () => {
  const { desk, free } = await openFullWeek()
  const { status, body: wish } = await wishFor(desk)
  expect([status, wish.status, placesOf(wish)]).toEqual([201, 'waiting', ['waiting', 'waiting', 'waiting']])
  expect(wish.places.map(({ date }: { date: string }) => date)).toEqual(DATES)
  await free(TUESDAY)
  expect(await waitlistOn(desk, TUESDAY)).toMatchObject([
    { id: placeOn(wish, TUESDAY), status: 'offered', wish: { id: wish.wish_id, dates: DATES } },
  ])
  const accepted = await accept(desk, placeOn(wish, TUESDAY))
  expect(accepted).toMatchObject({
    status: 201,
    body: { date: TUESDAY, slot: 1, patient_id: wish.patient_id },
  })
  await soon(async () =>
    expect(await getWish(desk, wish.wish_id)).toMatchObject({ status: 'fulfilled', fulfilled_on: TUESDAY }),
  )
  await soon(async () => {
    for (const date of DATES) expect(await waitlistOn(desk, date)).toEqual([])
  })
})

test('the home day books as well, and the other places end', async () => {
  const { desk, free } = await openFullWeek()
  const { body: wish } = await wishFor(desk)
  await free(MONDAY)
  expect((await accept(desk, placeOn(wish, MONDAY))).body).toMatchObject({ date: MONDAY })
  expect(await getWish(desk, wish.wish_id)).toMatchObject({ status: 'fulfilled', fulfilled_on: MONDAY })
  await soon(async () => {
    for (const date of DATES) expect(await waitlistOn(desk, date)).toEqual([])
  })
})

test('a second accept is 409 wish_fulfilled and names the date that won; its offer goes to the next patient', async () => {
  const { desk, free } = await openFullWeek()
  const { body: wish } = await wishFor(desk)
  for (const date of DATES) {
    const next = { patient_id: desk.patientIds[1], doctor_id: desk.doctorId, date }
    expect((await desk.post(WAITLIST, next)).body.place).toBe(2)
    await free(date)
  }
  expect((await accept(desk, placeOn(wish, WEDNESDAY))).status).toBe(201)
  for (const date of [MONDAY, TUESDAY]) {
    const second = await accept(desk, placeOn(wish, date))
    expect([typeOf(second), second.body.message]).toEqual([
      [409, 'wish_fulfilled'],
      expect.stringContaining(WEDNESDAY),
    ])
    await soon(async () =>
      expect(await waitlistOn(desk, date)).toMatchObject([
        { patient_id: desk.patientIds[1], status: 'offered' },
      ]),
    )
    expect(await ledger(desk, date)).toMatchObject({ booked: 0, offered: 1, remaining: 0 })
  }
  expect(await waitlistOn(desk, WEDNESDAY)).toMatchObject([{ status: 'waiting', place: 1 }])
})

test('from and to are the dates between, both included, and the first is the home', async () => {
  const { desk } = await openFullWeek()
  const { body } = await wishFor(desk, { dates: undefined, from: MONDAY, to: WEDNESDAY })
  expect(placesOf(body)).toEqual(['waiting', 'waiting', 'waiting'])
  const again = await wishFor(desk)
  expect([again.status, again.body]).toEqual([200, body])
  const unsorted = await wishFor(desk, { dates: [...DATES].reverse() })
  expect([unsorted.status, unsorted.body]).toEqual([200, body])
})

test('a day that refuses is listed with its reason, and the wish goes on without it', async () => {
  const { desk, free } = await openFullWeek()
  await desk.book({ date: '2040-03-15' })
  await desk.post(WAITLIST, { patient_id: desk.patientIds[0], doctor_id: desk.doctorId, date: TUESDAY })
  const { status, body: wish } = await wishFor(desk, { dates: [...DATES, '2040-03-15'] })
  expect([status, placesOf(wish)]).toEqual([201, ['waiting', 'already_waiting', 'waiting', 'already_booked']])
  await free(WEDNESDAY)
  expect((await accept(desk, placeOn(wish, WEDNESDAY))).status).toBe(201)
  // The place by itself is not part of the wish.
  await soon(async () => expect(await waitlistOn(desk, MONDAY)).toEqual([]))
  expect(await waitlistOn(desk, TUESDAY)).toMatchObject([{ status: 'waiting' }])
})

test('a wish that each day refuses is over', async () => {
  const desk = await openFrontDesk()
  for (const date of DATES) await desk.book({ date })
  const { status, body } = await wishFor(desk)
  expect([status, body.status, placesOf(body)]).toEqual([201, 'over', DATES.map(() => 'already_booked')])
})

test('a place that is declined, or booked by hand, ends alone; the home learns of it', async () => {
  const { desk, free } = await openFullWeek()
  const { body: wish } = await wishFor(desk)
  await decline(desk, placeOn(wish, MONDAY))
  await decline(desk, placeOn(wish, TUESDAY))
  await free(WEDNESDAY)
  expect((await desk.book({ date: WEDNESDAY })).status).toBe(201)
  await soon(async () => {
    const now = await getWish(desk, wish.wish_id)
    expect([now.status, placesOf(now)]).toEqual(['over', ['declined', 'declined', 'booked']])
  })
})

test('giving up the wish ends all its places, and frees their offers', async () => {
  const { desk, free } = await openFullWeek()
  const { body: wish } = await wishFor(desk)
  await free(TUESDAY)
  const left = await decline(desk, wish.wish_id)
  expect(left).toMatchObject({ status: 200, body: { id: wish.wish_id, status: 'declined' } })
  await soon(async () => {
    for (const date of DATES) expect(await waitlistOn(desk, date)).toEqual([])
  })
  expect(await ledger(desk, TUESDAY)).toMatchObject({ offered: 0, remaining: 1 })
  expect((await getWish(desk, wish.wish_id)).status).toBe('left')
  expect(typeOf(await accept(desk, placeOn(wish, TUESDAY)))).toEqual([410, 'offer_over'])
  expect(typeOf(await decline(desk, wish.wish_id))).toEqual([410, 'offer_over'])
})

test('a wish that is fulfilled cannot be given up', async () => {
  const { desk, free } = await openFullWeek()
  const { body: wish } = await wishFor(desk)
  await free(MONDAY)
  await accept(desk, placeOn(wish, MONDAY))
  expect(typeOf(await decline(desk, wish.wish_id))).toEqual([409, 'wish_fulfilled'])
})

test('a wish for one time of day, or a visit of two slots, waits for just that on each day', async () => {
  const desk = await openFrontDesk({ patients: 2, capacity: 3 })
  const service = await desk.post('/api/v1/services', { name: 'Long', slots: 2 })
  await desk.book({ date: MONDAY, patient: 1, slot: 2 })
  const long = await wishFor(desk, { service_id: service.body.id, dates: [MONDAY, TUESDAY] })
  expect(await waitlistOn(desk, MONDAY)).toMatchObject([{ status: 'waiting' }])
  expect(await waitlistOn(desk, TUESDAY)).toMatchObject([{ status: 'offered', offer: { slot: 1 } }])
  const { body } = await accept(desk, placeOn(long.body, TUESDAY))
  expect(body).toMatchObject({ date: TUESDAY, slot: 1, slots: 2, service_id: service.body.id })
  const one = await wishFor(desk, { patient: 1, slot: 3, dates: [TUESDAY, WEDNESDAY] })
  expect((await accept(desk, placeOn(one.body, WEDNESDAY))).body).toMatchObject({ date: WEDNESDAY, slot: 3 })
})

test.each([
  ['no date at all', { dates: undefined }, 'date'],
  ['two forms', { date: MONDAY }, 'dates'],
  ['a range without its end', { dates: undefined, from: MONDAY }, 'to'],
  ['a range without its begin', { dates: undefined, to: MONDAY }, 'from'],
  ['a range backwards', { dates: undefined, from: TUESDAY, to: MONDAY }, 'from'],
  ['32 dates', { dates: undefined, from: '2040-03-01', to: '2040-04-01' }, 'to'],
  ['a list of 32 dates', { dates: Array.from({ length: 32 }, () => MONDAY) }, 'dates'],
  ['a date twice', { dates: [MONDAY, MONDAY] }, 'dates'],
  ['an empty list', { dates: [] }, 'dates'],
  ['one instant for several dates', { starts_at: `${MONDAY}T10:00:00Z` }, 'starts_at'],
])('%s is refused and named', async (_, wanted, field) => {
  const desk = await openFrontDesk()
  const { status, body } = await wishFor(desk, wanted)
  expect([status, body.errors[0].field]).toEqual([400, field])
})

test('31 dates are one wish, and a date that is over is refused as for one day', async () => {
  const desk = await openFrontDesk()
  const { status, body } = await wishFor(desk, { dates: undefined, from: '2040-03-01', to: '2040-03-31' })
  expect([status, body.places.length]).toEqual([201, 31])
  expect(typeOf(await wishFor(desk, { dates: ['2020-01-01', MONDAY] }))).toEqual([422, 'date_over'])
})

test('keeps out: a wish of another clinic is not found, in the words of an unknown one, and stays as it is', async () => {
  const [{ desk, free }, other] = [await openFullWeek(), await openFrontDesk()]
  const { body: wish } = await wishFor(desk)
  await free(TUESDAY)
  const [foreign, unknown] = await Promise.all(
    [wish.wish_id, crypto.randomUUID()].map((id) => other.get(`${WAITLIST}/wishes/${id}`)),
  )
  expect([foreign?.status, foreign?.body.message]).toEqual([404, unknown?.body.message])
  for (const id of [wish.wish_id, placeOn(wish, TUESDAY)])
    for (const reply of [await accept(other, id), await decline(other, id)])
      expect([reply.status, reply.body.message]).toEqual([404, unknown?.body.message])
  expect((await getWish(desk, wish.wish_id)).status).toBe('waiting')
  const reader = await keyFor(desk.clinicId, ['patients:read'])
  expect((await reader.get(`${WAITLIST}/wishes/${wish.wish_id}`)).status).toBe(403)
  // The id of a place is no id of a wish.
  expect((await desk.get(`${WAITLIST}/wishes/${placeOn(wish, TUESDAY)}`)).status).toBe(404)
})
