import assert from 'node:assert/strict'
import { test } from 'node:test'
import { today } from '../../scripts/demo.mjs'
import { eventually, startService } from './service.mjs'

const COPIED_WITHIN_MS = 20_000

test('a booking that was acknowledged survives kill -9', async (t) => {
  const service = await startService(t)
  const date = today()
  const doctor = await service.post('/api/v1/doctors', { name: 'Dr Ines Okafor', code: 'D-1' })
  const patient = await service.post('/api/v1/patients', { name: 'Ada Lovelace', phone: '+1 202 555 0199' })
  const wanted = { patient_id: patient.body.id, doctor_id: doctor.body.id, date }
  const key = { 'Idempotency-Key': 'e2e-booking' }
  const booked = await service.post('/api/v1/appointments', wanted, key)
  await service.kill9()
  assert.deepEqual([booked.status, booked.body.slot], [201, 1])

  await service.start()
  const { id } = booked.body
  const copied = await eventually(
    () => service.select(`SELECT * FROM appointments WHERE id = '${id}'`),
    (rows) => rows.length === 1,
    COPIED_WITHIN_MS,
    'the copy in D1',
  )
  assert.deepEqual([copied[0].patient_id, copied[0].slot], [patient.body.id, 1])

  const found = await service.get(`/api/v1/appointments/${id}`)
  assert.deepEqual([found.status, found.body], [200, booked.body])
  const day = await service.get(`/api/v1/appointments/doctors/${doctor.body.id}/appointments?date=${date}`)
  assert.deepEqual(
    day.body.map((appointment) => appointment.id),
    [id],
  )

  const again = await service.post('/api/v1/appointments', wanted, key)
  assert.deepEqual([again.status, again.text], [201, booked.text], 'a retry gets the first answer')
})
