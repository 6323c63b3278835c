import { ask } from '../load.mjs'
import { APPOINTMENTS, CHECK_INS } from '../site.mjs'
import { LONG_DAY_SLOTS } from './desk.mjs'
import { WORKLOADS } from './workloads.mjs'

/**
 * What clinics ask all at once, in hundredths: 40 reads, 30 bookings and check-ins, 30 records and events. Each
 * is answered by the peer that does it best.
 */
export const MIX = [
  { name: 'list', title: 'GET /tests, 1,000 rows', share: 20, peer: 'peer-list-tuned' },
  { name: 'queue', title: "A doctor's queue", share: 20, peer: 'peer-book' },
  { name: 'book', title: 'Book, without a key', share: 20, peer: 'peer-book' },
  { name: 'check-in', title: 'Check in', share: 10, peer: 'peer-book' },
  { name: 'record', title: 'POST /tests', share: 15, peer: 'peer-tests-tuned' },
  { name: 'event', title: 'Webhook event', share: 15, peer: 'peer-webhook-tuned' },
]

/** More requests of a kind than chance gives to a run of `amount`. */
const mostOf = (wanted, amount) =>
  Math.ceil((amount * 2 * MIX.find(({ name }) => name === wanted).share) / 100)

const workload = (name) => WORKLOADS.find((each) => each.name === name)

/** Of each kind in a run to the service, by many clinics: a request for each number, and the answer's status. */
export async function mixOf(server, amount) {
  const { many: site } = server.site
  const booked = await site.bookMany(LONG_DAY_SLOTS, mostOf('check-in', amount))
  const prepared = async ({ expected, prepare }, most) => ({
    server,
    expected,
    request: await prepare(site, most),
  })
  const queue = ({ clinic, doctor_id: doctor }) =>
    site.clinic(clinic).get(`${CHECK_INS}/doctors/${doctor}/queue?date=${site.date}`)
  return {
    list: await prepared(workload('list-tests')),
    queue: { server, expected: 200, request: (number) => queue(booked[number % booked.length]) },
    book: await prepared(workload('book-in-turn'), mostOf('book', amount)),
    'check-in': { server, expected: 201, request: (number) => site.checkIn(booked[number]) },
    record: await prepared(workload('post-test')),
    event: await prepared(workload('webhook')),
  }
}

/** What the booking peer has. */
const PEER = { slots: 10, doctors: 200 }

/** The same for the peers, which are a workload and a server each, by name. Each run books other slots of today. */
export async function mixOfPeers(peers, amount, run) {
  const of = (wanted) => peers[MIX.find(({ name }) => name === wanted).peer]
  const prepared = async (name) => {
    const { workload, server } = of(name)
    return {
      server,
      expected: workload.expected,
      request: await workload.prepare(server.site, mostOf(name, amount)),
    }
  }
  const { server } = of('book')
  const { get, post } = server.site
  const date = new Date().toLocaleDateString('sv')
  const count = mostOf('check-in', amount)
  const booking = (number) => {
    const doctor = 1 + ((run * count + number) % PEER.doctors)
    return post(APPOINTMENTS, { patient_id: `p${number}`, doctor_id: `d${doctor}`, date })
  }
  if ((run + 1) * count > PEER.slots * PEER.doctors)
    throw new Error('The booking peer has too few slots for so many rounds or seconds.')
  const { bodies } = await ask(server.url, { amount: count, request: booking, expected: 201 })
  const booked = bodies.map((body) => JSON.parse(body))
  const checkIn = ({ id, patient_id }) => post(CHECK_INS, { appointment_id: id, patient_id })
  const queue = ({ doctor_id: doctor }) => get(`${CHECK_INS}/doctors/${doctor}/queue?date=${date}`)
  return {
    list: await prepared('list'),
    queue: { server, expected: 200, request: (number) => queue(booked[number % count]) },
    book: await prepared('book'),
    'check-in': { server, expected: 201, request: (number) => checkIn(booked[number]) },
    record: await prepared('record'),
    event: await prepared('event'),
  }
}
