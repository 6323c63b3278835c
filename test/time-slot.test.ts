import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { openFrontDesk } from './clinic'
import { APPOINTMENTS, forgetReplies, get, MONDAY, move, TUESDAY, WEDNESDAY } from './moves'
import { soon } from './soon'

/** `time_slot`: the hour that older clients send along with a booking, and expect back. */

test.each([0, 9, 23, null, undefined])('time_slot %j is kept, and every reply has it', async (time_slot) => {
  const desk = await openFrontDesk()
  const { status, body: booked } = await desk.book({ date: MONDAY, time_slot })
  expect([status, booked.slot, booked.time_slot]).toEqual([201, 1, time_slot ?? null])
  expect((await get(desk, booked.id)).body).toEqual(booked)
  const ofDay = `${APPOINTMENTS}/doctors/${desk.doctorId}/appointments?date=${MONDAY}`
  expect((await desk.get(ofDay)).body).toEqual([booked])
  await soon(async () => expect((await desk.get(APPOINTMENTS)).body).toEqual([booked]))
  const { body: cancelled } = await desk.post(`${APPOINTMENTS}/${booked.id}/cancel`)
  expect(cancelled).toMatchObject({ status: 'cancelled', time_slot: time_slot ?? null })
})

test.each([-1, 24, 1.5, '9', '', true, [9], {}, 1e9])('time_slot %j is 400 and named', async (time_slot) => {
  const desk = await openFrontDesk()
  const { status, body } = await desk.book({ date: MONDAY, time_slot })
  expect([status, body.errors.map(({ field }: { field: string }) => field)]).toEqual([400, ['time_slot']])
})

test('a time_slot takes no slot of the day: two patients may send the same, and one slot is as good as another', async () => {
  const desk = await openFrontDesk({ patients: 2 })
  for (const patient of [0, 1])
    expect((await desk.book({ date: MONDAY, patient, time_slot: 9 })).body).toMatchObject({
      slot: patient + 1,
      time_slot: 9,
    })
})

test('a booking of a held slot keeps its time_slot as well', async () => {
  const desk = await openFrontDesk()
  const hold = { doctor_id: desk.doctorId, date: MONDAY, ttl_seconds: 60 }
  const { hold_id } = (await desk.post(`${APPOINTMENTS}/holds`, hold)).body
  const wanted = { patient_id: desk.patientIds[0], hold_id, time_slot: 17 }
  expect((await desk.post(APPOINTMENTS, wanted)).body).toMatchObject({ slot: 1, time_slot: 17 })
})

test('it moves with the appointment, twice and back, and a resync finds it', async () => {
  const desk = await openFrontDesk()
  const { id } = (await desk.book({ date: MONDAY, time_slot: 0 })).body
  for (const date of [TUESDAY, WEDNESDAY, MONDAY])
    expect((await move(desk, id, { date })).body).toMatchObject({ date, time_slot: 0 })
  const { body } = await get(desk, id)
  await soon(async () => expect((await desk.get(APPOINTMENTS)).body).toEqual([body]))
  await env.DB.prepare('DELETE FROM appointments WHERE clinic_id = ?').bind(desk.clinicId).run()
  await desk.post(`/api/v1/doctors/${desk.doctorId}/days/${MONDAY}/resync`)
  await soon(async () => expect((await desk.get(APPOINTMENTS)).body).toEqual([body]))
})

test('the same key is the same answer with its time_slot; another time_slot is another request', async () => {
  const desk = await openFrontDesk()
  const wanted = { date: MONDAY, time_slot: 9, idempotency_key: 'k' }
  const first = await desk.book(wanted)
  expect((await desk.book(wanted)).text).toBe(first.text)
  await forgetReplies()
  expect((await desk.book(wanted)).text).toBe(first.text)
  expect((await desk.book({ ...wanted, time_slot: 10 })).status).toBe(422)
})
