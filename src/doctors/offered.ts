import type { Visit } from '../doctor-day/state/day'
import { notFound, Problem } from '../problem'

/** Which doctor offers the service of a visit, as D1 knows it. */

/** `doctors`: those who offer it; null: all. */
export interface FoundService {
  id: string
  slots: number
  doctors: string[] | null
  isRetired: boolean
}

/** The columns of a service that was found, or not. */
export interface ServiceColumns {
  serviceId?: string | null
  serviceSlots?: number
  serviceDoctors?: string | null
  serviceRetiredAt?: number | null
}

export function serviceIn(row: ServiceColumns): FoundService | null {
  const { serviceId: id = null, serviceSlots: slots = 1, serviceDoctors, serviceRetiredAt = null } = row
  if (id === null) return null
  const doctors = serviceDoctors ? JSON.parse(serviceDoctors) : null
  return { id, slots, doctors, isRetired: serviceRetiredAt !== null }
}

/** What a visit for the service needs. Without a service: one slot. */
export function visitFor(service: FoundService | null, doctorId: string, serviceId: string | null): Visit {
  if (serviceId === null) return {}
  if (service === null) throw notFound('Service')
  const { id, slots, doctors, isRetired } = service
  if (isRetired) throw new Problem('service_not_offered', 'This service is retired; choose another one')
  requireOffered(doctors, doctorId)
  return { serviceId: id, ...(slots > 1 && { span: slots }) }
}

export function requireOffered(doctors: string[] | null, doctorId: string): void {
  if (doctors && !doctors.includes(doctorId)) throw new Problem('service_not_offered', NOT_OFFERED)
}

const NOT_OFFERED = 'The doctor does not offer this service; GET /api/v1/slots?service= names those who do'
