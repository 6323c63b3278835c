import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { dayKey } from '../src/doctor-day/storage/address'
import { allPages, DAY, type FrontDesk, keyFor, openFrontDesk, times } from './clinic'
import { abort } from './faults'
import { soon } from './soon'

const NOON = Date.parse(`${DAY}T12:00:00Z`)
const at = (now: number) => vi.useFakeTimers({ now, toFake: ['Date'] })
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const PATH = `/api/v1/days?date=${DAY}`
const dayOf = (desk: FrontDesk, doctorId: string) =>
  env.DOCTOR_DAY.get(env.DOCTOR_DAY.idFromName(dayKey(desk.clinicId, doctorId, DAY)))

/** D1 has the copy of each day as it is now. */
const copied = (desk: FrontDesk, events: number) =>
  soon(async () => {
    const sum = 'SELECT sum(version) AS events FROM days WHERE clinic_id = ?'
    expect(await env.DB.prepare(sum).bind(desk.clinicId).first('events')).toBe(events)
  })

/** Some of everything with the first doctor; the day of the second one is unused. */
async function openMorning(): Promise<FrontDesk> {
  const desk = await openFrontDesk({ patients: 6, capacity: 5 })
  const hours = { from: '11:00', to: '13:00', minutes_per_slot: 30 }
  await desk.post('/api/v1/doctors', { name: 'Ada Adams', code: 'AA', working_hours: hours })
  at(NOON)
  const place = { doctor_id: desk.doctorId, date: DAY }
  for (const patient of times(4, (n) => n)) {
    const { body } = await desk.book({ date: DAY, patient })
    if (patient < 3)
      await desk.post('/api/v1/checkins', { appointment_id: body.id, patient_id: body.patient_id })
  }
  await desk.post('/api/v1/appointments/holds', { ...place, ttl_seconds: 600 })
  await desk.post('/api/v1/appointments/waitlist', { ...place, patient_id: desk.patientIds[5] })
  for (const room of ['1', '2']) {
    const called = await desk.post(`/api/v1/checkins/doctors/${desk.doctorId}/queue/next`, {
      date: DAY,
      room,
    })
    if (room === '1') await desk.post(`/api/v1/checkins/${called.body.appointment_id}/serve`)
  }
  await copied(desk, 13)
  return desk
}

test('all doctors of a date with their figures: as the days have them, and as unused days would be', async () => {
  const desk = await openMorning()
  const { status, body } = await desk.get(PATH)
  expect(status).toBe(200)
  const byName = body.toSorted((one: { doctor_name: string }, other: { doctor_name: string }) =>
    one.doctor_name < other.doctor_name ? -1 : 1,
  )
  const none = { waiting: 0, called: 0, served: 0, skipped: 0, no_show: 0 }
  expect(byName).toEqual([
    {
      doctor_id: expect.any(String),
      doctor_name: 'Ada Adams',
      doctor_code: 'AA',
      date: DAY,
      figures: {
        ...{
          is_present: true,
          capacity: 4,
          booked: 0,
          held: 0,
          offered: 0,
          over: 3,
          closed: 0,
          remaining: 1,
          waiting: 0,
        },
        ...{ version: 0, queue: none },
      },
      problem: null,
    },
    {
      doctor_id: desk.doctorId,
      doctor_name: 'Grace Hopper',
      doctor_code: 'GH',
      date: DAY,
      figures: {
        ...{
          is_present: true,
          capacity: 5,
          booked: 4,
          held: 1,
          offered: 0,
          over: 0,
          closed: 0,
          remaining: 0,
          waiting: 1,
        },
        ...{ version: 13, queue: { ...none, waiting: 1, called: 1, served: 1 } },
      },
      problem: null,
    },
  ])
  const ledger = await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${DAY}`)
  const { slots, date, time_zone, ...figures } = ledger.body
  expect(byName[1].figures).toMatchObject(figures)
})

test('the figures are those that the day has, whatever D1’s copy of it says', async () => {
  const desk = await openMorning()
  await env.DB.prepare(
    'UPDATE days SET is_present = 0, capacity = 1, taken = 0, version = 1, next_patient = NULL WHERE clinic_id = ?',
  )
    .bind(desk.clinicId)
    .run()
  const days = (await desk.get(PATH)).body
  expect(days.find((day: { doctor_id: string }) => day.doctor_id === desk.doctorId).figures).toMatchObject({
    ...{ is_present: true, capacity: 5, booked: 4, version: 13 },
  })
})

test('only the days that were used are asked, one call for each', async () => {
  const desk = await openMorning()
  const names = vi.spyOn(Object.getPrototypeOf(env.DOCTOR_DAY) as DurableObjectNamespace, 'idFromName')
  await desk.get(PATH)
  expect(names.mock.calls).toEqual([[dayKey(desk.clinicId, desk.doctorId, DAY)]])
})

test('pages lead through all doctors, at most 50 at a time', async () => {
  const desk = await openFrontDesk()
  await Promise.all(times(54, (n) => desk.post('/api/v1/doctors', { name: `Doctor ${n}`, code: `D${n}` })))
  const pages = await allPages(desk, `${PATH}&limit=1000`)
  expect(pages.map(({ body }) => body.length)).toEqual([50, 5])
  const ids = pages.flatMap(({ body }) => body.map((day: { doctor_id: string }) => day.doctor_id))
  expect(new Set(ids).size).toBe(55)
  expect((await desk.get(`${PATH}&limit=2`)).body).toHaveLength(2)
})

test('without a date it is today at the clinic; another scope and a wrong date are refused', async () => {
  const desk = await openFrontDesk({ timeZone: 'Pacific/Auckland' })
  at(NOON)
  expect((await desk.get('/api/v1/days')).body).toMatchObject([{ date: '2040-03-15' }])
  const other = await keyFor(desk.clinicId, ['checkins:read'])
  expect((await other.get(PATH)).status).toBe(403)
  for (const query of ['date=today', 'limit=0', 'cursor=x', 'when=now'])
    expect([query, (await desk.get(`/api/v1/days?${query}`)).status]).toEqual([query, 400])
})

test('a day that is damaged, or does not answer, hides no other day', async () => {
  const desk = await openMorning()
  await runInDurableObject(dayOf(desk, desk.doctorId), (_, { storage }) => {
    storage.sql.exec(`UPDATE events SET body = '{}' WHERE seq = 2`)
  })
  await abort(dayOf(desk, desk.doctorId))
  const shown = async () =>
    (await desk.get(PATH)).body.map(({ doctor_code, problem, figures }: Record<string, unknown>) => [
      doctor_code,
      problem,
      figures === null,
    ])
  expect((await shown()).toSorted()).toEqual([
    ['AA', null, false],
    ['GH', 'day_damaged', true],
  ])
  vi.spyOn(Object.getPrototypeOf(env.DOCTOR_DAY) as DurableObjectNamespace, 'get').mockImplementation(() => {
    throw new Error('Network connection lost.')
  })
  expect((await shown()).toSorted()).toEqual([
    ['AA', null, false],
    ['GH', 'unavailable', true],
  ])
})

test('a day that was lost is damaged, and not empty', async () => {
  const desk = await openMorning()
  await runInDurableObject(dayOf(desk, desk.doctorId), async (_, { storage }) => {
    await storage.deleteAll()
  })
  await abort(dayOf(desk, desk.doctorId))
  const days = (await desk.get(PATH)).body
  expect(days.find((day: { doctor_id: string }) => day.doctor_id === desk.doctorId)).toMatchObject({
    figures: null,
    problem: 'day_damaged',
  })
})
