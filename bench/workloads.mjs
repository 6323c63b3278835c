import { randomUUID } from 'node:crypto'
import { CLINIC, PAGE_CLINIC, PAGE_ROWS, pageTestId } from './seed.mjs'
import { APPOINTMENTS, CHECK_INS, newKey } from './site.mjs'

/** Slots of an ordinary day of these workloads. */
const SLOTS = 10
const LONG_DAY_SLOTS = 30

/** Repeated reads and replays choose among this many. */
const READ_AMONG = 200
const REPLAYED_AMONG = 100

export const medicalTest = (n) => ({
  test_id: randomUUID(),
  patient_id: `P-${n}`,
  clinic_id: CLINIC,
  test_type: 'haemoglobin',
  result: '13.9 g/dL',
})

const event = (n) => ({
  event_type: 'appointment.updated',
  appointment_id: randomUUID(),
  patient_id: `P-${n}`,
  timestamp: '2026-01-11T09:00:00Z',
})

const booking = (idempotencyKey) => async (site, amount) => {
  const at = site.unusedDays(SLOTS, amount)
  return (number) => site.booking(at(number), idempotencyKey())
}

const checkingIn = (idempotencyKey) => async (site, amount) => {
  const appointments = await site.bookMany(LONG_DAY_SLOTS, amount)
  return (number) => site.checkIn(appointments[number], idempotencyKey())
}

const posting = (path, bodyOf, idempotencyKey) => async (site) => (number) =>
  site.post(path, bodyOf(number), idempotencyKey())

const noKey = () => undefined

const isBooked = ({ status, slot }) => status === 'booked' && slot >= 1 && slot <= SLOTS
const isArrived = ({ queue_position }) => queue_position >= 1 && queue_position <= LONG_DAY_SLOTS
const isStored = ({ status, test_id }) => status === 'success' && test_id.length > 0
const isAccepted = ({ status }) => status === 'accepted'
const isPage = (rows) =>
  rows.length === PAGE_ROWS &&
  rows.every((row, n) => row.test_id === pageTestId(n) && row.patient_id === `P-${n}`)

/**
 * `prepare` creates what a run of this many requests needs, and returns a function from a number to a
 * request. `isRight` checks a reply of the expected status. `wakes`: its days ring an alarm later, which
 * belongs to its cost. `isBillOnly`: costs are counted, but speed is not measured.
 */
export const WORKLOADS = [
  {
    name: 'book',
    title: 'Book, with a key',
    expected: 201,
    isRight: isBooked,
    wakes: true,
    prepare: booking(newKey),
  },
  {
    name: 'book-unkeyed',
    title: 'Book, without a key',
    expected: 201,
    isRight: isBooked,
    wakes: true,
    prepare: booking(noKey),
  },
  {
    name: 'book-first',
    title: 'Book the first slot of a day',
    expected: 201,
    isRight: isBooked,
    wakes: true,
    isBillOnly: true,
    prepare: bookingFirst,
  },
  {
    name: 'book-full',
    title: 'Book on a full day',
    expected: 409,
    isRight: ({ type }) => type.endsWith('/day_full'),
    prepare: bookingFull,
  },
  { name: 'replay', title: 'Replay a key', expected: 201, isRight: isBooked, prepare: replaying },
  {
    name: 'check-in',
    title: 'Check in',
    expected: 201,
    isRight: isArrived,
    wakes: true,
    prepare: checkingIn(noKey),
  },
  {
    name: 'check-in-keyed',
    title: 'Check in, with a key',
    expected: 201,
    isRight: isArrived,
    wakes: true,
    isBillOnly: true,
    prepare: checkingIn(newKey),
  },
  {
    name: 'call-next',
    title: 'Call the next patient',
    expected: 200,
    isRight: ({ status, room }) => status === 'called' && room === '1',
    wakes: true,
    prepare: callingNext,
  },
  { name: 'get', title: 'Get an appointment by id', expected: 200, isRight: isBooked, prepare: getting },
  {
    name: 'list-day',
    title: `List a day of ${SLOTS}`,
    expected: 200,
    isRight: (rows) => rows.length === SLOTS && rows.every(isBooked),
    prepare: listingDay,
  },
  {
    name: 'post-test',
    title: 'POST /tests',
    expected: 201,
    isRight: isStored,
    prepare: posting('/tests', medicalTest, noKey),
  },
  {
    name: 'post-test-keyed',
    title: 'POST /tests, with a key',
    expected: 201,
    isRight: isStored,
    prepare: posting('/tests', medicalTest, newKey),
  },
  {
    name: 'list-tests',
    title: `GET /tests, ${PAGE_ROWS} rows`,
    expected: 200,
    isRight: isPage,
    prepare: listingTests,
  },
  {
    name: 'webhook',
    title: 'Webhook event',
    expected: 200,
    isRight: isAccepted,
    prepare: posting('/webhook/appointments', event, noKey),
  },
  {
    name: 'webhook-keyed',
    title: 'Webhook event, with a key',
    expected: 200,
    isRight: isAccepted,
    isBillOnly: true,
    prepare: posting('/webhook/appointments', event, newKey),
  },
]

