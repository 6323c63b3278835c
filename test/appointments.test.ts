import { expect, test } from 'vitest'
import { openFrontDesk, statuses, times } from './clinic'

const DAY = '2026-03-14'

test('an appointment is booked with the lowest free slot and read back by its id', async () => {
  const desk = await openFrontDesk()
  const { status, body } = await desk.book({ date: DAY })
  expect(status).toBe(201)
  expect(body).toEqual({
    id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
    patient_id: expect.any(String),
    doctor_id: desk.doctorId,
    date: DAY,
    slot: 1,
    status: 'booked',
    created_at: expect.any(String),
    updated_at: body.created_at,
  })
  expect(await desk.get(`/api/v1/appointments/${body.id}`)).toMatchObject({ status: 200, body })
})

test('thirty clients booking the last ten slots at once: exactly ten 201 with slots 1 to 10, twenty 409', async () => {
  const desk = await openFrontDesk({ patients: 30 })
  const replies = await Promise.all(times(30, (n) => desk.book({ date: DAY, patient: n })))
  expect(statuses(replies)).toEqual({ 201: 10, 409: 20 })
  const slots = replies.filter(({ status }) => status === 201).map(({ body }) => body.slot)
  expect(slots.sort((a, b) => a - b)).toEqual(times(10, (n) => n + 1))
})
