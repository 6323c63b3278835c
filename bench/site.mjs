import { randomUUID } from 'node:crypto'
import { ask } from './load.mjs'
import { PATIENTS, today } from './seed.mjs'

const APPOINTMENTS = '/api/v1/appointments'
const CHECK_INS = '/api/v1/checkins'

/**
 * A running service with the seeded clinic: its requests, and the doctors that are still unused. `doctors`
 * is their number by capacity.
 */
export function siteOf({ url, key, doctors }) {
  const date = today()
  const authorization = { Authorization: `Bearer ${key}` }
  const taken = {}

  /** Doctors whose day is unused. */
  function takeDoctors(capacity, count) {
    const from = taken[capacity] ?? 0
    taken[capacity] = from + count
    if (taken[capacity] > doctors[capacity])
      throw new Error(`There are fewer than ${taken[capacity]} doctors with ${capacity} slots`)
    return Array.from({ length: count }, (_, n) => `d${capacity}-${String(from + n).padStart(6, '0')}`)
  }

  const get = (path) => ({ method: 'GET', path, headers: authorization })

  const post = (path, body, idempotencyKey) => ({
    method: 'POST',
    path,
    headers: {
      ...authorization,
      'Content-Type': 'application/json',
      ...(idempotencyKey && { 'Idempotency-Key': idempotencyKey }),
    },
    body: JSON.stringify(body),
  })

  /** No patient occurs twice on a day, and neighbouring days have different patients. */
  const patient = (day, n) => `p-${String((day * 1_000 + n) % PATIENTS).padStart(7, '0')}`

  const booking = ({ doctor, day, n }, idempotencyKey) =>
    post(APPOINTMENTS, { patient_id: patient(day, n), doctor_id: doctor, date }, idempotencyKey)

  /**
   * Unused days for this many appointments, `perDay` on each. Neighbouring numbers are on different days: the
   * first appointment of each day comes first, then the second of each.
   */
  function unusedDays(capacity, amount, perDay = capacity) {
    const chosen = takeDoctors(capacity, Math.ceil(amount / perDay))
    return (number) => {
      const day = number % chosen.length
      return { doctor: chosen[day], day, n: Math.floor(number / chosen.length) }
    }
  }

  /** Books this many appointments of today, in the order of these days. */
  async function bookMany(capacity, amount, at = unusedDays(capacity, amount)) {
    const request = (number) => booking(at(number))
    const { bodies } = await ask(url, { amount, request, expected: 201 })
    return bodies.map((body) => JSON.parse(body))
  }

  /** Checks in this many walk-ins, and returns the doctor of each. */
  async function addWalkIns(capacity, amount) {
    const at = unusedDays(capacity, amount)
    const request = (number) =>
      post(`${CHECK_INS}/walk-in`, {
        patient_id: patient(at(number).day, at(number).n),
        doctor_id: at(number).doctor,
      })
    await ask(url, { amount, request, expected: 201 })
    return (number) => at(number).doctor
  }

  const checkIn = ({ id, patient_id }, idempotencyKey) =>
    post(CHECK_INS, { appointment_id: id, patient_id }, idempotencyKey)

  const checkInAll = (appointments) =>
    ask(url, { amount: appointments.length, request: (n) => checkIn(appointments[n]), expected: 201 })

  return {
    url,
    key,
    date,
    get,
    post,
    ask: (wanted) => ask(url, wanted),
    unusedDays,
    booking,
    bookMany,
    addWalkIns,
    checkIn,
    checkInAll,
  }
}

export const newKey = () => randomUUID()
export { APPOINTMENTS, CHECK_INS }
