import { dayName } from '../world.mjs'
import { tally } from './facts.mjs'

// Follows each visit through the logs of all days: wherever a desk, an absence or a leave has moved it, it is
// once somewhere, and no rule of a day has lost sight of a patient.

export function checkVisits(world, { days, events }) {
  checkMoves(world, events)
  checkPlaces(world, days, events)
  checkAloneAmong(world, days)
}

/** Each move has left one day, and has arrived on the other day, once. */
function checkMoves(world, events) {
  const of = (wanted) => events.filter(({ type }) => type === wanted)
  const nameOf = ({ clinic, move_id }, day) => `${clinic.id} ${move_id} to ${day}`
  const left = tally(
    of('moved_out').map((event) =>
      nameOf(event, dayName({ doctor: event.to.doctor_id, date: event.to.date })),
    ),
  )
  const arrived = tally(of('moved_in').map((event) => nameOf(event, event.day)))
  for (const move of new Set([...left.keys(), ...arrived.keys()]))
    if (left.get(move) !== 1 || arrived.get(move) !== 1)
      world.breaks(
        'a move has two ends',
        `${move}: ${left.get(move) ?? 0} times left, ${arrived.get(move) ?? 0} times arrived`,
      )
}

const COMES = ['booked', 'moved_in']
const GOES = ['moved_out', 'cancelled']

/** A visit is on the one day to which it came and which it has not left, and that day lists it. */
function checkPlaces(world, days, events) {
  const stays = new Map()
  for (const { type, clinic, appointment_id: id, day } of events) {
    const change = Number(COMES.includes(type)) - Number(GOES.includes(type))
    const name = `${clinic.id} ${id} ${day}`
    if (change !== 0) stays.set(name, (stays.get(name) ?? 0) + change)
  }
  const listed = new Set(
    days.flatMap(({ clinic, name, listed }) => listed.map(({ id }) => `${clinic.id} ${id} ${name}`)),
  )
  for (const [name, count] of stays)
    if (count !== Number(listed.has(name)))
      world.breaks('each visit is once somewhere', `${name}: ${count} by the log, ${listed.has(name)}`)
  for (const name of listed)
    if (!stays.has(name)) world.breaks('each visit is once somewhere', `${name} never came to that day`)
}

/**
 * Whoever was booked without `allow_another`, or has accepted an offer, had no other visit on that day, by any
 * of the ids that the person had then.
 */
function checkAloneAmong(world, days) {
  const booked = new Map(world.all('appointment').map((one) => [`${one.clinic.id} ${one.id}`, one]))
  for (const { clinic, name, events } of days) {
    const active = new Map()
    for (const { type, data } of events) {
      const { appointment_id: id, patient_id: patient, move_id: move } = data
      const { aloneAmong: ids } = (type === 'booked' && booked.get(`${clinic.id} ${id}`)) || {}
      const other = ids && [...active].find(([, one]) => ids.includes(one))
      if (other) world.breaks('one appointment a day', `${name}: ${id} of ${ids.join()} beside ${other}`)
      if (type === 'booked' || type === 'reserved') active.set(move ?? id, patient)
      else if (type === 'moved_in') active.set(id, active.get(move))
      else if (['moved_out', 'cancelled', 'no_show'].includes(type)) active.delete(id)
      if (['moved_in', 'reservation_ended'].includes(type)) active.delete(move)
    }
  }
}
