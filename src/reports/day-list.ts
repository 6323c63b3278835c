import * as v from 'valibot'
import { mayUse } from '../access/permissions'
import { slotTimes, toSlotTimes } from '../appointments/model'
import type { Ctx } from '../context'
import { seeDay } from '../doctors/actions'
import { component } from '../lib/schema'
import { patientsById } from '../patients/actions'
import { toPatient } from '../patients/shown'
import { serviceNames } from '../visit-kinds/actions'

/** What the desk needs of an appointment, to call the patient or to cross the name out. */
export const DayListEntry = component('DayListEntry', {
  slot: v.number(),
  ...slotTimes,
  patient_name: v.string(),
  phone: v.nullable(v.string()),
  age: v.nullable(v.number()),
  birth_date: v.nullable(v.string()),
  /** Null where the visit is for none, and for a key that may not read doctors and services. */
  service: v.nullable(v.string()),
  status: v.picklist(['booked', 'checked_in', 'completed', 'no_show']),
  appointment_id: v.string(),
})
export type DayListEntry = v.InferOutput<typeof DayListEntry>

export interface DayList {
  date: string
  /** Null for a key that may not read doctors. */
  doctorName: string | null
  entries: DayListEntry[]
}

/** From the day itself, so that it is right at this moment; it stores no names, so they come from D1. */
export async function listForDesk(ctx: Ctx, doctorId: string, date: string): Promise<DayList> {
  const { doctor, seen } = await seeDay(ctx, doctorId, date, { view: 'appointments' })
  const mayRead = mayUse(ctx, 'doctors:read')
  const serviceIds = mayRead ? seen.flatMap(({ serviceId }) => serviceId ?? []) : []
  const [patients, services] = await Promise.all([
    patientsById(ctx, [...new Set(seen.map(({ patientId }) => patientId))]),
    serviceNames(ctx, [...new Set(serviceIds)]),
  ])
  const entries = seen.flatMap((appointment): DayListEntry[] => {
    const { id, slot, patientId, serviceId, status } = appointment
    if (status === 'cancelled') return []
    const row = patients.get(patientId)
    const { name = '', phone = null, age = null, birth_date = null } = row ? toPatient(row, ctx) : {}
    const times = toSlotTimes(appointment)
    const service = services.get(serviceId ?? '') ?? null
    const of = { patient_name: name, phone, age, birth_date, service }
    return [{ slot, ...times, ...of, status, appointment_id: id }]
  })
  return { date, doctorName: mayRead ? doctor.name : null, entries }
}
