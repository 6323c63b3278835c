import type { CheckIn, Day } from '../doctor-day/state/day'
import { type ShownAppointment, shown } from '../doctor-day/state/views'
import { sha256 } from '../lib/crypto'
import { iso } from '../lib/time'
import type { DashboardAppointment, DashboardDoctor, DashboardPatient, Picture } from './model'

/** What a dashboard shows of a date, from the days of its doctors. */

interface DayOfDoctor {
  doctorId: string
  log: string | null
  day: Day
}

export type Doctor = DashboardDoctor['doctor']
export type Patients = ReadonlyMap<string, DashboardPatient>

interface Shown {
  date: string
  days: DayOfDoctor[]
  doctorOf(doctorId: string): Doctor
  patients: Patients
  /** Without it a patient has a name and nothing more. */
  hasPatients: boolean
}

export function pictureOf({ date, days, doctorOf, patients, hasPatients }: Shown, now: number): Picture {
  const patientOf = (id: string): DashboardPatient | null => {
    const patient = patients.get(id)
    if (!patient) return null
    return hasPatients ? patient : { ...patient, phone: null, age: null, gender: null }
  }
  const doctors = days
    .map(({ doctorId, day }) => doctorIn(doctorOf(doctorId), day, patientOf))
    .filter(({ appointments }) => appointments.length > 0)
    .sort(
      (one, other) => compare(one.doctor.name, other.doctor.name) || compare(one.doctor.id, other.doctor.id),
    )
  const total = doctors.reduce((sum, { total_appointments }) => sum + total_appointments, 0)
  return {
    date,
    total_appointments: total,
    total_doctors: doctors.length,
    timestamp: iso(now),
    doctors,
  }
}

function doctorIn(
  doctor: Doctor,
  day: Day,
  patientOf: (id: string) => DashboardPatient | null,
): DashboardDoctor {
  const appointments = standing(day).map(
    (appointment): DashboardAppointment => ({
      appointment_id: appointment.id,
      slot: appointment.slot,
      status: appointment.status,
      patient: patientOf(appointment.patientId),
      queue: queueOf(day.checkIns.get(appointment.id)),
    }),
  )
  return {
    doctor,
    total_appointments: appointments.length,
    checked_in_count: appointments.filter(({ queue }) => queue !== null).length,
    appointments,
  }
}

type Standing = ShownAppointment & { status: DashboardAppointment['status'] }

const isStanding = (appointment: ShownAppointment): appointment is Standing =>
  appointment.status !== 'cancelled' && appointment.status !== 'no_show'

/** Those that take place or have taken place, by slot. */
const standing = (day: Day): Standing[] =>
  [...day.appointments.values()]
    .map((appointment) => shown(day, appointment))
    .filter(isStanding)
    .sort((one, other) => one.slot - other.slot || one.createdAt - other.createdAt)

const QUEUE: Record<CheckIn['status'], 'waiting' | 'served' | 'skipped'> = {
  waiting: 'waiting',
  called: 'waiting',
  served: 'served',
  skipped: 'skipped',
  no_show: 'skipped',
}

const queueOf = (checkIn: CheckIn | undefined): DashboardAppointment['queue'] =>
  checkIn
    ? {
        position: checkIn.position,
        checked_in_at: iso(checkIn.checkedInAt),
        status: QUEUE[checkIn.status],
      }
    : null

/** The patients that a picture names. */
export const patientsOf = (days: DayOfDoctor[]): string[] => [
  ...new Set(days.flatMap(({ day }) => standing(day).map(({ patientId }) => patientId))),
]

/** What a picture was made from: two pictures of the same events have the same. */
export const stateOf = (days: DayOfDoctor[]): string =>
  sha256(JSON.stringify(days.map(({ log, day }) => [log, day.version]).sort()))

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0)
