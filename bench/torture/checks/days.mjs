import { sums } from '../load/doctors.mjs'
import { tally } from './facts.mjs'

/** Each day by itself: its log, its numbers, its slots, its queue. */
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
    sums(world, name, ledger)
    if (ledger.held > 0) world.breaks('holds lapse and moves end', `${name}: ${ledger.held} held`)
    checkSlots(world, day)
    checkPositions(world, day)
    checkOffers(world, day)
  }
}

/** Whoever followed a day was told what stands in its log, and nothing that was undone. */
function checkFollowed(world, days) {
  const logs = new Map(days.map(({ clinic, name, events }) => [`${clinic.id} ${name}`, events]))
  for (const { clinic, day, messages } of world.all('followed day'))
    for (const { seq, event } of messages) {
      const type = logs.get(`${clinic.id} ${day}`)?.[seq - 1]?.type
      if (type !== event)
        world.breaks('each event is heard once', `${day} ${seq}: ${event}, but it is ${type}`)
    }
}

/** Who has a slot by the ledger is who is listed with it. */
function checkSlots(world, { name, ledger, listed }) {
  const standing = listed.filter(({ status }) => status === 'booked')
  const [bySlot, byList] = [
    ledger.slots.filter(({ state }) => state === 'booked'),
    standing.map(({ id, slot }) => ({ id, slot })),
  ].map((list) => list.map(({ id, slot }) => `${slot} ${id}`).sort())
  if (bySlot.join() !== byList.join())
    world.breaks('a slot is given once', `${name}: slots ${bySlot.join()}, listed ${byList.join()}`)
}

function checkPositions(world, { name, queue }) {
  const positions = queue.map(({ position }) => position)
  if (positions.some((position, n) => position !== n + 1))
    world.breaks('positions count 1, 2, 3', `${name}: ${positions.join()}`)
}

/** Far longer than an alarm may be late here, and shorter than what passes between load and checks. */
const OVERDUE_MS = 2_500

/** Where one has lapsed the next in line has one, so some may be open; none for longer than it is good. */
function checkOffers(world, { name, ledger, events }) {
  const offers = events.flatMap(({ type, data }) =>
    type === 'offered' ? [[data.wait_id, data.deadline]] : [],
  )
  const deadlines = new Map(offers)
  for (const { state, id } of ledger.slots)
    if (state === 'offered' && !(deadlines.get(id) > Date.now() - OVERDUE_MS))
      world.breaks('offers lapse', `${name}: ${id}, due at ${deadlines.get(id)}`)
}

/** D1's copy against what the days say themselves. */
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
  compare(
    'check-in',
    lines(
      days.flatMap((day) => day.queue),
      ({ appointment_id, doctor_id, position, status }) =>
        [appointment_id, doctor_id, position, status].join(' '),
    ),
    lines(copy.checkIns, ({ appointment_id, doctor_id, position, status }) =>
      [appointment_id, doctor_id, position, status].join(' '),
    ),
  )
  compare(
    'day',
    lines(
      days.filter(({ ledger }) => ledger.version > 0),
      ({ name, ledger: { is_present, capacity, remaining, version } }) =>
        [name, is_present, capacity, capacity - remaining, version].join(' '),
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
