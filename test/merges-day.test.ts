import { evictDurableObject } from 'cloudflare:test'
import { afterEach, expect, test, vi } from 'vitest'
import { DAY, type FrontDesk, openFrontDesk, statuses, times } from './clinic'
import { depthOf } from './critical-path'
import { openScreen, pictures } from './dashboards'
import { merge, PATIENTS, unmerge } from './merging'
import { APPOINTMENTS, CHECKINS, MONDAY, move, objectOf, TUESDAY, typeOf } from './moves'
import { soon } from './soon'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const NOON = Date.parse(`${DAY}T12:00:00Z`)
const book = async (desk: FrontDesk, patient: number, date = DAY, more = {}): Promise<string> =>
  (await desk.book({ date, patient, ...more })).body.id
const wait = (desk: FrontDesk, patient: number, date = DAY) =>
  desk.post(`${APPOINTMENTS}/waitlist`, {
    doctor_id: desk.doctorId,
    date,
    patient_id: desk.patientIds[patient],
  })
const ofPatient = async (desk: FrontDesk, patient: number, more = ''): Promise<string[]> =>
  (await desk.get(`${APPOINTMENTS}?patient_id=${desk.patientIds[patient]}${more}`)).body.map(
    ({ id }: { id: string }) => id,
  )
/** The record of patient 0 is merged into that of patient 1. */
const mergeThem = (desk: FrontDesk) => merge(desk, desk.patientIds[0], desk.patientIds[1])

test('appointments of both ids are listed under either, by date and in pages, and each keeps its patient_id', async () => {
  const desk = await openFrontDesk({ patients: 3 })
  const first = await book(desk, 0, '2040-03-14')
  const second = await book(desk, 1, '2040-03-15')
  const third = await book(desk, 0, '2040-03-16')
  await book(desk, 2, '2040-03-15')
  await mergeThem(desk)
  for (const patient of [0, 1]) {
    expect(await ofPatient(desk, patient)).toEqual([first, second, third])
    expect(await ofPatient(desk, patient, '&from=2040-03-15')).toEqual([second, third])
    const page = await desk.get(`${APPOINTMENTS}?limit=2&patient_id=${desk.patientIds[patient]}`)
    expect(page.body.map(({ id }: { id: string }) => id)).toEqual([first, second])
    const next = page.headers.get('Link')?.match(/<(.+)>/)?.[1] ?? ''
    expect((await desk.get(next)).body).toMatchObject([{ id: third, patient_id: desk.patientIds[0] }])
  }
})

test('a booking under the old id is one of the record in use, and the day refuses it where either has one', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  await book(desk, 0, MONDAY)
  await mergeThem(desk)
  for (const patient of [0, 1])
    expect(typeOf(await desk.book({ date: MONDAY, patient }))).toEqual([409, 'already_booked'])
  const reply = await desk.book({ date: TUESDAY, patient: 0 })
  expect(reply).toMatchObject({ status: 201, body: { patient_id: desk.patientIds[1] } })
  expect(typeOf(await wait(desk, 0, TUESDAY))).toEqual([409, 'already_booked'])
  expect((await desk.book({ date: MONDAY, patient: 0, allow_another: true })).status).toBe(201)
})

test('where both have an appointment on a day both stay, and there is no third', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  const [one, other] = [await book(desk, 0), await book(desk, 1)]
  await mergeThem(desk)
  expect(typeOf(await desk.book({ date: DAY, patient: 1 }))).toEqual([409, 'already_booked'])
  const cancelled = await desk.post(`${APPOINTMENTS}/${one}/cancel`, { reason: 'twice' })
  expect(cancelled.status).toBe(200)
  expect(typeOf(await desk.book({ date: DAY, patient: 0 }))).toEqual([409, 'already_booked'])
  expect(await ofPatient(desk, 0, '&status=booked')).toEqual([other])
})

test('a held slot is booked for the record in use, and a walk-in too', async () => {
  const desk = await openFrontDesk({ patients: 3 })
  await mergeThem(desk)
  const place = { doctor_id: desk.doctorId, date: MONDAY, ttl_seconds: 60 }
  const { body: hold } = await desk.post(`${APPOINTMENTS}/holds`, place)
  const booked = await desk.post(APPOINTMENTS, {
    patient_id: desk.patientIds[0],
    hold_id: hold.hold_id,
  })
  expect(booked).toMatchObject({ status: 201, body: { patient_id: desk.patientIds[1] } })
  vi.useFakeTimers({ now: Date.parse(`${MONDAY}T12:00:00Z`), toFake: ['Date'] })
  const walkIn = { doctor_id: desk.doctorId, patient_id: desk.patientIds[0] }
  expect(typeOf(await desk.post(`${CHECKINS}/walk-in`, walkIn))).toEqual([409, 'already_booked'])
})

