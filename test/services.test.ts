import { expect, test } from 'vitest'
import { DAY, type FrontDesk, keyFor, openFrontDesk, statuses, times } from './clinic'
import { soon } from './soon'

const SERVICES = '/api/v1/services'
const APPOINTMENTS = '/api/v1/appointments'

/** A doctor with 6 slots of half an hour, and a service that takes two of them. */
async function openEcho(more: object = {}, patients = 6) {
  const desk = await openFrontDesk({ patients })
  const working_hours = { from: '09:00', to: '12:00', minutes_per_slot: 30 }
  await desk.send('PATCH', `/api/v1/doctors/${desk.doctorId}`, JSON.stringify({ working_hours }))
  const { body, headers } = await desk.post(SERVICES, { name: 'Echo', slots: 2, ...more })
  return { desk, service_id: body.id as string, etag: headers.get('ETag') ?? '' }
}

const ledger = async (desk: FrontDesk) =>
  (await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${DAY}`)).body
const codeOf = ({ status, body }: { status: number; body: { type: string } }) => [
  status,
  body.type.split('/')[2],
]

test('a visit of two slots takes two neighbouring ones, and says from when to when', async () => {
  const { desk, service_id } = await openEcho()
  const { status, body } = await desk.book({ date: DAY, service_id, time: '10:00' })
  expect([status, body]).toMatchObject([
    201,
    { slot: 3, slots: 2, service_id, starts_at: `${DAY}T10:00:00+00:00`, ends_at: `${DAY}T11:00:00+00:00` },
  ])
  expect(await ledger(desk)).toMatchObject({ capacity: 6, booked: 2, remaining: 4 })
  expect(codeOf(await desk.book({ date: DAY, patient: 1, slot: 4 }))).toEqual([409, 'slot_taken'])
  const beside = await desk.book({ date: DAY, patient: 1, slot: 2, service_id })
  expect(codeOf(beside)).toEqual([409, 'slot_taken'])
  expect(beside.body.alternatives.map(({ slot }: { slot: number }) => slot)).toEqual([1, 5])
  expect((await desk.book({ date: DAY, patient: 1, service_id })).body.slot).toBe(1)
  await soon(async () => {
    const listed = await desk.get(`${APPOINTMENTS}?doctor_id=${desk.doctorId}`)
    expect(listed.body).toMatchObject([
      { slots: 2, service_id },
      { slots: 2, service_id },
    ])
  })
})

test('where no two neighbours are free, the day is full for it, and not for a shorter visit', async () => {
  const { desk, service_id } = await openEcho()
  for (const [patient, slot] of [2, 4, 6].entries()) await desk.book({ date: DAY, patient, slot })
  expect(codeOf(await desk.book({ date: DAY, patient: 4, service_id }))).toEqual([409, 'day_full'])
  expect(codeOf(await desk.book({ date: DAY, patient: 4, service_id, slot: 6 }))).toEqual([
    422,
    'no_such_slot',
  ])
  expect((await desk.book({ date: DAY, patient: 4 })).body.slot).toBe(1)
})

test('a visit keeps its two slots when it moves, and both come free when it is cancelled', async () => {
  const { desk, service_id } = await openEcho()
  const { body } = await desk.book({ date: DAY, service_id, slot: 1 })
  const move = (wanted: object) => desk.post(`${APPOINTMENTS}/${body.id}/reschedule`, wanted)
  // One slot later: the two places overlap.
  expect((await move({ date: DAY, slot: 2 })).body).toMatchObject({ slot: 2, slots: 2 })
  expect(await ledger(desk)).toMatchObject({ booked: 2, remaining: 4 })
  expect((await move({ date: '2040-03-15', time: '11:00' })).body).toMatchObject({
    slot: 5,
    slots: 2,
    service_id,
  })
  await soon(async () => expect(await ledger(desk)).toMatchObject({ booked: 0, remaining: 6 }))
  expect((await move({ date: DAY })).body).toMatchObject({ date: DAY, slot: 1, slots: 2 })
  await desk.post(`${APPOINTMENTS}/${body.id}/cancel`, {})
  expect(await ledger(desk)).toMatchObject({ booked: 0, remaining: 6 })
})

test('who waits for a visit of two slots is offered two neighbours, and is passed over for a single one', async () => {
  const { desk, service_id } = await openEcho({}, 9)
  const booked = await Promise.all(times(6, (n) => desk.book({ date: DAY, patient: n, slot: n + 1 })))
  const wait = (patient: number, more: object = {}) =>
    desk.post(`${APPOINTMENTS}/waitlist`, {
      ...{ patient_id: desk.patientIds[patient], doctor_id: desk.doctorId, date: DAY },
      ...more,
    })
  const echo = await wait(6, { service_id })
  expect(echo.body).toMatchObject({ place: 1, offer: null })
  await desk.post(`${APPOINTMENTS}/${booked[2]?.body.id}/cancel`, {})
  expect((await wait(6)).body.offer).toBeNull()
  await desk.post(`${APPOINTMENTS}/${booked[3]?.body.id}/cancel`, {})
  expect((await wait(6)).body.offer).toMatchObject({ slot: 3, ends_at: `${DAY}T11:00:00+00:00` })
  const accepted = await desk.post(`${APPOINTMENTS}/waitlist/${echo.body.id}/accept`)
  expect(accepted.body).toMatchObject({ slot: 3, slots: 2, service_id })
})

test('a hold for a service holds both slots, and its booking has the service', async () => {
  const { desk, service_id } = await openEcho()
  const wanted = { doctor_id: desk.doctorId, date: DAY, ttl_seconds: 60, service_id, slot: 2 }
  const { body: held } = await desk.post(`${APPOINTMENTS}/holds`, wanted)
  expect(held).toMatchObject({ slot: 2, ends_at: `${DAY}T10:30:00+00:00` })
  expect(await ledger(desk)).toMatchObject({ held: 2, remaining: 4 })
  const book = (more: object) =>
    desk.post(APPOINTMENTS, { patient_id: desk.patientIds[0], hold_id: held.hold_id, ...more })
  expect((await book({ service_id })).status).toBe(400)
  expect((await book({})).body).toMatchObject({ slot: 2, slots: 2, service_id })
})

test('free slots for a service are those at which the visit can begin, with the doctors who offer it', async () => {
  const { desk, service_id } = await openEcho()
  const { body: other } = await desk.post('/api/v1/doctors', { name: 'Ada', code: 'AL' })
  const { body: only } = await desk.post(SERVICES, { name: 'Holter', doctors: [other.id] })
  await desk.book({ date: DAY, slot: 3 })
  const slots = async (path: string) =>
    (await desk.get(`${path}&from=${DAY}&to=${DAY}`)).body.map(({ slot }: { slot: number }) => slot)
  const own = `/api/v1/doctors/${desk.doctorId}/slots?service=`
  await soon(async () => expect(await slots(own + service_id)).toEqual([1, 4, 5]))
  expect(await slots(own + only.id)).toEqual([])
  const { body } = await desk.get(`/api/v1/slots?service=${only.id}&from=${DAY}&to=${DAY}`)
  expect(new Set(body.map(({ doctor_id }: { doctor_id: string }) => doctor_id))).toEqual(new Set([other.id]))
  expect(codeOf(await desk.book({ date: DAY, patient: 1, service_id: only.id }))).toEqual([
    422,
    'service_not_offered',
  ])
})

test('a service is changed as it was read; what is booked keeps its slots; a retired one is booked no more', async () => {
  const { desk, service_id, etag } = await openEcho()
  const change = (wanted: object, match: string) =>
    desk.send(
      'PATCH',
      `${SERVICES}/${service_id}`,
      JSON.stringify(wanted),
      match ? { 'If-Match': match } : {},
    )
  const { body } = await desk.book({ date: DAY, service_id })
  expect((await change({ slots: 3 }, '')).status).toBe(428)
  const changed = await change({ slots: 3 }, etag)
  expect(changed.body).toMatchObject({ slots: 3, name: 'Echo' })
  expect((await change({ name: 'X' }, etag)).status).toBe(412)
  expect((await desk.get(`${APPOINTMENTS}/${body.id}`)).body.slots).toBe(2)
  expect((await desk.book({ date: DAY, patient: 1, service_id })).body.slots).toBe(3)
  const retired = await change({ retired: true }, changed.headers.get('ETag') ?? '')
  expect(retired.body.retired_at).not.toBeNull()
  expect(codeOf(await desk.book({ date: '2040-03-15', patient: 2, service_id }))).toEqual([
    422,
    'service_not_offered',
  ])
  expect((await desk.get(`${SERVICES}?limit=10`)).body).toMatchObject([{ id: service_id, slots: 3 }])
  const range = `service=${service_id}&from=2040-03-15&to=2040-03-16`
  const lists = [`/api/v1/slots?${range}`, `/api/v1/doctors/${desk.doctorId}/slots?${range}`]
  const free = async () => Promise.all(lists.map(async (list) => (await desk.get(list)).body.length > 0))
  expect(await free()).toEqual([false, false])
  const back = await change({ retired: false }, retired.headers.get('ETag') ?? '')
  expect([back.body.retired_at, await free()]).toEqual([null, [true, true]])
})

test('what is no service is 400 or 404, and only a key that may write doctors adds one', async () => {
  const { desk } = await openEcho()
  for (const wanted of [
    { name: '' },
    { name: 'A', slots: 0 },
    { name: 'A', slots: 49 },
    { name: 'A', slots: 1.5 },
    { name: 'A', doctors: [] },
    { name: 'A', doctors: ['nobody'] },
    { name: 'A', doctor: 'x' },
  ])
    expect([wanted, (await desk.post(SERVICES, wanted)).status]).toEqual([wanted, 400])
  const { body } = await desk.post(SERVICES, { name: 'A', doctors: ['nobody'] })
  expect(body.detail).toMatch(/^doctors must be ids/)
  expect((await desk.book({ date: DAY, service_id: 'nothing' })).status).toBe(404)
  const reader = await keyFor(desk.clinicId, ['doctors:read'])
  expect((await reader.post(SERVICES, { name: 'A' })).status).toBe(403)
  expect((await reader.get(SERVICES)).status).toBe(200)
})

test('thirty callers for visits of two slots get three, and no slot twice', async () => {
  const { desk, service_id } = await openEcho({}, 30)
  const replies = await Promise.all(times(30, (patient) => desk.book({ date: DAY, patient, service_id })))
  expect(statuses(replies)).toEqual({ 201: 3, 409: 27 })
  const slots = replies.filter(({ status }) => status === 201).map(({ body }) => body.slot)
  expect(slots.sort()).toEqual([1, 3, 5])
})

test('a day without room for a visit of two slots says so, where single ones are free; and that it is full', async () => {
  const { desk, service_id } = await openEcho()
  const slots = async () => {
    for (const [patient, slot] of [1, 3, 5].entries()) await desk.book({ date: DAY, patient, slot })
  }
  await slots()
  const { body: elsewhere } = await desk.book({ date: '2040-04-16', patient: 3, service_id })
  const place = { doctor_id: desk.doctorId, date: DAY }
  const tight =
    'The doctor has no available slots on that date for this visit: no 2 neighbouring ones are free'
  const replies = async () => [
    await desk.book({ date: DAY, patient: 4, service_id }),
    await desk.post(`${APPOINTMENTS}/holds`, { ...place, service_id, ttl_seconds: 60 }),
    await desk.post(`${APPOINTMENTS}/${elsewhere.id}/reschedule`, { date: DAY }),
  ]
  for (const reply of await replies())
    expect([...codeOf(reply), reply.body.message]).toEqual([409, 'day_full', tight])
  for (const slot of [2, 4, 6]) await desk.book({ date: DAY, patient: 5, slot, allow_another: true })
  for (const { body } of await replies())
    expect(body.message).toBe('The doctor has no available slots on that date')
})
