import { afterEach, expect, test, vi } from 'vitest'
import { type FrontDesk, openFrontDesk } from './clinic'
import { APPOINTMENTS, ledger, MONDAY, TUESDAY, typeOf, WEDNESDAY } from './moves'
import { soon } from './soon'
import { accept, placeOn, placesOf, WAITLIST, waitlistOn } from './wishes'

/** A wish asks each of its days as a booking of that day would. */

afterEach(() => vi.useRealTimers())

const DATES = [MONDAY, TUESDAY, WEDNESDAY]
const FORENOON = { from: '09:00', to: '11:00', minutes_per_slot: 60 }
const AFTERNOON = { from: '14:00', to: '18:00', minutes_per_slot: 30 }
const WEEK = {
  mon: FORENOON,
  tue: FORENOON,
  wed: FORENOON,
  thu: FORENOON,
  fri: FORENOON,
  sat: null,
  sun: null,
}

const doctorPath = ({ doctorId }: FrontDesk) => `/api/v1/doctors/${doctorId}`
const patch = (desk: FrontDesk, wanted: object) =>
  desk.send('PATCH', doctorPath(desk), JSON.stringify(wanted))
const wishFor = async (desk: FrontDesk, patient = 0) => {
  const wanted = { doctor_id: desk.doctorId, patient_id: desk.patientIds[patient], dates: DATES }
  return (await desk.post(WAITLIST, wanted)).body
}
const bookOn = (desk: FrontDesk, date: string) => desk.book({ date, patient: 1 })

const CAUSES = [
  {
    what: 'a day off',
    close: (desk: FrontDesk) => patch(desk, { weekly_hours: { ...WEEK, tue: null } }),
    refused: 'doctor_absent',
    place: 'waiting',
  },
  {
    what: 'a closing of the clinic',
    close: (desk: FrontDesk) =>
      desk.post('/api/v1/closings', { from: TUESDAY, to: TUESDAY, reason: 'feast' }),
    refused: 'clinic_closed',
    place: 'clinic_closed',
  },
  {
    what: 'a leave',
    close: (desk: FrontDesk) =>
      desk.post(`${doctorPath(desk)}/leave`, { from: TUESDAY, to: TUESDAY, reason: 'away' }),
    refused: 'on_leave',
    place: 'on_leave',
  },
]

test.each(CAUSES)(
  'a wish gets no offer on $what, and does not open the day',
  async ({ close, refused, place }) => {
    const desk = await openFrontDesk({ patients: 2, scopes: ['*', 'clinic:admin'] })
    expect((await close(desk)).status).toBeLessThan(300)
    expect(typeOf(await bookOn(desk, TUESDAY))[1]).toBe(refused)
    const wish = await wishFor(desk)
    expect(placesOf(wish)).toEqual(['waiting', place, 'waiting'])
    expect(typeOf(await bookOn(desk, TUESDAY))[1]).toBe(refused)
    for (const date of [MONDAY, WEDNESDAY]) expect((await bookOn(desk, date)).status).toBe(201)
    await desk.post(`${WAITLIST}/${wish.wish_id}/decline`)
    expect(typeOf(await bookOn(desk, TUESDAY))[1]).toBe(refused)
    expect((await desk.get(`/api/v1/slots?from=${TUESDAY}&to=${TUESDAY}`)).body).toEqual([])
  },
)

test('no date of a wish is waited for with a doctor who has retired', async () => {
  const desk = await openFrontDesk()
  expect((await desk.send('DELETE', doctorPath(desk))).status).toBe(200)
  const wish = await wishFor(desk)
  expect(placesOf(wish)).toEqual(DATES.map(() => 'doctor_retired'))
})

test('each day of a wish has the hours of its own date', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  await patch(desk, { weekly_hours: { ...WEEK, valid_from: undefined } })
  const later = Object.fromEntries(Object.entries(WEEK).map(([day, hours]) => [day, hours && AFTERNOON]))
  const changed = await patch(desk, { weekly_hours: { ...later, valid_from: WEDNESDAY } })
  expect(changed.status).toBe(200)
  await wishFor(desk)
  expect(await ledger(desk, TUESDAY)).toMatchObject({ capacity: 2 })
  expect(await ledger(desk, WEDNESDAY)).toMatchObject({ capacity: 8 })
  expect((await bookOn(desk, WEDNESDAY)).body.starts_at).toContain(`${WEDNESDAY}T14:`)
})

const WAYS = [
  { what: 'a wish', dates: { dates: DATES } },
  { what: 'one day', dates: { date: TUESDAY } },
]

test.each(WAYS)(
  'an offer of $what is accepted neither on a date that was closed since nor for an erased patient',
  async ({ dates }) => {
    const desk = await openFrontDesk({ patients: 2, scopes: ['*', 'patients:erase', 'clinic:admin'] })
    const place = { doctor_id: desk.doctorId, ...dates }
    const waits = async (n: number) => {
      const { body } = await desk.post(WAITLIST, { ...place, patient_id: desk.patientIds[n] })
      return 'dates' in dates ? placeOn(body, TUESDAY) : body.id
    }
    const [kept, erased] = [await waits(0), await waits(1)]
    expect((await desk.send('DELETE', `/api/v1/patients/${desk.patientIds[1]}`)).status).toBe(200)
    // The patient is gone at once; the place a little later.
    expect([404, 410]).toContain((await accept(desk, erased)).status)
    await soon(async () => expect(await waitlistOn(desk, TUESDAY)).toMatchObject([{ id: kept }]))
    await desk.post(`${doctorPath(desk)}/leave`, { from: TUESDAY, to: TUESDAY, reason: 'away' })
    expect((await accept(desk, kept)).status).toBe(422)
    const { body } = await desk.get(`${APPOINTMENTS}/doctors/${desk.doctorId}/appointments?date=${TUESDAY}`)
    expect(body).toEqual([])
  },
)