test.each([{ headers: {} }, { headers: { 'Idempotency-Key': 'in' } }])(
  'a patient checks in by either id, with $headers; the queue and the day list show the name in use',
  async ({ headers }) => {
    const desk = await openFrontDesk({ patients: 3 })
    const appointment_id = await book(desk, 0)
    await mergeThem(desk)
    vi.useFakeTimers({ now: NOON, toFake: ['Date'] })
    const arrive = (patient: number, sent = {}) =>
      desk.post(CHECKINS, { appointment_id, patient_id: desk.patientIds[patient] }, sent)
    expect(typeOf(await arrive(2))).toEqual([400, 'wrong_patient'])
    const arrived = await arrive(1, headers)
    expect(arrived.status).toBe(201)
    if (Object.keys(headers).length > 0) expect((await arrive(1, headers)).text).toBe(arrived.text)
    const { body: queue } = await desk.get(`${CHECKINS}/doctors/${desk.doctorId}/queue?date=${DAY}`)
    expect(queue).toMatchObject([{ patient_name: 'Patient 1' }])
    const { body: list } = await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${DAY}/list`)
    expect(list).toMatchObject([{ patient_name: 'Patient 1', phone: '+12025550001' }])
    const { body: called } = await desk.post(`${CHECKINS}/doctors/${desk.doctorId}/queue/next`, {
      room: '1',
      date: DAY,
    })
    expect(called).toMatchObject({ patient_name: 'Patient 1' })
  },
)

test('the old dashboard shows the record in use', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  await book(desk, 0)
  await mergeThem(desk)
  const screen = await openScreen({ Authorization: `Bearer ${desk.key}` })
  screen.say({ action: 'subscribe', date: DAY })
  await vi.waitFor(() => expect(JSON.stringify(pictures(screen))).toContain('Patient 1'))
  expect(JSON.stringify(pictures(screen))).not.toContain('Patient 0')
  screen.cut()
})

test('an appointment moves to no day on which the patient has one by another id', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  const [monday] = [await book(desk, 0, MONDAY), await book(desk, 1, TUESDAY)]
  await mergeThem(desk)
  // D1’s copy knows whose appointment it is.
  await vi.waitFor(async () => expect(await ofPatient(desk, 1)).toHaveLength(2))
  for (const wanted of [{ date: TUESDAY }, { date: TUESDAY, doctor_id: desk.doctorId }])
    expect(typeOf(await move(desk, monday, wanted))).toEqual([409, 'already_booked'])
  expect((await move(desk, monday, { date: TUESDAY, allow_another: true })).status).toBe(200)
})

test('an absence moves no patient to a day on which the patient has an appointment by another id', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  const monday = await book(desk, 0, MONDAY)
  await book(desk, 1, TUESDAY)
  await mergeThem(desk)
  await vi.waitFor(async () => expect(await ofPatient(desk, 1)).toHaveLength(2))
  const absence = await desk.post(`/api/v1/doctors/${desk.doctorId}/days/${MONDAY}/absence`, {
    reason: 'ill',
    move_to: { date: TUESDAY },
  })
  expect(absence.body.to_call).toMatchObject([{ appointment_id: monday, why: 'already_booked' }])
})

test('of two places on one waitlist the first that is accepted ends the other', async () => {
  const desk = await openFrontDesk({ patients: 4, capacity: 2 })
  const booked = [await book(desk, 2), await book(desk, 3)]
  const places = [await wait(desk, 0), await wait(desk, 1)]
  await mergeThem(desk)
  expect((await wait(desk, 0)).status).toBe(200)
  for (const id of booked) await desk.post(`${APPOINTMENTS}/${id}/cancel`, { reason: 'ill' })
  const accept = (n: number, key = '') =>
    desk.post(
      `${APPOINTMENTS}/waitlist/${places[n]?.body.id}/accept`,
      undefined,
      key ? { 'Idempotency-Key': key } : {},
    )
  const accepted = await accept(1, 'a')
  expect(accepted).toMatchObject({ status: 201, body: { patient_id: desk.patientIds[1] } })
  expect((await accept(1, 'a')).text).toBe(accepted.text)
  expect(typeOf(await accept(0))).toEqual([410, 'offer_over'])
  const { body: ledger } = await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${DAY}`)
  expect(ledger).toMatchObject({ booked: 1, offered: 0, remaining: 1 })
})

