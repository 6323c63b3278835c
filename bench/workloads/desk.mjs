import { APPOINTMENTS, CHECK_INS, newKey } from '../site.mjs'

/** Slots of an ordinary day of these workloads. */
export const SLOTS = 10
export const LONG_DAY_SLOTS = 30

/** Repeated reads and replays choose among this many. */
const READ_AMONG = 200
const REPLAYED_AMONG = 100

export const noKey = () => undefined

const booking = (idempotencyKey) => async (site, amount, perDay) => {
  const at = site.unusedDays(SLOTS, amount, perDay)
  return (number) => site.booking(at(number), idempotencyKey())
}

/** Appointments of today, and a request about each. */
const withAppointments = (requestFor) => async (site, amount, perDay) => {
  const at = site.unusedDays(LONG_DAY_SLOTS, amount, perDay)
  const appointments = await site.bookMany(LONG_DAY_SLOTS, amount, at)
  return (number) => requestFor(site, appointments[number])
}

const checkingIn = (idempotencyKey) =>
  withAppointments((site, appointment) => site.checkIn(appointment, idempotencyKey()))

const cancelling = (idempotencyKey) =>
  withAppointments((site, { id, clinic }) =>
    site.clinic(clinic).post(`${APPOINTMENTS}/${id}/cancel`, {}, idempotencyKey()),
  )

const callingNext = (idempotencyKey) => async (site, amount, perDay) => {
  const at = await site.addWalkIns(amount, site.unusedDays(LONG_DAY_SLOTS, amount, perDay))
  return (number) => nextOf(site, at(number), idempotencyKey())
}

const nextOf = (site, { clinic, doctor }, idempotencyKey) =>
  site.clinic(clinic).post(`${CHECK_INS}/doctors/${doctor}/queue/next`, { room: '1' }, idempotencyKey)

export const isBooked = ({ status, slot }) => status === 'booked' && slot >= 1 && slot <= SLOTS
const isArrived = ({ queue_position }) => queue_position >= 1 && queue_position <= LONG_DAY_SLOTS
const isCalled = ({ status, room }) => status === 'called' && room === '1'
const isCancelled = ({ status }) => status === 'cancelled'

/** What the front desk does; workloads.mjs says what the fields mean. */
export const DESK = [
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
    prepare: (site, amount) => booking(newKey)(site, amount, 1),
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
    isForMany: true,
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
    isRight: isCalled,
    wakes: true,
    isForMany: true,
    prepare: callingNext(noKey),
  },
  {
    name: 'call-next-keyed',
    title: 'Call the next patient, with a key',
    expected: 200,
    isRight: isCalled,
    wakes: true,
    isBillOnly: true,
    prepare: callingNext(newKey),
  },
  {
    name: 'step-keyed',
    title: 'Serve a patient, with a key',
    expected: 200,
    isRight: ({ status }) => status === 'served',
    wakes: true,
    isBillOnly: true,
    prepare: serving,
  },
  {
    name: 'cancel',
    title: 'Cancel',
    expected: 200,
    isRight: isCancelled,
    wakes: true,
    isForMany: true,
    prepare: cancelling(noKey),
  },
  {
    name: 'cancel-keyed',
    title: 'Cancel, with a key',
    expected: 200,
    isRight: isCancelled,
    wakes: true,
    isBillOnly: true,
    prepare: cancelling(newKey),
  },
  { name: 'get', title: 'Get an appointment by id', expected: 200, isRight: isBooked, prepare: getting },
  {
    name: 'list-day',
    title: `List a day of ${SLOTS}`,
    expected: 200,
    isRight: (rows) => rows.length === SLOTS && rows.every(isBooked),
    prepare: listingDay,
  },
]

async function bookingFull(site) {
  const [{ doctor_id }] = await site.bookMany(SLOTS, SLOTS)
  return (number) => site.booking({ clinic: 0, doctor: doctor_id, day: 0, n: SLOTS + (number % READ_AMONG) })
}

async function replaying(site, amount) {
  const among = Math.min(amount, REPLAYED_AMONG)
  const at = site.unusedDays(SLOTS, among)
  const requests = Array.from({ length: among }, (_, n) => site.booking(at(n), newKey()))
  await site.ask({ amount: among, request: (number) => requests[number], expected: 201 })
  return (number) => requests[number % among]
}

/** Serves patients who have been called. */
async function serving(site, amount, perDay) {
  const at = await site.addWalkIns(amount, site.unusedDays(LONG_DAY_SLOTS, amount, perDay))
  const request = (number) => nextOf(site, at(number))
  const { bodies } = await site.ask({ amount, request, expected: 200 })
  return (number) => {
    const { appointment_id: id } = JSON.parse(bodies[number])
    return site.clinic(at(number).clinic).post(`${CHECK_INS}/${id}/serve`, {}, newKey())
  }
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
