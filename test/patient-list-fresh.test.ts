import { afterEach, expect, test, vi } from 'vitest'
import { DAY, type FrontDesk, openFrontDesk } from './clinic'
import { APPOINTMENTS, MONDAY, move, TUESDAY } from './moves'

afterEach(() => vi.useRealTimers())

/** What the list of a patient says at once, without anything that names a version. */
const shownFor = async (desk: FrontDesk, patient = 0, more = '') =>
  (await desk.get(`${APPOINTMENTS}?patient_id=${desk.patientIds[patient]}${more}`)).body.map(
    ({ id, date }: { id: string; date: string }) => [id, date],
  )

/** So that the copies of the next writes come late: those of a rush share one. */
async function rush(desk: FrontDesk, dates: string[]) {
  for (const date of dates) for (const patient of [1, 2]) await desk.book({ date, patient })
}

const open = async () => {
  const desk = await openFrontDesk({ patients: 4 })
  await rush(desk, [DAY, MONDAY, TUESDAY])
  return desk
}

test('a patient’s list shows a held slot that was booked just before', async () => {
  const desk = await open()
  for (const date of [DAY, MONDAY, TUESDAY]) {
    const hold = await desk.post(`${APPOINTMENTS}/holds`, { doctor_id: desk.doctorId, date, ttl_seconds: 60 })
    const { body } = await desk.post(APPOINTMENTS, {
      patient_id: desk.patientIds[0],
      hold_id: hold.body.hold_id,
    })
    expect(await shownFor(desk, 0, `&from=${date}&to=${date}`)).toEqual([[body.id, date]])
  }
})

test.each([
  ['the same doctor', () => ({})],
  ['a doctor who is named', ({ doctorId }: FrontDesk) => ({ doctor_id: doctorId })],
])('a patient’s list shows a move to another day of %s on its new date, by any filter', async (_, wanted) => {
  const desk = await open()
  const { body } = await desk.book({ date: MONDAY })
  for (const date of [TUESDAY, MONDAY, TUESDAY]) {
    expect((await move(desk, body.id, { date, ...wanted(desk) })).status).toBe(200)
    expect(await shownFor(desk)).toEqual([[body.id, date]])
    const other = date === MONDAY ? TUESDAY : MONDAY
    expect((await move(desk, body.id, { date: other, ...wanted(desk) })).status).toBe(200)
    expect(await shownFor(desk, 0, `&from=${other}&to=${other}`)).toEqual([[body.id, other]])
  }
})

test('a patient’s list shows a move that follows its booking at once', async () => {
  const desk = await open()
  const { body } = await desk.book({ date: MONDAY })
  await move(desk, body.id, { date: TUESDAY })
  expect(await shownFor(desk, 0, `&from=${TUESDAY}`)).toEqual([[body.id, TUESDAY]])
})

test('a patient’s list shows an accepted offer, also on a later day of a wish', async () => {
  const desk = await open()
  const dates = [MONDAY, TUESDAY]
  const wish = { doctor_id: desk.doctorId, patient_id: desk.patientIds[0], dates }
  const { body } = await desk.post(`${APPOINTMENTS}/waitlist`, wish)
  const place = body.places.find(({ date }: { date: string }) => date === TUESDAY)
  const accepted = await desk.post(`${APPOINTMENTS}/waitlist/${place.id}/accept`)
  expect(accepted.status).toBe(201)
  expect(await shownFor(desk)).toEqual([[accepted.body.id, TUESDAY]])
  const alone = { doctor_id: desk.doctorId, patient_id: desk.patientIds[3], date: DAY }
  const waiting = await desk.post(`${APPOINTMENTS}/waitlist`, alone)
  const taken = await desk.post(`${APPOINTMENTS}/waitlist/${waiting.body.id}/accept`)
  expect(await shownFor(desk, 3)).toEqual([[taken.body.id, DAY]])
})
