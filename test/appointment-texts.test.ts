import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { dayKey } from '../src/doctor-day/storage/address'
import { DAY, type FrontDesk, keyFor, openFrontDesk, times } from './clinic'

const APPOINTMENTS = '/api/v1/appointments'
const OTHER_DAY = '2040-03-15'
const WRITTEN = { reason: 'Knee hurts', notes: 'Bring the file\nRing the bell' }

const details = async (desk: FrontDesk, id: string) => (await desk.get(`${APPOINTMENTS}/${id}`)).body
const textsOf = ({ reason, notes, cancel_reason }: Record<string, string>) => ({
  reason,
  notes,
  cancel_reason,
})
const change = (desk: FrontDesk, id: string, body: object, headers = {}) =>
  desk.send('PATCH', `${APPOINTMENTS}/${id}`, JSON.stringify(body), {
    'Content-Type': 'application/json',
    ...headers,
  })
const verdict = async (desk: FrontDesk, date = DAY) =>
  (await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${date}/verify`)).body
const eventsOf = async (desk: FrontDesk, date = DAY) =>
  (await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${date}/events`)).body as {
    type: string
    data: object
  }[]
const objectOf = (desk: FrontDesk, date = DAY) =>
  env.DOCTOR_DAY.getByName(dayKey(desk.clinicId, desk.doctorId, date))

/** Everything that the object of a day stores, as one text. */
const stored = (desk: FrontDesk, date = DAY) =>
  runInDurableObject(objectOf(desk, date), (_, { storage: { sql } }) => {
    const tables = sql
      .exec<{ name: string }>(
        `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'`,
      )
      .toArray()
    const rows = tables.flatMap(({ name }) => sql.exec(`SELECT * FROM ${name}`).toArray())
    return JSON.stringify(rows, (_key, value) =>
      value instanceof ArrayBuffer ? Buffer.from(value).toString() : value,
    )
  })

test('what is written of a visit is shown with the appointment, and in no answer that is kept, list or event', async () => {
  const desk = await openFrontDesk()
  const booked = await desk.book({ date: DAY, ...WRITTEN }, { 'Idempotency-Key': 'k' })
  expect(booked.status).toBe(201)
  expect(textsOf(await details(desk, booked.body.id))).toEqual(WRITTEN)
  const shown = JSON.stringify([
    booked.body,
    (await desk.book({ date: DAY, ...WRITTEN }, { 'Idempotency-Key': 'k' })).body,
    (await desk.get(`${APPOINTMENTS}/doctors/${desk.doctorId}/appointments?date=${DAY}`)).body,
    (await desk.get(`${APPOINTMENTS}?patient_id=${desk.patientIds[0]}`)).body,
    await eventsOf(desk),
  ])
  expect(shown).not.toMatch(/Knee|file|bell/)
  expect((await eventsOf(desk)).filter(({ type }) => type === 'text_set')).toHaveLength(2)
})

test('the notes of a visit are for the desk: a key that only reads appointments gets its reason alone', async () => {
  const desk = await openFrontDesk()
  const { id } = (await desk.book({ date: DAY, ...WRITTEN })).body
  const nurse = await keyFor(desk.clinicId, ['appointments:read'])
  expect(textsOf((await nurse.get(`${APPOINTMENTS}/${id}`)).body)).toEqual({ reason: WRITTEN.reason })
})

test('reason and notes can be changed and removed, one by one, and a retry changes nothing more', async () => {
  const desk = await openFrontDesk()
  const { id } = (await desk.book({ date: DAY, ...WRITTEN })).body
  const changed = await change(desk, id, { reason: 'Hip hurts' }, { 'Idempotency-Key': 'one' })
  expect([changed.status, textsOf(changed.body)]).toEqual([200, { ...WRITTEN, reason: 'Hip hurts' }])
  expect(textsOf((await change(desk, id, { notes: null })).body)).toEqual({ reason: 'Hip hurts' })
  const count = (await eventsOf(desk)).length
  expect((await change(desk, id, { reason: 'Hip hurts' }, { 'Idempotency-Key': 'one' })).status).toBe(200)
  expect(await eventsOf(desk)).toHaveLength(count)
  expect(await stored(desk)).not.toMatch(/Knee|bell/)
  expect((await verdict(desk)).ok).toBe(true)
})

test('a change that names nothing, or what is too long, is 400', async () => {
  const desk = await openFrontDesk()
  const { id } = (await desk.book({ date: DAY })).body
  for (const body of [
    {},
    { reason: '' },
    { reason: 'x'.repeat(501) },
    { notes: 'x'.repeat(2_001) },
    { status: 'x' },
  ])
    expect([body, (await change(desk, id, body)).status]).toEqual([body, 400])
})

test('another clinic can neither read nor change what is written', async () => {
  const [desk, stranger] = [await openFrontDesk(), await openFrontDesk()]
  const { id } = (await desk.book({ date: DAY, ...WRITTEN })).body
  expect((await change(stranger, id, { reason: 'mine' })).status).toBe(404)
  expect((await stranger.get(`${APPOINTMENTS}/${id}`)).status).toBe(404)
  expect(textsOf(await details(desk, id))).toEqual(WRITTEN)
})

