import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { vi } from 'vitest'
import { dayKey } from '../src/doctor-day/storage/address'
import { type Client, type FrontDesk, openFrontDesk } from './clinic'
import { keyOf, livePath } from './followers'

/** A day with people who come and go, for those who follow it. */

export const DAY = '2040-03-14'
export const NOON = Date.parse(`${DAY}T12:00:00Z`)
export const at = (now: number) => vi.useFakeTimers({ now, toFake: ['Date'] })

export async function openDay(patients = 3): Promise<FrontDesk> {
  const desk = await openFrontDesk({ patients })
  at(NOON)
  return desk
}

/** Two events, or three where it is the first of the day: booked, and checked in. */
export async function arrive(desk: FrontDesk, patient = 0): Promise<string> {
  const { body } = await desk.book({ date: DAY, patient })
  await desk.post('/api/v1/checkins', { appointment_id: body.id, patient_id: body.patient_id })
  return body.id
}

const queuePath = (desk: FrontDesk) => `/api/v1/checkins/doctors/${desk.doctorId}/queue`
export const listing = async (desk: FrontDesk) => (await desk.get(`${queuePath(desk)}?date=${DAY}`)).body
export const next = (desk: FrontDesk, room: string) =>
  desk.post(`${queuePath(desk)}/next`, { date: DAY, room })
export const step = (desk: FrontDesk, id: string, name: string) => desk.post(`/api/v1/checkins/${id}/${name}`)

export const objectOf = (desk: FrontDesk) =>
  env.DOCTOR_DAY.get(env.DOCTOR_DAY.idFromName(dayKey(desk.clinicId, desk.doctorId, DAY)))
export const onDay = (desk: FrontDesk, query: Record<string, string> = {}) =>
  livePath(desk, { date: DAY, ...query })
export const withKey = (desk: Client, seq?: number) => ({
  headers: keyOf(desk),
  ...(seq === undefined ? {} : { seq }),
})
/** How many follow the day. */
export const followersOf = (desk: FrontDesk) =>
  runInDurableObject(
    objectOf(desk),
    (_, state) => state.getWebSockets().filter(({ readyState }) => readyState === WebSocket.OPEN).length,
  )
