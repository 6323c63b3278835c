import { env } from 'cloudflare:workers'
import { dayKey } from '../src/doctor-day/storage/address'
import type { FrontDesk, Reply } from './clinic'

export const [MONDAY, TUESDAY, WEDNESDAY] = ['2040-03-12', '2040-03-13', '2040-03-14']
export const APPOINTMENTS = '/api/v1/appointments'
export const CHECKINS = '/api/v1/checkins'

export const move = (desk: FrontDesk, id: string, wanted: object, key = '') =>
  desk.post(`${APPOINTMENTS}/${id}/reschedule`, wanted, key ? { 'Idempotency-Key': key } : {})
export const get = (desk: FrontDesk, id: string) => desk.get(`${APPOINTMENTS}/${id}`)
export const ledger = async (desk: FrontDesk, date: string) =>
  (await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${date}`)).body
/** A view of the past asks no other day, so it shows what this day has in its own log by now. */
export const pastLedger = async (desk: FrontDesk, date: string) =>
  (await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${date}?at=2041-01-01T00:00:00Z`)).body
export const idsOn = async (desk: FrontDesk, date: string): Promise<string[]> =>
  (await desk.get(`${APPOINTMENTS}/doctors/${desk.doctorId}/appointments?date=${date}`)).body.map(
    ({ id }: { id: string }) => id,
  )
/**
 * A fresh stub for each call, because one that has killed a day reaches none ever again. `betweenDays` meddles
 * with `get` alone, so `getByName` leads to the day itself.
 */
export const objectOf = (desk: FrontDesk, date: string) =>
  env.DOCTOR_DAY.getByName(dayKey(desk.clinicId, desk.doctorId, date))
export const eventsOf = async (desk: FrontDesk, date: string): Promise<string[]> =>
  (await desk.get(`/api/v1/doctors/${desk.doctorId}/days/${date}/events`)).body.map(
    ({ type }: { type: string }) => type,
  )
export const forgetReplies = async () => {
  const { keys } = await env.REPLIES.list()
  await Promise.all(keys.map(({ name }) => env.REPLIES.delete(name)))
}
export const typeOf = ({ status, body }: Reply) => [status, body.type?.split('/').at(-1)]
