import type { Ctx } from '../context'
import type { Known } from '../doctor-day/commands'
import { aliasesOf, type Person } from '../doctor-day/state/person'
import type { DayKey } from '../doctor-day/storage/address'
import { ERASING_MS } from '../erasures/model'
import { aliasesAmong, idsFound, joinMerged, type PersonRow, person } from '../merges/finding'
import { notFound } from '../problem'
import { CLAIMED, joinClaim } from '../recorder/claims'
import { kindOf, type Row } from '../recorder/kind'
import { type FoundService, requireOffered, type ServiceColumns, serviceIn, visitFor } from './offered'
import { ON_DATE_OF_SENT, type OnDate } from './on-date'
import type { DoctorTerms } from './terms'

/**
 * Who is meant, in one lot with other requests: a patient and a doctor of the clinic, and what D1 knows of
 * the doctor's day. A key is claimed only where all that are asked for are there.
 */

interface Found {
  /** Of the record in use. */
  patientId: string | null
  /** All ids of the patient, or of the one who has the appointment. */
  ids: string[]
  doctor: DoctorTerms | null
  known: Known | null
  /** Null where none is asked for. */
  service: FoundService | null
}

interface Queue extends Pick<Found, 'patientId' | 'doctor' | 'known'> {
  name: string | null
}

const isThere = (table: string, more = '') =>
  `(sent.${table} IS NULL
    OR EXISTS (SELECT 1 FROM ${table}s WHERE clinic_id = sent.clinic AND id = sent.${table}${more}))`

/** A patient who is being erased is found no more. */
const STAYS = ` AND NOT EXISTS (SELECT 1 FROM erasures e WHERE e.clinic_id = sent.clinic
  AND e.patient_id = sent.patient AND e.erased_at >= sent.at - ${ERASING_MS})`

const DOCTOR_AND_DAY = `doctors.id AS doctorId, doctors.capacity, capacity_by_hours AS capacityByHours,
  working_hours AS workingHours, doctors.retired_at AS retiredAt, days.version, days.head,
  ${ON_DATE_OF_SENT} AS onDate`

const ASKED_PATIENT = 'coalesce(sent.patient, appointments.patient_id)'

/** Of an appointment it finds by which ids its patient is known, where D1’s copy has it. */
type Ids = [
  patientId: string | null,
  doctorId: string | null,
  date: string | null,
  serviceId?: string | null,
  appointmentId?: string | null,
  /** No column, but for the Recorder: the key of the day, where doctor and date are not known. */
  day?: DayKey,
]

export const FIND = kindOf<Ids, Found>({
  name: 'find',
  columns: ['patient', 'doctor', 'date', 'service', 'appointment'],
  onlyReads: true,
  leads: ([patientId, doctorId, date, , appointmentId, day]) => ({
    ...{ patientId, doctorId, date, appointmentId, day },
  }),
  found: `${isThere('patient', STAYS)} AND ${isThere('doctor')} AND ${isThere('service')}`,
  statements: ({ sent }) => [
    `SELECT asked AS op, patients.id AS patientId, ${person(ASKED_PATIENT)}, ${DOCTOR_AND_DAY},
       services.id AS serviceId, services.slots AS serviceSlots, services.doctors AS serviceDoctors,
       services.retired_at AS serviceRetiredAt, ${CLAIMED}
     FROM ${sent} ${joinClaim}
       LEFT JOIN appointments ON appointments.id = sent.appointment AND +appointments.clinic_id = clinic
       LEFT JOIN services
         ON services.clinic_id = clinic AND services.id = coalesce(sent.service, appointments.service_id)
       LEFT JOIN patients ON patients.clinic_id = clinic AND patients.id = sent.patient${STAYS}
       ${joinMerged(ASKED_PATIENT)}
       LEFT JOIN doctors ON doctors.clinic_id = clinic AND doctors.id = sent.doctor
       LEFT JOIN days ON days.clinic_id = clinic AND days.doctor_id = sent.doctor AND days.date = sent.date`,
  ],
  result: ([found]) => foundIn(found?.[0] as FoundRow | undefined),
})

/** A doctor, the day, and the patient whose turn it was next when D1 copied the day. */
export const FIND_QUEUE = kindOf<[doctorId: string, date: string], Queue>({
  name: 'find_queue',
  columns: ['doctor', 'date'],
  onlyReads: true,
  found: isThere('doctor'),
  statements: ({ sent }) => [
    `SELECT asked AS op, days.next_patient AS patientId, patients.name, ${DOCTOR_AND_DAY}, ${CLAIMED}
     FROM ${sent} ${joinClaim}
       LEFT JOIN doctors ON doctors.clinic_id = clinic AND doctors.id = sent.doctor
       LEFT JOIN days ON days.clinic_id = clinic AND days.doctor_id = sent.doctor AND days.date = sent.date
       ${joinMerged('days.next_patient')}
       LEFT JOIN patients
         ON patients.id = coalesce(merged.survivor_id, days.next_patient) AND +patients.clinic_id = clinic`,
  ],
  result: ([found]) => {
    const row = found?.[0] as (FoundRow & { name: string | null }) | undefined
    return { ...foundIn(row), patientId: row?.patientId ?? null, name: row?.name ?? null }
  },
})

