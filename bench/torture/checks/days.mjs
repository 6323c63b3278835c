import { checkLedger } from '../load/doctors.mjs'
import { tally } from './facts.mjs'

/** Checks each day by itself: its log, its ledger, its slots, its queue. */
export function checkDays(world, { days }) {
  checkFollowed(world, days)
  for (const day of days) {
    const { name, ledger, verdict, events } = day
    if (!verdict.ok) world.breaks('every log verifies', `${name}: ${JSON.stringify(verdict)}`)
    if (verdict.count !== events.length || ledger.version !== events.length)
      world.breaks(
        'every log verifies',
        `${name}: ${events.length} events, ${ledger.version}, ${verdict.count}`,
      )
    checkLedger(world, name, ledger)
    if (ledger.held > 0) world.breaks('holds expire and moves end', `${name}: ${ledger.held} held`)
    checkSlots(world, day)
    checkPositions(world, day)
    checkOffers(world, day)
  }
}

/** Each event that a follower received is in the day's log. */
function checkFollowed(world, days) {
  const logs = new Map(days.map(({ clinic, name, events }) => [`${clinic.id} ${name}`, events]))
  const heard = [
    ...world
      .all('followed day')
      .flatMap(({ clinic, day, messages }) => messages.map((message) => ({ clinic, day, ...message }))),
    ...world.all('followed clinic').flatMap(({ clinic, heard }) => heard.map((one) => ({ clinic, ...one }))),
  ]
  for (const { clinic, day, seq, event } of heard) {
    const type = logs.get(`${clinic.id} ${day}`)?.[seq - 1]?.type
    if (type !== event) world.breaks('each event is sent once', `${day} ${seq}: ${event}, but it is ${type}`)
  }
}

/** The ledger and the list give each slot to the same appointment. */
function checkSlots(world, { name, ledger, listed }) {
  const booked = listed.filter(({ status }) => status !== 'no_show')
  const [bySlot, byList] = [
    ledger.slots.filter(({ state }) => state === 'booked'),
    booked.map(({ id, slot }) => ({ id, slot })),
  ].map((list) => list.map(({ id, slot }) => `${slot} ${id}`).sort())
  if (bySlot.join() !== byList.join())
    world.breaks('a slot is given once', `${name}: slots ${bySlot.join()}, listed ${byList.join()}`)
}

/** Each arrival gets the next position, and those that were not undone are in the queue. */
function checkPositions(world, { name, queue, events }) {
  const of = (wanted) => events.flatMap(({ type, data }) => (type === wanted ? [data.position] : []))
  const [given, undone] = [of('checked_in'), new Set(of('unchecked_in'))]
  const expected = given.filter((position) => !undone.has(position))
  const found = queue.map(({ position }) => position)
  if (given.some((position, n) => position !== n + 1) || found.join() !== expected.join())
    world.breaks('positions count 1, 2, 3', `${name}: ${given.join()}, in the queue ${found.join()}`)
}

/** Far longer than an alarm may be late here, and shorter than the time between load and checks. */
const OVERDUE_MS = 2_500

/** An expired offer goes to the next patient, so some offers may be open, but none after its deadline. */
function checkOffers(world, { name, ledger, events }) {
  const offers = events.flatMap(({ type, data }) =>
    type === 'offered' ? [[data.wait_id, data.deadline]] : [],
  )
  const deadlines = new Map(offers)
  for (const { state, id } of ledger.slots)
    if (state === 'offered' && !(deadlines.get(id) > Date.now() - OVERDUE_MS))
      world.breaks('offers expire', `${name}: ${id}, due at ${deadlines.get(id)}`)
}

/** Compares D1's copy with the days themselves. */
export function checkCopy(world, { days, copy }) {
  const lines = (list, line) => list.map(line).sort()
  const compare = (what, expected, found) => {
    const [missing, surplus] = [expected.filter(isNotIn(found)), found.filter(isNotIn(expected))]
    for (const line of missing) world.breaks('the copy equals every day', `${what} not in D1: ${line}`)
    for (const line of surplus) world.breaks('the copy equals every day', `${what} only in D1: ${line}`)
  }
  compare(
    'appointment',
    lines(
      days.flatMap((day) => day.listed),
      ({ id, doctor_id, patient_id, date, slot, status }) =>
        [id, doctor_id, patient_id, date, slot, status].join(' '),
    ),
    lines(
      copy.appointments.filter(({ status }) => status !== 'cancelled'),
      ({ id, doctor_id, patient_id, date, slot, status }) =>
        [id, doctor_id, patient_id, date, slot, status].join(' '),
    ),
  )
  const lineOf = ({ appointment_id, doctor_id, position, status }) =>
    [appointment_id, doctor_id, position, status].join(' ')
  const undone = days.flatMap(({ doctor: doctor_id, events }) =>
    events.flatMap(({ type, data }) =>
      type === 'unchecked_in' ? [{ ...data, doctor_id, status: 'undone' }] : [],
    ),
  )
  compare(
    'check-in',
    lines([...days.flatMap((day) => day.queue), ...undone], lineOf),
    lines(copy.checkIns, lineOf),
  )
  compare(
    'day',
    lines(
      days.filter(({ ledger }) => ledger.version > 0),
      ({ name, isPresent, ledger: { capacity, over, closed, remaining, version } }) =>
        [name, isPresent, capacity, capacity - over - closed - remaining, version].join(' '),
    ),
    lines(copy.days, ({ doctor_id, date, is_present, capacity, taken, version }) =>
      [doctor_id, date, is_present === 1, capacity, taken, version].join(' '),
    ),
  )
}

function isNotIn(list) {
  const counts = tally(list)
  return (line) => !counts.has(line)
}
