import { randomUUID } from 'node:crypto'
import { ask } from './load.mjs'
import {
  CLINIC,
  clinicId,
  PAGE_CLINIC,
  PATIENTS,
  PATIENTS_OF_CLINIC,
  TURN_DOCTORS,
  today,
  turnDoctorId,
} from './seed.mjs'
import { turns } from './workloads/turns.mjs'

const APPOINTMENTS = '/api/v1/appointments'
const CHECK_INS = '/api/v1/checkins'

/**
 * A running service with the seeded clinic: its requests, and the doctors that are still unused. `doctors` is
 * their number by capacity. `many` is the same service for requests that rotate over many clinics.
 */
export function siteOf({ url, key, doctors, keys, clinics }) {
  const small = keys.map((each, n) => clinicOf(clinicId(n), each))
  return {
    ...siteFor({ url, clinics: [clinicOf(CLINIC, key)], ...ofOneClinic(doctors) }),
    key,
    pageClinic: PAGE_CLINIC,
    many: siteFor({ url, clinics: small, ...ofManyClinics(clinics) }),
  }
}

/** For servers that know no clinics. */
export const bareSite = (url) => ({ url, takeTurns: turns(TURN_DOCTORS), get, post })

function clinicOf(id, key) {
  const headers = { Authorization: `Bearer ${key}` }
  return {
    id,
    get: (path) => get(path, headers),
    post: (path, body, idempotencyKey) => post(path, body, idempotencyKey, headers),
  }
}

const get = (path, headers = {}) => ({ method: 'GET', path, headers })

const post = (path, body, idempotencyKey, headers = {}) => ({
  method: 'POST',
  path,
  headers: {
    ...headers,
    'Content-Type': 'application/json',
    ...(idempotencyKey && { 'Idempotency-Key': idempotencyKey }),
  },
  body: JSON.stringify(body),
})

/** `day` counts the days; a day takes no patient twice, and neighbouring days have different patients. */
function ofOneClinic(doctors) {
  const taken = {}
  return {
    /** Doctors whose day is unused. */
    takeDays(capacity, amount, perDay) {
      const [from, count] = [taken[capacity] ?? 0, Math.ceil(amount / perDay)]
      taken[capacity] = from + count
      requireEnough(taken[capacity], doctors[capacity], capacity)
      return Array.from({ length: count }, (_, day) => ({
        clinic: 0,
        day,
        doctor: `d${capacity}-${String(from + day).padStart(6, '0')}`,
      }))
    },
    patient: ({ day, n }) => `p-${padded((day * 1_000 + n) % PATIENTS)}`,
    turn: ({ number, doctor }) => ({
      clinic: 0,
      doctor: turnDoctorId(doctor),
      patient: `p-${padded((number * 7) % TURN_PATIENTS)}`,
    }),
  }
}

/** So many patients rotate over the days that are booked in turn. */
const TURN_PATIENTS = 5_000

/** Each clinic has one day before one of them has two. */
function ofManyClinics({ count: clinics, doctors }) {
  let taken = 0
  return {
    takeDays(capacity, amount, perDay) {
      const count = Math.max(
        Math.ceil(amount / Math.min(perDay, PATIENTS_OF_CLINIC)),
        Math.min(amount, clinics),
      )
      const from = taken
      taken += Math.ceil(count / clinics)
      requireEnough(taken, doctors, capacity)
      return Array.from({ length: count }, (_, day) => {
        const number = String(from + Math.floor(day / clinics)).padStart(6, '0')
        return {
          clinic: day % clinics,
          day,
          doctor: `${clinicId(day % clinics)}-d${capacity}-${number}`,
        }
      })
    },
    patient: ({ clinic, n }) => patientOfClinic(clinic, n),
    turn({ number, doctor }) {
      const clinic = doctor % clinics
      const patient = patientOfClinic(clinic, Math.floor(number / clinics))
      return { clinic, doctor: turnDoctorId(0, clinicId(clinic)), patient }
    },
    turnDoctors: clinics,
  }
}

const padded = (n) => String(n).padStart(7, '0')
const patientOfClinic = (clinic, n) => `${clinicId(clinic)}-p-${padded(n % PATIENTS_OF_CLINIC)}`

function requireEnough(wanted, doctors, capacity) {
  if (wanted > doctors) throw new Error(`There are fewer than ${wanted} doctors with ${capacity} slots`)
}

function siteFor({ url, clinics, takeDays, patient, turn, turnDoctors = TURN_DOCTORS }) {
  const date = today()
  const takeTurns = turns(turnDoctors)
  const clinic = (n) => clinics[n % clinics.length]
  const { get, post } = clinic(0)

  const booking = (at, idempotencyKey) =>
    clinic(at.clinic).post(
      APPOINTMENTS,
      { patient_id: patient(at), doctor_id: at.doctor, date },
      idempotencyKey,
    )

  /**
   * Unused days for this many appointments, `perDay` on each. Neighbouring numbers are on different days: the
   * first appointment of each day comes first, then the second of each.
   */
  function unusedDays(capacity, amount, perDay = capacity) {
    const chosen = takeDays(capacity, amount, perDay)
    return (number) => ({ ...chosen[number % chosen.length], n: Math.floor(number / chosen.length) })
  }

  /** Books this many appointments of today, in the order of these days. */
  async function bookMany(capacity, amount, at = unusedDays(capacity, amount)) {
    const request = (number) => booking(at(number))
    const { bodies } = await ask(url, { amount, request, expected: 201 })
    return bodies.map((body, number) => ({ ...JSON.parse(body), clinic: at(number).clinic }))
  }

  /** Checks in this many walk-ins, and returns the day of each. */
  async function addWalkIns(amount, at) {
    const request = (number) => {
      const day = at(number)
      const body = { patient_id: patient(day), doctor_id: day.doctor }
      return clinic(day.clinic).post(`${CHECK_INS}/walk-in`, body)
    }
    await ask(url, { amount, request, expected: 201 })
    return at
  }

  const checkIn = ({ id, patient_id, clinic: n }, idempotencyKey) =>
    clinic(n).post(CHECK_INS, { appointment_id: id, patient_id }, idempotencyKey)

  const checkInAll = (appointments) =>
    ask(url, { amount: appointments.length, request: (n) => checkIn(appointments[n]), expected: 201 })

  /** Bookings in turn; a later run goes on where an earlier one ended. `fieldsOf` adds fields to a body. */
  function bookingsInTurn(amount, fieldsOf = () => ({})) {
    const at = takeTurns(amount)
    return (number) => {
      const { clinic: n, doctor, patient: patientId } = turn(at(number))
      const body = { patient_id: patientId, doctor_id: doctor, date: at(number).date, ...fieldsOf(number) }
      return clinic(n).post(APPOINTMENTS, body)
    }
  }

  return {
    url,
    date,
    get,
    post,
    clinic,
    ask: (wanted) => ask(url, wanted),
    unusedDays,
    booking,
    bookMany,
    bookingsInTurn,
    addWalkIns,
    checkIn,
    checkInAll,
  }
}

export const newKey = () => randomUUID()
export { APPOINTMENTS, CHECK_INS }