/** The doctor whom an appointment has in D1’s copy, and the day of that doctor on another date. */
export const FIND_NEW_DAY = kindOf<[appointmentId: string, date: string], Found>({
  name: 'find_new_day',
  columns: ['appointment', 'date'],
  onlyReads: true,
  leads: ([appointmentId, date]) => ({ appointmentId, date }),
  statements: ({ sent }) => [
    `SELECT asked AS op, NULL AS patientId, ${person('appointments.patient_id')}, ${DOCTOR_AND_DAY},
       ${CLAIMED}
     FROM ${sent} ${joinClaim}
       LEFT JOIN appointments ON appointments.id = sent.appointment AND +appointments.clinic_id = clinic
       ${joinMerged('appointments.patient_id')}
       LEFT JOIN doctors ON doctors.clinic_id = clinic AND doctors.id = appointments.doctor_id
       LEFT JOIN days ON days.clinic_id = clinic AND days.doctor_id = doctors.id AND days.date = sent.date`,
  ],
  result: ([found]) => foundIn(found?.[0] as FoundRow | undefined),
})

interface FoundRow extends Row, Partial<PersonRow>, ServiceColumns {
  patientId: string | null
  doctorId: string | null
  capacity: number
  capacityByHours: number
  workingHours: string | null
  retiredAt: number | null
  onDate: string
  version: number | null
  head: string | null
}

function foundIn(row: FoundRow | undefined): Found {
  if (!row) return { patientId: null, ids: [], doctor: null, known: null, service: null }
  const { patientId, doctorId: id, capacity, workingHours, version, head } = row
  const doctor =
    id === null
      ? null
      : {
          id,
          capacity,
          capacityByHours: row.capacityByHours === 1,
          workingHours: workingHours === null ? null : JSON.parse(workingHours),
          retiredAt: row.retiredAt,
          onDate: JSON.parse(row.onDate) as OnDate,
        }
  return {
    patientId: patientId && (row.survivor ?? null),
    ids: idsFound(row),
    doctor,
    known: version === null ? null : { version, head },
    service: serviceIn(row),
  }
}

/** Finds the doctor and claims the key. */
export async function findDoctor(ctx: Ctx, doctorId: string) {
  const { opId, claimedAt, result } = await ctx.once.record(FIND, null, doctorId, null)
  return { opId, claimedAt, doctor: required(result.doctor, 'Doctor') }
}

/** Finds the doctor, the service and what D1 knows of the day, and claims the key. */
export async function findDay(ctx: Ctx, doctorId: string, date: string, serviceId: string | null = null) {
  const { opId, claimedAt, result } = await ctx.once.record(FIND, null, doctorId, date, serviceId)
  const doctor = required(result.doctor, 'Doctor')
  return {
    opId,
    claimedAt,
    doctor,
    known: result.known,
    visit: visitFor(result.service, doctor.id, serviceId),
  }
}

/** As `findDay`, for an appointment, with the ids of its patient. Its doctor may be another one. */
export async function findOtherDay(ctx: Ctx, appointmentId: string, doctorId: string, date: string) {
  const { opId, result } = await ctx.once.record(FIND, null, doctorId, date, null, appointmentId)
  const doctor = required(result.doctor, 'Doctor')
  requireOffered(result.service?.doctors ?? null, doctorId)
  return { opId, doctor, known: result.known, aliases: aliasesAmong(result.ids) }
}

/** Finds the doctor of an appointment where D1’s copy has it, with the day, and claims the key. */
export async function findNewDay(ctx: Ctx, appointmentId: string, date: string) {
  const { opId, result } = await ctx.once.record(FIND_NEW_DAY, appointmentId, date)
  return { opId, doctor: result.doctor, known: result.known, aliases: aliasesAmong(result.ids) }
}

/** As `findDay`, with the patient whose turn it is next, as far as D1 knows. */
export async function findQueue(ctx: Ctx, doctorId: string, date: string) {
  const { opId, claimedAt, result } = await ctx.once.record(FIND_QUEUE, doctorId, date)
  const { known, patientId, name } = result
  const next = { patientId, name }
  return { opId, claimedAt, doctor: required(result.doctor, 'Doctor'), known, next }
}

/** Finds the patient, whom this day is to book, and claims the key. */
export async function findPatient(ctx: Ctx, wantedId: string, day: DayKey) {
  const { opId, result } = await ctx.once.record(FIND, wantedId, null, null, null, null, day)
  return { opId, patient: patientIn(result) }
}

/** The record in use, and the other ids. */
function patientIn({ patientId, ids }: Found): Person {
  const id = required(patientId, 'Patient')
  return { patientId: id, ...aliasesOf({ alsoKnownAs: ids.filter((other) => other !== id) }) }
}

/** Finds patient, doctor, service and what D1 knows of the day, and claims the key. */
export async function findPatientAndDay(
  ctx: Ctx,
  wanted: { patient_id: string; doctor_id: string; date: string; service_id?: string | undefined },
) {
  const { patient_id, doctor_id, date, service_id = null } = wanted
  const { opId, claimedAt, result } = await ctx.once.record(FIND, patient_id, doctor_id, date, service_id)
  const patient = patientIn(result)
  const doctor = required(result.doctor, 'Doctor')
  const visit = visitFor(result.service, doctor.id, service_id)
  return { opId, claimedAt, patient, doctor, known: result.known, visit }
}

function required<Thing>(thing: Thing | null, name: string): Thing {
  if (thing === null) throw notFound(name)
  return thing
}
