import type { FrontDesk, Reply } from './clinic'
import { openFrontDesk } from './clinic'
import { MONDAY, TUESDAY, WEDNESDAY } from './moves'

export const WAITLIST = '/api/v1/appointments/waitlist'
export const DATES = [MONDAY, TUESDAY, WEDNESDAY]

export const wishFor = (desk: FrontDesk, wanted: Record<string, unknown> = {}, key = ''): Promise<Reply> => {
  const { patient = 0, ...rest } = wanted
  const patient_id = desk.patientIds[Number(patient)]
  return desk.post(
    WAITLIST,
    { patient_id, doctor_id: desk.doctorId, dates: DATES, ...rest },
    key ? { 'Idempotency-Key': key } : {},
  )
}
export const getWish = async (desk: FrontDesk, id: string) =>
  (await desk.get(`${WAITLIST}/wishes/${id}`)).body
export const accept = (desk: FrontDesk, placeId: string, key = '') =>
  desk.post(`${WAITLIST}/${placeId}/accept`, {}, key ? { 'Idempotency-Key': key } : {})
export const decline = (desk: FrontDesk, id: string) => desk.post(`${WAITLIST}/${id}/decline`)
export const waitlistOn = async (desk: FrontDesk, date: string) =>
  (await desk.get(`${WAITLIST}?doctor_id=${desk.doctorId}&date=${date}`)).body

/** What the home says of each place: `waiting`, `pending`, or why there is none. */
export const placesOf = ({ places }: { places: { status: string; reason?: string }[] }) =>
  places.map(({ status, reason }) => reason ?? status)

/** Each date has one slot, and the last patients have them. Patient 0 wishes for any of the dates. */
export async function openFullWeek({ patients = 5 } = {}) {
  const desk = await openFrontDesk({ patients, capacity: 1 })
  const booked = new Map<string, string>()
  for (const [n, date] of DATES.entries()) {
    const { body } = await desk.book({ date, patient: patients - DATES.length + n })
    booked.set(date, body.id)
  }
  const free = (date: string) => desk.post(`/api/v1/appointments/${booked.get(date)}/cancel`)
  return { desk, free }
}

export const placeOn = (wish: { places: { date: string; id: string }[] }, date: string): string =>
  wish.places.find((place) => place.date === date)?.id ?? ''
