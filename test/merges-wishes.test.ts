import { expect, test } from 'vitest'
import { type FrontDesk, openFrontDesk } from './clinic'
import { merge } from './merging'
import { ledger, MONDAY, TUESDAY, typeOf, WEDNESDAY } from './moves'
import { soon } from './soon'
import { accept, getWish, openFullWeek, placeOn, placesOf, WAITLIST, waitlistOn, wishFor } from './wishes'

/** The record of patient 0 is merged into that of patient 1. */
const mergeThem = (desk: FrontDesk) => merge(desk, desk.patientIds[0], desk.patientIds[1])
const wait = (desk: FrontDesk, patient: number, date: string) =>
  desk.post(WAITLIST, { doctor_id: desk.doctorId, date, patient_id: desk.patientIds[patient] })

test('a wish gets no place on a day on which the patient is booked or waits by another id', async () => {
  const desk = await openFrontDesk({ patients: 4, capacity: 1 })
  await desk.book({ date: MONDAY, patient: 3 })
  await desk.book({ date: TUESDAY, patient: 0 })
  await desk.book({ date: WEDNESDAY, patient: 3 })
  await wait(desk, 0, WEDNESDAY)
  await mergeThem(desk)
  const { body: wish } = await wishFor(desk, { patient: 1 })
  expect(placesOf(wish)).toEqual(['waiting', 'already_booked', 'already_waiting'])
})

test('a wish that was made by the old id is the wish of the record in use', async () => {
  const { desk } = await openFullWeek()
  const { body: wish } = await wishFor(desk)
  await mergeThem(desk)
  const again = await wishFor(desk, { patient: 1 })
  expect([again.status, again.body.wish_id]).toEqual([200, wish.wish_id])
  expect(await waitlistOn(desk, TUESDAY)).toHaveLength(1)
})

test.each([
  ['the home', MONDAY],
  ['another day', TUESDAY],
])(
  'an offer of a wish that is accepted on %s ends the place there by the other id, and offers what it frees',
  async (_, date) => {
    const desk = await openFrontDesk({ patients: 5, capacity: 2 })
    const booked: string[] = []
    for (const one of [MONDAY, TUESDAY, WEDNESDAY])
      for (const patient of [3, 4]) {
        const { body } = await desk.book({ date: one, patient })
        if (one === date) booked.push(body.id)
      }
    const { body: wish } = await wishFor(desk, { patient: 1 })
    const other = (await wait(desk, 0, date)).body.id
    const next = (await wait(desk, 2, date)).body.id
    await mergeThem(desk)
    for (const id of booked) await desk.post(`/api/v1/appointments/${id}/cancel`)
    expect((await waitlistOn(desk, date)).map(({ status }: { status: string }) => status)).toEqual([
      'offered',
      'offered',
      'waiting',
    ])
    const accepted = await accept(desk, placeOn(wish, date), 'k')
    expect(accepted).toMatchObject({ status: 201, body: { date, patient_id: desk.patientIds[1] } })
    expect(await waitlistOn(desk, date)).toMatchObject([{ id: next, status: 'offered' }])
    expect(typeOf(await accept(desk, other))).toEqual([410, 'offer_over'])
    expect(await ledger(desk, date)).toMatchObject({ booked: 1, offered: 1, remaining: 0 })
    await soon(async () =>
      expect(await getWish(desk, wish.wish_id)).toMatchObject({ status: 'fulfilled', fulfilled_on: date }),
    )
  },
)

test('a place of a wish that the other id ends is told to its home, and the other dates stay', async () => {
  const { desk, free } = await openFullWeek()
  const { body: wish } = await wishFor(desk)
  const { body: other } = await wait(desk, 1, TUESDAY)
  await mergeThem(desk)
  await free(TUESDAY)
  expect(typeOf(await accept(desk, other.id))).toEqual([409, 'no_offer'])
  const booked = await desk.book({ date: TUESDAY, patient: 1 })
  expect(booked).toMatchObject({ status: 201, body: { patient_id: desk.patientIds[1] } })
  expect(await waitlistOn(desk, TUESDAY)).toEqual([])
  await soon(async () =>
    expect(placesOf(await getWish(desk, wish.wish_id))).toEqual(['waiting', 'booked', 'waiting']),
  )
})
