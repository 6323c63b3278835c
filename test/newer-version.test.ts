import { evictDurableObject, runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { otherDays } from '../src/doctor-day/client'
import { dayKey } from '../src/doctor-day/storage/address'
import { signatureOf } from '../src/doctor-day/storage/seal'
import { sha256 } from '../src/lib/crypto'
import { DAY, inStorage, objectOf, openBusyDay, pathOf, verdictOf } from './busy-day'
import { type FrontDesk, statuses, times } from './clinic'

type Row = { seq: number; hash: string }

/** A newer version of the service books slot 3 with an event of its own, hash chain and all. */
const bookAsNewerVersion = (desk: FrontDesk) =>
  inStorage(desk, (sql) => {
    const { seq, hash } = sql.exec<Row>('SELECT seq, hash FROM head').one()
    const body = JSON.stringify({ type: 'booked', v: 3, appointmentId: 'a3', patientId: 'p3', slots: [3] })
    const row = [seq + 1, Date.now(), 'key_newer', body] as const
    const next = sha256(JSON.stringify([hash, ...row]))
    sql.exec('INSERT INTO events VALUES (?, ?, ?, ?, ?)', ...row, next)
    const { replies } = sql.exec<{ replies: number }>('SELECT replies FROM head').one()
    const signature = signatureOf(env.DOCTORDAY_SECRET, ['head', seq + 1, next, replies])
    sql.exec('UPDATE head SET seq = ?, hash = ?, mac = ?', seq + 1, next, signature)
  })

test('a day that a newer version has written shows what it can, and gives no slot: 503 newer_version', async () => {
  const desk = await openBusyDay()
  const keyed = { 'Idempotency-Key': 'from-before' }
  const before = await desk.book({ date: DAY, allow_another: true }, keyed)
  expect(before.status).toBe(201)
  await bookAsNewerVersion(desk)
  await evictDurableObject(objectOf(desk))
  const tries = await Promise.all(times(20, () => desk.book({ date: DAY, allow_another: true })))
  expect(statuses(tries)).toEqual({ 503: 20 })
  for (const { headers, body } of tries) {
    expect(body.type).toContain('newer_version')
    expect(headers.get('Retry-After')).not.toBeNull()
  }
  const held = await desk.post('/api/v1/appointments/holds', {
    doctor_id: desk.doctorId,
    date: DAY,
    ttl_seconds: 60,
  })
  expect(held.status).toBe(503)
  const cancelled = await desk.post(`/api/v1/appointments/${desk.appointmentId}/cancel`, {})
  expect(cancelled.status).toBe(503)
  // What was decided before stays decided, and what is known can be read.
  expect((await desk.book({ date: DAY, allow_another: true }, keyed)).text).toBe(before.text)
  expect((await desk.get(pathOf(desk, 'events'))).body.at(-1)).toMatchObject({
    type: 'booked',
    data: { v: 3 },
  })
  expect((await desk.get(`/api/v1/appointments/${desk.appointmentId}`)).status).toBe(200)
  expect((await verdictOf(desk)).ok).toBe(true)
})

test('its alarm changes nothing, and D1’s copy of it stays as the last known version left it', async () => {
  const desk = await openBusyDay()
  const day = () => env.DB.prepare('SELECT * FROM days WHERE clinic_id = ?').bind(desk.clinicId).first()
  await expect.poll(async () => (await day())?.version).toBe(6)
  await bookAsNewerVersion(desk)
  await evictDurableObject(objectOf(desk))
  const known = await day()
  await runDurableObjectAlarm(objectOf(desk))
  expect(await day()).toEqual(known)
  expect((await verdictOf(desk)).count).toBe(7)
  expect((await desk.post(pathOf(desk, 'resync'))).status).toBe(503)
})

test('tables of a newer version are not written to', async () => {
  const desk = await openBusyDay()
  await inStorage(desk, (sql) => sql.exec('UPDATE _schema SET version = 99').toArray())
  await evictDurableObject(objectOf(desk))
  expect((await desk.book({ date: DAY, allow_another: true })).status).toBe(503)
  expect((await desk.get(pathOf(desk, 'events'))).body).toHaveLength(6)
})

test('a view that an older object does not know is 503 newer_version, and no failure', async () => {
  const desk = await openBusyDay()
  const key = dayKey(desk.clinicId, desk.doctorId, DAY)
  for (const view of ['of tomorrow', 'toString'])
    await expect(otherDays(env).see(key, desk.clinicId, { view } as never)).rejects.toMatchObject({
      code: 'newer_version',
    })
})
