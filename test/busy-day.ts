import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { vi } from 'vitest'
import { dayKey } from '../src/doctor-day/storage/address'
import { type FrontDesk, openFrontDesk } from './clinic'

export const DAY = '2026-03-14'
export const NOON = Date.parse(`${DAY}T12:00:00Z`)

export const pathOf = ({ doctorId }: { doctorId: string }, leaf: string, date = DAY) =>
  `/api/v1/doctors/${doctorId}/days/${date}/${leaf}`
export const verdictOf = async (desk: FrontDesk) => (await desk.get(pathOf(desk, 'verify'))).body
export const objectOf = (desk: FrontDesk) =>
  env.DOCTOR_DAY.get(env.DOCTOR_DAY.idFromName(dayKey(desk.clinicId, desk.doctorId, DAY)))
export const inStorage = <Result>(desk: FrontDesk, work: (sql: SqlStorage) => Result) =>
  runInDurableObject(objectOf(desk), (_, state) => work(state.storage.sql))

/** Six events, a minute apart: opened, booked, booked, availability_set, capacity_set, checked_in. */
export async function openBusyDay(): Promise<FrontDesk & { appointmentId: string }> {
  const desk = await openFrontDesk({ patients: 2 })
  vi.useFakeTimers({ now: NOON, toFake: ['Date'] })
  const { body } = await desk.book({ date: DAY })
  vi.setSystemTime(NOON + 60_000)
  await desk.book({ date: DAY, patient: 1 })
  vi.setSystemTime(NOON + 120_000)
  const availability = { date: DAY, is_present: true, notes: 'until five', capacity: 12 }
  await desk.post(`/api/v1/doctors/${desk.doctorId}/availability`, availability)
  vi.setSystemTime(NOON + 180_000)
  await desk.post('/api/v1/checkins', { appointment_id: body.id, patient_id: desk.patientIds[0] })
  // A clock left in the past would have every alarm due at once, again and again.
  vi.useRealTimers()
  return { ...desk, appointmentId: body.id }
}