test('the reason of a cancellation stands in no event, and is shown with the appointment', async () => {
  const desk = await openFrontDesk()
  const { id } = (await desk.book({ date: DAY, ...WRITTEN })).body
  await desk.post(`${APPOINTMENTS}/${id}/cancel`, { reason: 'Broken leg' })
  expect(textsOf(await details(desk, id))).toEqual({ ...WRITTEN, cancel_reason: 'Broken leg' })
  expect(JSON.stringify(await eventsOf(desk))).not.toContain('Broken')
})

test('a hold and a walk-in take a reason too', async () => {
  const desk = await openFrontDesk()
  const hold = await desk.post(`${APPOINTMENTS}/holds`, {
    doctor_id: desk.doctorId,
    date: DAY,
    ttl_seconds: 60,
  })
  const booked = await desk.post(APPOINTMENTS, {
    patient_id: desk.patientIds[0],
    hold_id: hold.body.hold_id,
    ...WRITTEN,
  })
  expect(textsOf(await details(desk, booked.body.id))).toEqual(WRITTEN)
  const walkedIn = await desk.post('/api/v1/checkins/walk-in', {
    patient_id: desk.patientIds[0],
    doctor_id: desk.doctorId,
    reason: 'Fever',
  })
  expect(walkedIn.status).toBe(201)
  expect((await details(desk, walkedIn.body.appointment_id)).reason).toBe('Fever')
})

test('what is written moves along to another day, and nothing of it stays behind', async () => {
  const desk = await openFrontDesk()
  const { id } = (await desk.book({ date: DAY, ...WRITTEN })).body
  for (const date of [OTHER_DAY, DAY, OTHER_DAY])
    expect((await desk.post(`${APPOINTMENTS}/${id}/reschedule`, { date })).status).toBe(200)
  expect(textsOf(await details(desk, id))).toEqual(WRITTEN)
  expect(await stored(desk)).not.toMatch(/Knee|bell/)
  expect(await stored(desk, OTHER_DAY)).toMatch(/Knee/)
  await change(desk, id, { notes: 'Now here' })
  expect(textsOf(await details(desk, id))).toEqual({ reason: WRITTEN.reason, notes: 'Now here' })
  expect([(await verdict(desk)).ok, (await verdict(desk, OTHER_DAY)).ok]).toEqual([true, true])
})

test('patients whom an absence moves keep what is written; a day that refuses a move keeps nothing of it', async () => {
  const desk = await openFrontDesk({ patients: 3, capacity: 2 })
  const ids = []
  for (const patient of [0, 1])
    ids.push((await desk.book({ date: DAY, patient, reason: `Reason ${patient}` })).body.id)
  await desk.book({ date: OTHER_DAY, patient: 2 })
  const absence = await desk.post(`/api/v1/doctors/${desk.doctorId}/days/${DAY}/absence`, {
    reason: 'ill',
    move_to: { date: OTHER_DAY },
  })
  expect(absence.body).toMatchObject({
    // The other day has only slot 2 free, which the second visit keeps.
    moved: [{ appointment_id: ids[1] }],
    waitlisted: [{ appointment_id: ids[0] }],
  })
  expect((await details(desk, ids[1])).reason).toBe('Reason 1')
  expect(textsOf(await details(desk, ids[0]))).toEqual({ reason: 'Reason 0', cancel_reason: 'ill' })
  expect(await stored(desk, OTHER_DAY)).not.toContain('Reason 0')
})

test('a text that was changed, removed or added outside the service is noticed', async () => {
  for (const harm of [
    `UPDATE texts SET text = CAST('Head hurts' AS BLOB) WHERE id = 1`,
    'UPDATE texts SET key = zeroblob(32) WHERE id = 1',
    'DELETE FROM texts WHERE id = 2',
    `INSERT INTO texts VALUES (9, x'', x'', x'')`,
    'DROP TABLE texts',
  ]) {
    const desk = await openFrontDesk()
    const { id } = (await desk.book({ date: DAY, ...WRITTEN })).body
    expect((await verdict(desk)).ok).toBe(true)
    await runInDurableObject(objectOf(desk), (_, { storage }) => void storage.sql.exec(harm))
    expect([harm, await verdict(desk)]).toMatchObject([harm, { ok: false, reason: 'text_changed' }])
    const isRead = !harm.startsWith('INSERT')
    expect((await desk.get(`${APPOINTMENTS}/${id}`)).status).toBe(isRead ? 503 : 200)
  }
})

test('of two hundred visits each keeps what is written of it, whatever becomes of the others', async () => {
  const desk = await openFrontDesk({ patients: 1, capacity: 200 })
  const book = (n: number) =>
    desk.book({ date: DAY, reason: `Reason ${n}.`, notes: `${n}`.repeat(400), allow_another: true })
  const booked = await Promise.all(times(200, book))
  const ids = booked.map(({ body }) => body.id)
  for (const n of times(200, (each) => each)) if (n % 3 === 0) await change(desk, ids[n], { reason: null })
  for (const n of times(200, (each) => each))
    expect(textsOf(await details(desk, ids[n]))).toEqual({
      ...(n % 3 > 0 && { reason: `Reason ${n}.` }),
      notes: `${n}`.repeat(400),
    })
  expect((await verdict(desk)).ok).toBe(true)
})
