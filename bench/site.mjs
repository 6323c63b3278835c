import { randomUUID } from 'node:crypto'
import { ask } from './load.mjs'
import { PATIENTS, today } from './seed.mjs'

const APPOINTMENTS = '/api/v1/appointments'
const CHECK_INS = '/api/v1/checkins'

/**
 * A running service with the seeded clinic: how to speak to it, and whom nobody has used yet. `doctors` says
 * how many it has of each capacity.
 */
export function siteOf({ url, key, doctors }) {
  const date = today()
  const authorization = { Authorization: `Bearer ${key}` }
  const taken = {}

  /** Doctors whose day is untouched. */
  function doctorsFor(capacity, count) {
    const from = taken[capacity] ?? 0
    taken[capacity] = from + count
    if (taken[capacity] > doctors[capacity])
      throw new Error(`There are no ${taken[capacity]} doctors with ${capacity} slots`)
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

  /** The n-th patient of a day is another on each day beside it, and nobody comes twice on one. */
  const patient = (day, n) => `p-${String((day * 1_000 + n) % PATIENTS).padStart(7, '0')}`

  const booking = ({ doctor, day, n }, idempotencyKey) =>
    post(APPOINTMENTS, { patient_id: patient(day, n), doctor_id: doctor, date }, idempotencyKey)

  /**
   * Fresh days for so many appointments, `perDay` on each. Neighbouring numbers are on different days: first
   * comes the first appointment of each day, then the second of each.
   */
  function days(capacity, amount, perDay = capacity) {
    const chosen = doctorsFor(capacity, Math.ceil(amount / perDay))
    return (number) => {
      const day = number % chosen.length
      return { doctor: chosen[day], day, n: Math.floor(number / chosen.length) }
    }
  }

  /** Appointments of today, the first so many of these days. */
  async function booked(capacity, amount, at = days(capacity, amount)) {
    const request = (number) => booking(at(number))
    const { bodies } = await ask(url, { amount, request, expected: 201 })
    return bodies.map((body) => JSON.parse(body))
  }

  /** Doctors for whom so many patients wait, each as often as somebody does. */
  async function arrived(capacity, amount) {
    const at = days(capacity, amount)
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

  const arrive = (appointments) =>
    ask(url, { amount: appointments.length, request: (n) => checkIn(appointments[n]), expected: 201 })

  return {
    url,
    key,
    date,
    get,
    post,
    ask: (wanted) => ask(url, wanted),
    days,
    booking,
    booked,
    arrived,
    checkIn,
    arrive,
  }
}

export const newKey = () => randomUUID()
export { APPOINTMENTS, CHECK_INS }