const storing = async () => (number) => ({
  method: 'POST',
  path: '/',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify(medicalTest(number)),
})

/** The most that a machine can do: no Worker is faster than these. `config`: a folder with its own config. */
export const LIMITS = [
  {
    name: 'bare',
    title: 'Bare Worker',
    expected: 200,
    prepare: async () => () => ({ method: 'GET', path: '/' }),
  },
  {
    name: 'one-insert',
    title: 'Bare Worker, one D1 insert',
    expected: 201,
    isRight: isStored,
    prepare: storing,
  },
  {
    name: 'one-object',
    title: 'Bare Worker, one row in one object',
    config: 'one-object',
    expected: 201,
    isRight: isStored,
    prepare: storing,
  },
  {
    name: 'one-list',
    title: `Bare Worker, ${PAGE_ROWS} rows from D1`,
    expected: 200,
    isRight: isPage,
    prepare: async () => () => ({ method: 'GET', path: `/?clinic_id=${PAGE_CLINIC}` }),
  },
]

async function bookingFirst(site, amount) {
  const at = site.unusedDays(SLOTS, amount, 1)
  return (number) => site.booking(at(number), newKey())
}

async function bookingFull(site) {
  const [{ doctor_id }] = await site.bookMany(SLOTS, SLOTS)
  return (number) => site.booking({ doctor: doctor_id, day: 0, n: SLOTS + (number % READ_AMONG) })
}

async function replaying(site, amount) {
  const among = Math.min(amount, REPLAYED_AMONG)
  const at = site.unusedDays(SLOTS, among)
  const requests = Array.from({ length: among }, (_, n) => site.booking(at(n), newKey()))
  await site.ask({ amount: among, request: (number) => requests[number], expected: 201 })
  return (number) => requests[number % among]
}

async function callingNext(site, amount) {
  const doctorOf = await site.addWalkIns(LONG_DAY_SLOTS, amount)
  return (number) => site.post(`${CHECK_INS}/doctors/${doctorOf(number)}/queue/next`, { room: '1' })
}

async function getting(site, amount) {
  const appointments = await site.bookMany(SLOTS, Math.min(amount, READ_AMONG))
  return (number) => site.get(`${APPOINTMENTS}/${appointments[number % appointments.length].id}`)
}

async function listingDay(site, amount) {
  const days = Math.ceil(Math.min(amount, READ_AMONG) / SLOTS)
  const appointments = await site.bookMany(SLOTS, days * SLOTS)
  const doctors = [...new Set(appointments.map((appointment) => appointment.doctor_id))]
  return (number) =>
    site.get(`${APPOINTMENTS}/doctors/${doctors[number % doctors.length]}/appointments?date=${site.date}`)
}

async function listingTests(site) {
  return () => site.get(`/tests?clinic_id=${PAGE_CLINIC}&limit=${PAGE_ROWS}`)
}
