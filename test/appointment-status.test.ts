import { evictDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { dayKey } from '../src/doctor-day/storage/address'
import { type FrontDesk, openFrontDesk, type Reply } from './clinic'
import { soon } from './soon'

/** The statuses of an appointment that clients know, wherever one is shown. */

const DAY = '2040-03-14'
const NOON = Date.parse(`${DAY}T12:00:00Z`)
const APPOINTMENTS = '/api/v1/appointments'
afterEach(() => vi.useRealTimers())

interface Visit {
  id: string
  patient_id: string
}

/** Patients with an appointment each, at noon of its date. */
async function openAtNoon(patients: number): Promise<{ desk: FrontDesk; visits: Visit[] }> {
  const desk = await openFrontDesk({ patients })
  const visits: Visit[] = []
  for (const patient of desk.patientIds.keys()) visits.push((await desk.book({ date: DAY, patient })).body)
  vi.useFakeTimers({ now: NOON, toFake: ['Date'] })
  return { desk, visits }
}
const arrive = (desk: FrontDesk, { id, patient_id }: Visit) =>
  desk.post('/api/v1/checkins', { appointment_id: id, patient_id })
const call = (desk: FrontDesk) =>
  desk.post(`/api/v1/checkins/doctors/${desk.doctorId}/queue/next`, { date: DAY, room: '1' })
const step = (desk: FrontDesk, { id }: Visit, name: string) => desk.post(`/api/v1/checkins/${id}/${name}`)

/** The appointment by id, in its day’s list and in the list across days, all the same. */
async function shown(desk: FrontDesk, { id }: Visit): Promise<Record<string, unknown>> {
  const { body } = await desk.get(`${APPOINTMENTS}/${id}`)
  const isIn = (list: Reply) => list.body.find((one: Visit) => one.id === id)
  if (body.status !== 'cancelled')
    expect(isIn(await desk.get(`${APPOINTMENTS}/doctors/${desk.doctorId}/appointments?date=${DAY}`))).toEqual(
      body,
    )
  await soon(async () => expect(isIn(await desk.get(APPOINTMENTS))).toEqual(body))
  return body
}

test('an appointment is booked, then checked_in from the arrival on, then completed when served', async () => {
  const { desk, visits } = await openAtNoon(1)
  const [visit] = visits as [Visit]
  expect(await shown(desk, visit)).toMatchObject({ status: 'booked' })
  const arrived = (await arrive(desk, visit)).body.checked_in_at
  expect(await shown(desk, visit)).toMatchObject({ status: 'checked_in', updated_at: arrived })
  await call(desk)
  expect(await shown(desk, visit)).toMatchObject({ status: 'checked_in', updated_at: arrived })
  vi.setSystemTime(NOON + 60_000)
  await step(desk, visit, 'serve')
  const served = new Date(NOON + 60_000).toISOString()
  expect(await shown(desk, visit)).toMatchObject({ status: 'completed', updated_at: served })
})

test.each<[string[], string]>([
  [['skip'], 'checked_in'],
  [['skip', 'requeue'], 'checked_in'],
  [['recall'], 'checked_in'],
  [['skip', 'requeue', 'call', 'serve'], 'completed'],
  [['skip', 'no-show'], 'no_show'],
])('after the call and %j it is %s everywhere', async (steps, status) => {
  const { desk, visits } = await openAtNoon(1)
  const [visit] = visits as [Visit]
  await arrive(desk, visit)
  await call(desk)
  for (const name of steps)
    expect((await (name === 'call' ? call(desk) : step(desk, visit, name))).status).toBe(200)
  expect(await shown(desk, visit)).toMatchObject({ status })
})

test('a walk-in is checked_in at once, and a no-show without a check-in is no_show', async () => {
  const { desk, visits } = await openAtNoon(1)
  const { body: newcomer } = await desk.post('/api/v1/patients', { name: 'New', phone: '+1 202 555 7777' })
  const walkIn = { patient_id: newcomer.id, doctor_id: desk.doctorId }
  const { body } = await desk.post('/api/v1/checkins/walk-in', walkIn)
  expect(await shown(desk, { ...body, id: body.appointment_id })).toMatchObject({ status: 'checked_in' })
  await step(desk, visits[0] as Visit, 'no-show')
  expect(await shown(desk, visits[0] as Visit)).toMatchObject({ status: 'no_show' })
})

test('the words of the status filter the list: each appointment is under its own and no other', async () => {
  const { desk, visits } = await openAtNoon(5)
  const [served, arrived, missing, cancelled, booked] = visits as [Visit, Visit, Visit, Visit, Visit]
  for (const visit of [served, arrived]) await arrive(desk, visit)
  await call(desk)
  await step(desk, served, 'serve')
  await step(desk, missing, 'no-show')
  await desk.post(`${APPOINTMENTS}/${cancelled.id}/cancel`)
  const expected = {
    booked: [booked.id],
    checked_in: [arrived.id],
    completed: [served.id],
    no_show: [missing.id],
    cancelled: [cancelled.id],
  }
  for (const [status, ids] of Object.entries(expected))
    for (const also of ['', `&doctor_id=${desk.doctorId}`, `&from=${DAY}&to=${DAY}`])
      await soon(async () => {
        const { body } = await desk.get(`${APPOINTMENTS}?status=${status}${also}`)
        expect([status, also, body.map(({ id }: Visit) => id)]).toEqual([status, also, ids])
      })
  for (const unknown of ['waiting', 'served', 'CHECKED_IN', 'no-show'])
    expect((await desk.get(`${APPOINTMENTS}?status=${unknown}`)).body.errors[0].field).toBe('status')
})

test('what is refused to a checked-in patient stays refused: a cancellation, a move, another check-in', async () => {
  const { desk, visits } = await openAtNoon(1)
  const [visit] = visits as [Visit]
  await arrive(desk, visit)
  const refusals = [
    await desk.post(`${APPOINTMENTS}/${visit.id}/cancel`),
    await desk.post(`${APPOINTMENTS}/${visit.id}/reschedule`, { date: '2040-03-15' }),
    await arrive(desk, visit),
  ]
  const codes = () => refusals.map(({ status, body }) => [status, body.type.split(/[:/]/).at(-1)])
  expect(codes()).toEqual(Array(3).fill([409, 'already_checked_in']))
  const again = await desk.book({ date: DAY })
  expect([again.status, again.body.type.split(/[:/]/).at(-1)]).toEqual([409, 'already_booked'])
  await call(desk)
  await step(desk, visit, 'serve')
  expect((await desk.post(`${APPOINTMENTS}/${visit.id}/cancel`)).status).toBe(409)
  expect(await shown(desk, visit)).toMatchObject({ status: 'completed' })
})

test('statuses survive an eviction, and a resync gives them to an emptied copy', async () => {
  const { desk, visits } = await openAtNoon(2)
  for (const visit of visits) await arrive(desk, visit)
  await call(desk)
  await step(desk, visits[0] as Visit, 'serve')
  const name = dayKey(desk.clinicId, desk.doctorId, DAY)
  await soon(async () => expect((await desk.get(`${APPOINTMENTS}?status=completed`)).body).toHaveLength(1))
  await evictDurableObject(env.DOCTOR_DAY.get(env.DOCTOR_DAY.idFromName(name)))
  await env.DB.prepare('DELETE FROM appointments WHERE clinic_id = ?').bind(desk.clinicId).run()
  await desk.post(`/api/v1/doctors/${desk.doctorId}/days/${DAY}/resync`)
  expect(await shown(desk, visits[0] as Visit)).toMatchObject({ status: 'completed' })
  expect(await shown(desk, visits[1] as Visit)).toMatchObject({ status: 'checked_in' })
})
