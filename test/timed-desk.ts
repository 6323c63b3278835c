import { type FrontDesk, openFrontDesk, type Reply } from './clinic'

export interface Hours {
  from: string
  to: string
  minutes_per_slot: number
}

export interface TimedDesk extends FrontDesk {
  doctor: Reply
  /** Says that the doctor is there on a date, and what else is said. */
  say(date: string, terms?: Record<string, unknown>): Promise<Reply>
  ledger(date: string): Promise<Reply>
}

/** A front desk whose doctor works by the clock. */
export async function openTimedDesk(
  working_hours: Hours | null,
  { capacity, ...options }: Parameters<typeof openFrontDesk>[0] = {},
): Promise<TimedDesk> {
  const desk = await openFrontDesk({ timeZone: 'America/New_York', ...options })
  const doctor = await desk.post('/api/v1/doctors', { name: 'Ada', code: 'AL', working_hours, capacity })
  const doctorId = doctor.body.id as string
  const path = `/api/v1/doctors/${doctorId}`
  return {
    ...desk,
    doctor,
    doctorId,
    book: (wanted, headers) => desk.book({ doctorId, ...wanted }, headers),
    say: (date, terms) => desk.post(`${path}/availability`, { date, is_present: true, ...terms }),
    ledger: (date) => desk.get(`${path}/days/${date}`),
  }
}
