import { evictDurableObject } from 'cloudflare:test'
import { afterEach, expect, test, vi } from 'vitest'
import { DAY, type FrontDesk, keyFor, openFrontDesk } from './clinic'
import { betweenDays } from './faults'
import { at, NOON, objectOf } from './live-day'

const WAITLIST = '/api/v1/appointments/waitlist'
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const join = async (desk: FrontDesk, patient: number) =>
  (await desk.post(WAITLIST, { doctor_id: desk.doctorId, date: DAY, patient_id: desk.patientIds[patient] }))
    .body
const listOf = ({ doctorId }: FrontDesk, query = `&date=${DAY}`) =>
  `${WAITLIST}?doctor_id=${doctorId}${query}`

/** One slot, which patient 0 has; the others wait. */
async function openLine(waiting: number) {
  const desk = await openFrontDesk({ patients: waiting + 1, capacity: 1 })
  at(NOON - 60_000)
  const { body: booked } = await desk.book({ date: DAY })
  const places = []
  for (let patient = 1; patient <= waiting; patient += 1) places.push(await join(desk, patient))
  return { desk, booked, places }
}

test('the list has each place as joining answered it, in order, with its doctor and date', async () => {
  const { desk, places } = await openLine(3)
  const { status, body } = await desk.get(listOf(desk))
  expect(status).toBe(200)
  expect(body).toEqual(places.map((place) => ({ ...place, doctor_id: desk.doctorId, date: DAY })))
  expect(body.map(({ place }: { place: number }) => place)).toEqual([1, 2, 3])
})

test('an offer shows its slot, its times and its deadline; who leaves makes the others move up', async () => {
  const desk = await openFrontDesk({ patients: 3, capacity: 1 })
  await desk.send(
    'PATCH',
    `/api/v1/doctors/${desk.doctorId}`,
    '{"working_hours":{"from":"13:00","to":"14:00","minutes_per_slot":60}}',
  )
  at(NOON)
  const { body: booked } = await desk.book({ date: DAY })
  const [first, second] = [await join(desk, 1), await join(desk, 2)]
  await desk.post(`/api/v1/appointments/${booked.id}/cancel`)
  expect((await desk.get(listOf(desk))).body).toMatchObject([
    {
      id: first.id,
      place: 1,
      status: 'offered',
      offer: {
        slot: 1,
        starts_at: `${DAY}T13:00:00+00:00`,
        ends_at: `${DAY}T14:00:00+00:00`,
        expires_at: new Date(NOON + 15 * 60_000).toISOString(),
      },
    },
    { id: second.id, place: 2, status: 'waiting', offer: null },
  ])
  await desk.post(`${WAITLIST}/${first.id}/decline`)
  expect((await desk.get(listOf(desk))).body).toMatchObject([{ id: second.id, place: 1, status: 'offered' }])
  expect((await desk.post(`${WAITLIST}/${second.id}/accept`)).status).toBe(201)
  expect((await desk.get(listOf(desk))).text).toBe('[]\n')
})

test('the list at an instant is as it was; without a date it is that of the day at the clinic', async () => {
  const { desk, booked, places } = await openLine(1)
  at(NOON)
  await desk.post(`/api/v1/appointments/${booked.id}/cancel`)
  await desk.post(`${WAITLIST}/${places[0].id}/accept`)
  const listAt = async (ms: number, date: string) =>
    (await desk.get(listOf(desk, `${date}&at=${new Date(ms).toISOString()}`))).body
  for (const date of ['', `&date=${DAY}`]) {
    expect(await listAt(NOON - 60_001, date)).toEqual([])
    expect(await listAt(NOON - 1, date)).toMatchObject([{ id: places[0].id, status: 'waiting' }])
    expect(await listAt(NOON, date)).toEqual([])
  }
  expect((await desk.get(listOf(desk, ''))).body).toEqual([])
})

test('reading a day that nobody has used is [], and survives an eviction of one that is', async () => {
  const { desk, places } = await openLine(2)
  await evictDurableObject(objectOf(desk))
  expect((await desk.get(listOf(desk))).body).toMatchObject(places)
  expect((await desk.get(listOf(desk, '&date=2040-03-15'))).body).toEqual([])
})

test('a patient whose appointment was just moved to the day waits for it no more', async () => {
  const desk = await openFrontDesk({ patients: 2, capacity: 1 })
  at(NOON)
  const { body: booked } = await desk.book({ date: DAY })
  const { body: other } = await desk.book({ date: '2040-03-15', patient: 1 })
  const place = await join(desk, 1)
  expect(place.place).toBe(1)
  await desk.post(`/api/v1/appointments/${booked.id}/cancel`)
  // The other day answers the move before this day has heard of its end.
  const lost = betweenDays(async () => new Promise(() => {}), ['confirm_move'])
  const moved = await desk.post(`/api/v1/appointments/${other.id}/reschedule`, { date: DAY })
  expect([moved.status, moved.body.slot]).toEqual([200, 1])
  lost.mockRestore()
  expect((await desk.get(listOf(desk))).body).toEqual([])
})

test.each([
  ['no doctor', '', 400, 'doctor_id'],
  ['a date that does not exist', '&date=2040-02-30', 400, 'date'],
  ['an instant without a zone', '&at=2040-03-14T12:00:00', 400, 'at'],
  ['an unknown parameter', '&patient_id=x', 400, 'patient_id'],
])('%s is refused and named', async (_, query, status, field) => {
  const desk = await openFrontDesk()
  const reply = await desk.get(query === '' ? WAITLIST : listOf(desk, query))
  expect([reply.status, reply.body.errors[0].field]).toEqual([status, field])
})

test('keeps out: no key, a key that may not read appointments, a clinic whose doctor it is not', async () => {
  const [{ desk }, other] = [await openLine(1), await openFrontDesk()]
  expect((await desk.get(listOf(desk), { Authorization: '' })).status).toBe(401)
  const writer = await keyFor(desk.clinicId, ['appointments:write', 'checkins:read'])
  expect((await writer.get(listOf(desk))).status).toBe(403)
  const [foreign, unknown] = [await other.get(listOf(desk)), await other.get(`${WAITLIST}?doctor_id=nobody`)]
  expect([foreign.status, foreign.body.message]).toEqual([404, unknown.body.message])
})
