import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { EVENTS_MAX, KEY_EVENTS_MAX } from '../src/doctor-day/rules/limits'
import type { Recorded } from '../src/doctor-day/state/event'
import { append, headOf } from '../src/doctor-day/storage/log'
import { DAY, objectOf, openBusyDay, pathOf, verdictOf } from './busy-day'
import { keyFor } from './clinic'

/** A loop of holds and releases by one key has made the log this long. */
async function openLongDay(length: number, actor?: string) {
  const desk = await openBusyDay()
  const by = actor ?? desk.keyId
  await runInDurableObject(objectOf(desk), (_, { storage }) =>
    storage.transactionSync(() => {
      const first = (headOf(storage.sql)?.seq ?? 0) + 1
      const at = Date.now()
      const events = Array.from({ length: length - first + 1 }, (_, n): Recorded => {
        const holdId = `h${Math.floor(n / 2)}`
        const [seq, actor] = [first + n, by]
        return n % 2 === 0
          ? { type: 'held', holdId, slot: 3, expiresAt: at, seq, at, actor }
          : { type: 'hold_ended', holdId, how: 'released', seq, at, actor }
      })
      append(storage.sql, env.DOCTORDAY_SECRET, events, 0)
    }),
  )
  await evictDurableObject(objectOf(desk))
  return desk
}

test('a day with the most events it may have wakes, is read, and takes nothing new: 429', async () => {
  const desk = await openLongDay(EVENTS_MAX, 'key_of_a_loop')
  const day = { doctor_id: desk.doctorId, date: DAY }
  for (const refused of [
    await desk.book({ date: DAY, allow_another: true }),
    await desk.post('/api/v1/appointments/holds', { ...day, ttl_seconds: 60 }),
    await desk
      .post('/api/v1/appointments/waitlist', { ...day, patient_id: 'x' })
      .then(() =>
        desk.post(`/api/v1/doctors/${desk.doctorId}/availability`, { date: DAY, is_present: true }),
      ),
    await desk.post(pathOf(desk, 'absence'), { reason: 'ill' }),
  ]) {
    expect([refused.status, refused.body.type]).toEqual([429, '/problems/day_log_full'])
    expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThan(0)
  }
  expect(await verdictOf(desk)).toMatchObject({ ok: true, count: EVENTS_MAX })
  expect((await desk.get(`${pathOf(desk, 'events')}?since=${EVENTS_MAX - 3}`)).body).toHaveLength(3)
  const early = await desk.get(`${pathOf(desk, '').replace(/\/$/, '')}?at=2040-03-14T12:01:00Z`)
  expect(early.body).toMatchObject({ booked: 2, capacity: 10 })
})

test('what exists on such a day can still be called, served and cancelled, and a refusal is not final', async () => {
  const desk = await openLongDay(EVENTS_MAX, 'key_of_a_loop')
  const key = { 'Idempotency-Key': 'k' }
  expect((await desk.book({ date: DAY, allow_another: true }, key)).status).toBe(429)
  expect((await desk.book({ date: DAY, allow_another: true }, key)).status).toBe(429)
  const next = `/api/v1/checkins/doctors/${desk.doctorId}/queue/next`
  expect((await desk.post(next, { date: DAY, room: '1' })).status).toBe(200)
  expect((await desk.post(`/api/v1/checkins/${desk.appointmentId}/recall`)).status).toBe(429)
  expect((await desk.post(`/api/v1/checkins/${desk.appointmentId}/serve`)).status).toBe(200)
  const list = await desk.get(`/api/v1/appointments/doctors/${desk.doctorId}/appointments?date=${DAY}`)
  expect((await desk.post(`/api/v1/appointments/${list.body[1].id}/cancel`)).status).toBe(200)
  expect(await verdictOf(desk)).toMatchObject({ ok: true, count: EVENTS_MAX + 3 })
})

test('one key that has used its share of a day is refused: 429 key_log_full; others go on', async () => {
  const desk = await openLongDay(KEY_EVENTS_MAX + 6)
  const refused = await desk.book({ date: DAY, allow_another: true })
  expect([refused.status, refused.body.type]).toEqual([429, '/problems/key_log_full'])
  const other = await keyFor(desk.clinicId, ['*'])
  const wanted = { patient_id: desk.patientIds[0], doctor_id: desk.doctorId, date: DAY, allow_another: true }
  expect((await other.post('/api/v1/appointments', wanted)).status).toBe(201)
  expect((await desk.post(`/api/v1/appointments/${desk.appointmentId}/cancel`)).status).toBe(409)
})