test.each([
  ['one date', { date: DAY }],
  ['any of several dates', { dates: [DAY, '2040-03-20'] }],
])(
  'who waited for %s under one id and was booked under the other gets no second visit by an offer',
  async (_, dates) => {
    const desk = await openFrontDesk({ patients: 3, capacity: 2 })
    const [, other] = [await book(desk, 1), await book(desk, 2)]
    const place = { doctor_id: desk.doctorId, patient_id: desk.patientIds[0], ...dates }
    expect((await desk.post(`${APPOINTMENTS}/waitlist`, place)).status).toBe(201)
    await mergeThem(desk)
    await desk.post(`${APPOINTMENTS}/${other}/cancel`, { reason: 'ill' })
    const listed = await desk.get(`${APPOINTMENTS}/waitlist?doctor_id=${desk.doctorId}&date=${DAY}`)
    const accept = () => desk.post(`${APPOINTMENTS}/waitlist/${listed.body[0].id}/accept`)
    expect(typeOf(await accept())).toEqual([409, 'already_booked'])
    const { body: ledger } = await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${DAY}`)
    expect(ledger).toMatchObject({ booked: 1, offered: 1, remaining: 0 })
    expect((await unmerge(desk, desk.patientIds[0] ?? '')).status).toBe(200)
    expect((await accept()).status).toBe(201)
  },
)

test('an undo gives back what was booked before the merge; what was booked since stays', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  const before = await book(desk, 0, MONDAY)
  await mergeThem(desk)
  const since = await book(desk, 0, TUESDAY)
  await unmerge(desk, desk.patientIds[0])
  await vi.waitFor(async () => expect(await ofPatient(desk, 0)).toEqual([before]))
  expect(await ofPatient(desk, 1)).toEqual([since])
  expect((await desk.book({ date: MONDAY, patient: 1 })).status).toBe(201)
  expect((await desk.book({ date: TUESDAY, patient: 0 })).status).toBe(201)
})

test('a booking that is retried after the merge gets its first answer', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  const key = { 'Idempotency-Key': 'b' }
  const first = await desk.book({ date: DAY, patient: 0 }, key)
  await mergeThem(desk)
  expect((await desk.book({ date: DAY, patient: 0 }, key)).text).toBe(first.text)
  expect(await ofPatient(desk, 1)).toEqual([first.body.id])
})

test('bookings of both ids at once after a merge: one of twenty is made', async () => {
  const desk = await openFrontDesk({ patients: 2, capacity: 20 })
  await mergeThem(desk)
  const replies = await Promise.all(times(20, (n) => desk.book({ date: DAY, patient: n % 2 })))
  expect(statuses(replies)).toEqual({ 201: 1, 409: 19 })
})

const KEY = { 'Idempotency-Key': 'k' }
const ASKS = [
  ['booking', (desk: FrontDesk) => desk.book({ date: TUESDAY, patient: 0 }, KEY)],
  [
    'check-in',
    (desk: FrontDesk, appointment_id: string) =>
      desk.post(CHECKINS, { appointment_id, patient_id: desk.patientIds[1] }, KEY),
  ],
] as const

test.each(ASKS)('a %s of a merged patient waits for no more calls than of others', async (_, ask) => {
  const desk = await openFrontDesk({ patients: 3 })
  const ids = [await book(desk, 0, MONDAY), await book(desk, 2, TUESDAY)]
  await mergeThem(desk)
  vi.useFakeTimers({ now: Date.parse(`${MONDAY}T12:00:00Z`), toFake: ['Date'] })
  await soon(async () => expect([...(await ofPatient(desk, 0)), ...(await ofPatient(desk, 2))]).toEqual(ids))
  for (const date of [MONDAY, TUESDAY]) await evictDurableObject(objectOf(desk, date))
  for (const id of ids) await desk.get(`${APPOINTMENTS}/${id}`)
  const { depth, reply } = await depthOf(() => ask(desk, ids[0] ?? ''))
  expect([reply.status, depth]).toEqual([201, 2])
})

test('medical tests keep the text that they came with', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  const [old = ''] = desk.patientIds
  const sent = { patient_id: old, clinic_id: desk.clinicId, test_type: 'b', result: 'r' }
  await desk.post('/tests', { ...sent, test_id: 'before' })
  await mergeThem(desk)
  await desk.post('/tests', { ...sent, test_id: 'since' })
  const { body: tests } = await desk.get(`/tests?clinic_id=${desk.clinicId}`)
  expect(tests).toMatchObject([
    { test_id: 'before', patient_id: old },
    { test_id: 'since', patient_id: old },
  ])
  expect((await desk.get(`${PATIENTS}/${old}`)).body.merged_into).toBe(desk.patientIds[1])
})
