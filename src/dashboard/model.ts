import * as v from 'valibot'
import { component } from '../lib/schema'

/** What the dashboard of the older service receives: its names, and its words for a status. */

const DashboardPatient = v.object({
  id: v.string(),
  name: v.string(),
  /** These three are null for a key that may not read patients. */
  phone: v.nullable(v.string()),
  age: v.nullable(v.number()),
  gender: v.nullable(v.string()),
})
export type DashboardPatient = v.InferOutput<typeof DashboardPatient>

/** Neither a cancelled appointment nor a no-show. `queue`: a called patient is still `waiting`. */
const DashboardAppointment = v.object({
  appointment_id: v.string(),
  slot: v.number(),
  status: v.picklist(['booked', 'checked_in', 'completed']),
  patient: v.nullable(DashboardPatient),
  queue: v.nullable(
    v.object({
      position: v.number(),
      checked_in_at: v.string(),
      status: v.picklist(['waiting', 'served', 'skipped']),
    }),
  ),
})
export type DashboardAppointment = v.InferOutput<typeof DashboardAppointment>

const DashboardDoctor = v.object({
  doctor: v.object({
    id: v.string(),
    name: v.string(),
    code: v.string(),
    specialty: v.nullable(v.string()),
  }),
  total_appointments: v.number(),
  /** How many have checked in, whatever has become of them since. */
  checked_in_count: v.number(),
  appointments: v.array(DashboardAppointment),
})
export type DashboardDoctor = v.InferOutput<typeof DashboardDoctor>

/** All appointments of a date: doctors by name, only those with appointments; appointments by slot. */
const Picture = component('DashboardPicture', {
  date: v.string(),
  total_appointments: v.number(),
  total_doctors: v.number(),
  timestamp: v.string(),
  doctors: v.array(DashboardDoctor),
})
export type Picture = v.InferOutput<typeof Picture>

/** What the service sends. */
export const DashboardMessage = v.pipe(
  v.union([
    v.object({ type: v.picklist(['snapshot', 'update']), data: Picture }),
    v.object({ type: v.literal('unsubscribed'), message: v.string() }),
    v.object({ type: v.literal('pong'), timestamp: v.string() }),
    v.object({ error: v.string() }),
  ]),
  v.metadata({ ref: 'DashboardMessage' }),
)
export type DashboardMessage = v.InferOutput<typeof DashboardMessage>

export const OpenDashboard = v.object({ ticket: v.optional(v.string()) })

/** `url` is the path to open, ticket included. The ticket is shown in this reply only. */
export const DashboardTicket = component('DashboardTicket', {
  ticket: v.string(),
  url: v.string(),
  expires_at: v.string(),
})
export type DashboardTicket = v.InferOutput<typeof DashboardTicket>
