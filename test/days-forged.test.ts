import { evictDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { copied, DAY, fileOf, inStorage, objectOf, openBusyDay, putFile, rowOf, verdictOf } from './busy-day'
import { type FrontDesk, openFrontDesk } from './clinic'
import { soon } from './soon'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const book = (desk: FrontDesk, headers = {}) => desk.book({ date: DAY, allow_another: true }, headers)
const forgetReplies = async () => {
  const { keys } = await env.REPLIES.list()
  await Promise.all(keys.map(({ name }) => env.REPLIES.delete(name)))
}

test('an older copy of the file gives no slot again, for D1 knows the day longer', async () => {
  const desk = await openBusyDay()
  const older = await fileOf(desk)
  const booked = await book(desk)
  await copied(desk, 7)
  await putFile(desk, older)
  expect((await book(desk)).status).toBe(503)
  expect(await verdictOf(desk)).toMatchObject({ ok: false, reason: 'behind_copy', count: 6 })
  expect((await desk.get(`/api/v1/appointments/${desk.appointmentId}`)).status).toBe(503)
  expect((await desk.get(`/api/v1/appointments/${booked.body.id}`)).status).toBe(503)
})

test('an older copy that goes on by ids alone is found out, and does not overwrite what D1 knows', async () => {
  const desk = await openBusyDay()
  const older = await fileOf(desk)
  const { body } = await book(desk)
  await copied(desk, 7)
  const known = await rowOf(desk)
  await putFile(desk, older)
  const path = `/api/v1/checkins/${desk.appointmentId}`
  const listed = await desk.post(`/api/v1/appointments/${body.id}/cancel`)
  expect(listed.status).toBe(404)
  vi.useFakeTimers({ now: Date.parse(`${DAY}T12:10:00Z`), toFake: ['Date'] })
  const booked = await inStorage(desk, (sql) => sql.exec('SELECT body FROM events WHERE seq = 3').one().body)
  const { appointmentId } = JSON.parse(String(booked))
  const arrived = { appointment_id: appointmentId, patient_id: desk.patientIds[1] }
  await desk.post('/api/v1/checkins', arrived)
  vi.useRealTimers()
  await soon(async () => expect((await desk.get(path)).status).toBe(503))
  expect(await rowOf(desk)).toEqual(known)
  expect((await book(desk)).status).toBe(503)
  expect((await verdictOf(desk)).reason).toMatch(/behind_copy|differs_from_copy/)
})

test('another history of the same length, signed and all, is not the one that D1 knows', async () => {
  const desk = await openBusyDay()
  const older = await fileOf(desk)
  await book(desk)
  await copied(desk, 7)
  const other = await fileOf(desk)
  await env.DB.prepare('DELETE FROM days WHERE clinic_id = ?').bind(desk.clinicId).run()
  await putFile(desk, older)
  await book(desk)
  await copied(desk, 7)
  await putFile(desk, other)
  expect((await book(desk)).status).toBe(503)
  expect(await verdictOf(desk)).toMatchObject({ ok: false, reason: 'differs_from_copy', count: 7 })
})

test('the file of another day in place of the day’s own gives no slot', async () => {
  const desk = await openBusyDay()
  const file = await fileOf(desk)
  const other = await openBusyDay()
  await env.DB.prepare('DELETE FROM days WHERE clinic_id = ?').bind(other.clinicId).run()
  await putFile(other, file)
  expect((await book(other)).status).toBe(503)
  expect(await verdictOf(other)).toMatchObject({ ok: false, reason: 'other_day' })
})

test.each([
  ['edited', 'UPDATE ops SET reply = replace(reply, \'"slot":4\', \'"slot":7\')'],
  ['made a refusal', `UPDATE ops SET reply = '{"ok":false,"refused":"day_full"}'`],
  ['made to be no JSON', "UPDATE ops SET reply = 'x'"],
  ['given a short signature', 'UPDATE ops SET mac = substr(mac, 1, 4)'],
  [
    'that of another operation',
    'UPDATE ops SET (reply, mac) = (SELECT reply, mac FROM ops ORDER BY op_id LIMIT 1)',
  ],
  ['made younger', 'UPDATE ops SET at = at + 1'],
])('a remembered reply that was %s is given to nobody, and verify says so', async (_, change) => {
  const desk = await openBusyDay()
  await book(desk)
  const key = { 'Idempotency-Key': 'k' }
  const first = await book(desk, key)
  await forgetReplies()
  expect((await book(desk, key)).text).toBe(first.text)
  await inStorage(desk, (sql) => {
    sql.exec(`${change} WHERE op_id = (SELECT max(op_id) FROM ops)`)
  })
  await evictDurableObject(objectOf(desk))
  await forgetReplies()
  const replayed = await book(desk, key)
  expect([replayed.status, replayed.body.type]).toEqual([503, '/problems/day_damaged'])
  expect(await verdictOf(desk)).toMatchObject({ ok: false, reason: 'reply_changed' })
  expect((await book(desk)).status).toBe(201)
})

test.each([
  ['removed', 'DELETE FROM ops WHERE op_id = (SELECT max(op_id) FROM ops)'],
  ['invented', "INSERT INTO ops (op_id, reply) VALUES ('new', '{}')"],
])('verify notices a reply that was %s', async (_, change) => {
  const desk = await openBusyDay()
  for (const _ of [1, 2]) await book(desk)
  await inStorage(desk, (sql) => sql.exec(change).toArray())
  expect(await verdictOf(desk)).toMatchObject({ ok: false, reason: 'reply_changed' })
})

test('an offer of an older copy cannot be accepted, nor a slot that it holds be booked', async () => {
  const desk = await openFrontDesk({ patients: 3, capacity: 2 })
  const day = { doctor_id: desk.doctorId, date: DAY }
  const held = await desk.post('/api/v1/appointments/holds', { ...day, ttl_seconds: 600 })
  await desk.book({ date: DAY })
  const [, second] = desk.patientIds
  const waiting = await desk.post('/api/v1/appointments/waitlist', { ...day, patient_id: second })
  await desk.send('DELETE', `/api/v1/appointments/holds/${held.body.hold_id}`)
  const again = await desk.post('/api/v1/appointments/holds', { ...day, ttl_seconds: 600 })
  expect(again.status).toBe(409)
  const older = await fileOf(desk)
  await desk.post(`/api/v1/appointments/waitlist/${waiting.body.id}/decline`)
  expect((await desk.book({ date: DAY, patient: 2 })).status).toBe(201)
  await soon(async () => expect(await rowOf(desk)).toMatchObject({ taken: 2, version: 8 }))
  await putFile(desk, older)
  const accepted = await desk.post(`/api/v1/appointments/waitlist/${waiting.body.id}/accept`)
  expect([accepted.status, accepted.body.type]).toEqual([503, '/problems/day_damaged'])
})
