import { evictDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { copied, DAY, inStorage, objectOf, openBusyDay, pathOf, rowOf } from './busy-day'
import { type Client, type FrontDesk, openClinic, openFrontDesk, times } from './clinic'
import { soon } from './soon'

const operator = () => openClinic({ scopes: ['admin', 'audit:read', 'clinics:*'] })
const resync = (by: Client, clinicId: string, body: object = {}, headers = {}) =>
  by.post(`/api/v1/clinics/${clinicId}/resync`, body, headers)
const tableOf = async (desk: FrontDesk, table: string) =>
  (
    await env.DB.prepare(`SELECT * FROM ${table} WHERE clinic_id = ? ORDER BY 1, 2, 3`)
      .bind(desk.clinicId)
      .all()
  ).results

test.each([
  ['days', 'taken = 9, capacity = 1, is_present = 0, head = NULL'],
  ['appointments', "slot = 9, status = 'cancelled', patient_id = 'x', starts_at = 'now', created_at = 1"],
  ['check_ins', "status = 'served', position = 7, appointment_id = 'x', checked_in_at = 1"],
])('a resync mends rows of %s that were changed in D1 and kept their version', async (table, change) => {
  const desk = await openBusyDay()
  await copied(desk, 6)
  const before = await tableOf(desk, table)
  await env.DB.prepare(`UPDATE ${table} SET ${change} WHERE clinic_id = ?`).bind(desk.clinicId).run()
  expect(await tableOf(desk, table)).not.toEqual(before)
  expect((await desk.post(pathOf(desk, 'resync'))).status).toBe(202)
  await soon(async () => expect(await tableOf(desk, table)).toEqual(before))
})

test('a resync never goes back: a row of a later version stays', async () => {
  const desk = await openBusyDay()
  await copied(desk, 6)
  const later = "UPDATE appointments SET version = 99, status = 'no_show' WHERE clinic_id = ?"
  await env.DB.prepare(later).bind(desk.clinicId).run()
  await env.DB.prepare('UPDATE check_ins SET position = 9 WHERE clinic_id = ?').bind(desk.clinicId).run()
  await desk.post(pathOf(desk, 'resync'))
  await soon(async () => expect(await tableOf(desk, 'check_ins')).toMatchObject([{ position: 1 }]))
  expect(await tableOf(desk, 'appointments')).toMatchObject([{ status: 'no_show' }, { status: 'no_show' }])
})

test('a whole clinic is copied again in bounded calls; a damaged day stops no other', async () => {
  const [desk, admin] = [await openFrontDesk({ patients: 1 }), await operator()]
  const dates = times(52, (n) => new Date(Date.UTC(2030, 0, n + 1)).toISOString().slice(0, 10))
  for (const date of dates) await desk.book({ date })
  await soon(async () => expect(await tableOf(desk, 'days')).toHaveLength(52))
  await env.DB.prepare('DELETE FROM appointments WHERE clinic_id = ?').bind(desk.clinicId).run()
  const first = await resync(admin, desk.clinicId)
  expect(first).toMatchObject({ status: 202, body: { days: 50, events: 100, not_copied: [] } })
  const second = await resync(admin, desk.clinicId, { cursor: first.body.next })
  expect(second.body).toEqual({ days: 2, events: 4, not_copied: [], next: null })
  await soon(async () => expect(await tableOf(desk, 'appointments')).toHaveLength(52))
})

test('a day that is damaged is named, and the clinic’s other days are copied', async () => {
  const [desk, admin] = [await openBusyDay(), await operator()]
  await copied(desk, 6)
  await desk.book({ date: '2040-03-15' })
  await copied(desk, 2, '2040-03-15')
  await inStorage(desk, (sql) => sql.exec('DROP TABLE events').toArray())
  await evictDurableObject(objectOf(desk))
  const { body } = await resync(admin, desk.clinicId)
  const damaged = { doctor_id: desk.doctorId, date: DAY, why: 'day_damaged' }
  expect(body).toEqual({ days: 2, events: 2, not_copied: [damaged], next: null })
  expect(await rowOf(desk)).toMatchObject({ version: 6 })
})

test('it is audited once for each key, needs the scope, a known clinic and a cursor of its own', async () => {
  const [desk, admin] = [await openBusyDay(), await operator()]
  const key = { 'Idempotency-Key': 'k' }
  for (const _ of [1, 2]) await resync(admin, desk.clinicId, {}, key)
  await resync(admin, desk.clinicId)
  const { body } = await admin.get(`/api/v1/audit?clinic_id=${desk.clinicId}`)
  const resynced = body.filter(({ action }: { action: string }) => action === 'clinic.resynced')
  expect(resynced).toMatchObject(times(2, () => ({ subject: desk.clinicId, key_id: admin.keyId })))
  expect((await resync(desk, desk.clinicId)).status).toBe(403)
  expect((await resync(admin, 'nobody')).status).toBe(404)
  expect((await admin.get('/api/v1/audit?clinic_id=nobody')).body).toEqual([])
  const ofAnother = await openClinic({ scopes: ['admin'] })
  expect((await resync(ofAnother, desk.clinicId)).status).toBe(404)
  expect((await resync(ofAnother, ofAnother.clinicId)).status).toBe(202)
  expect((await resync(admin, desk.clinicId, { cursor: 'x' })).status).toBe(400)
})
