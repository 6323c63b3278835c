import { mayBeMoved } from '../load/desk.mjs'
import { tally } from './facts.mjs'

// Compares the acknowledged writes with the days' logs: each is there once, and no other write is there.

export function checkEffects(world, { days, events }) {
  const of = (...types) => events.filter(({ type }) => types.includes(type))
  const ids = (what) => world.all(what).map(({ id }) => id)
  const names = (what) => world.all(what).map(nameOf('id'))
  checkAppointments(world, days, events)
  checkOnce(world, 'booking', of('booked').map(idOf), ids('appointment'))
  checkOnce(world, 'hold', of('held').map(nameOf('hold_id')), names('hold'))
  const wished = new Set(of('wish_joined').map(nameOf('wait_id')))
  checkPlaces(world, of('waitlisted'), wished)
  checkDeclines(world, of('wait_ended'), wished)
  const accepted = of('wait_ended').filter(({ how }) => how === 'accepted')
  checkOnce(world, 'accepted offer', accepted.map(nameOf('wait_id')), names('accepted offer'))
  checkOnce(world, 'end of hold', of('hold_ended').map(nameOf('hold_id')), names('hold'))
  checkArrivals(world, 'check-in', of('checked_in'))
  checkArrivals(world, 'undone check-in', of('unchecked_in'))
  checkCancels(world, of('cancelled'))
  checkCalls(world, of('called', 'requeued'))
  checkSteps(world, of('served', 'unserved', 'skipped', 'requeued', 'no_show'))
  const said = of('availability_set').filter(({ notes }) => notes?.startsWith('availability '))
  checkOnce(world, 'availability', said.map(nameOf('notes')), world.all('availability').map(nameOf('notes')))
}

const idOf = (event) => event.appointment_id
const nameOf = (field) => (fact) => `${fact.clinic.id} ${fact[field]}`

/** Every effect was acknowledged, every acknowledged effect is there, and none is there twice. */
function checkOnce(world, what, effects, acknowledged) {
  const [found, expected] = [tally(effects), new Set(acknowledged)]
  for (const [id, count] of found) {
    if (!expected.has(id)) world.breaks('no effect twice', `${what} ${id} was never acknowledged`)
    else if (count > 1) world.breaks('no effect twice', `${what} ${id}: ${count} times`)
  }
  for (const id of expected)
    if (!found.has(id)) world.breaks('no acknowledged write lost', `${what} ${id} is missing`)
}

/** Each appointment is as its client left it and on no other day, unless an absence may have moved it. */
function checkAppointments(world, days, events) {
  const places = Map.groupBy(
    days.flatMap((day) => day.listed),
    ({ id }) => id,
  )
  const moves = tally(events.filter(({ type }) => type === 'moved_in').map(idOf))
  const cancelledIds = new Set(events.filter(({ type }) => type === 'cancelled').map(idOf))
  const ends = new Map()
  for (const { id, to } of world.all('step'))
    if (ENDS[to]) ends.set(id, ENDS[to])
    else if (to === 'unserved') ends.delete(id)
  for (const appointment of world.all('appointment')) {
    const { id } = appointment
    const [found, ...more] = places.get(id) ?? []
    if (more.length > 0) world.breaks('no effect twice', `${id} is on ${more.length + 1} days`)
    if (mayBeMoved({ world }, appointment)) {
      if (!found && !cancelledIds.has(id)) world.breaks('no acknowledged write lost', `${id} is on no day`)
      continue
    }
    if (!isAsLeft(appointment, found, ends.get(id)))
      world.breaks('no acknowledged write lost', `${describe(appointment)}; found ${JSON.stringify(found)}`)
    if ((moves.get(id) ?? 0) !== appointment.moves)
      world.breaks('no effect twice', `${describe(appointment)}; moved ${moves.get(id) ?? 0} times`)
  }
}

/** The status of an appointment after the last step of a visit. */
const ENDS = { served: 'completed', no_show: 'no_show' }

function isAsLeft({ status, hasArrived, doctor, date, slot }, found, end) {
  if (status === 'cancelled') return found === undefined
  const isThere = found?.doctor_id === doctor && found.date === date && (slot === null || slot === found.slot)
  const expected = end ?? (status === 'booked' && hasArrived ? 'checked_in' : status)
  return isThere && found.status === expected
}

const describe = ({ id, status, doctor, date, slot, moves }) =>
  `${id}: ${status} ${doctor} ${date}, slot ${slot}, ${moves} moves`

/**
 * An absence also puts patients on the waitlist, and reports no place if their appointment has changed. The
 * places of wishes are checked with these.
 */
function checkPlaces(world, waitlisted, wished) {
  const known = new Set(world.all('place in line').map(nameOf('id')))
  const moved = new Set(
    world.all('appointment').flatMap((one) => (mayBeMoved({ world }, one) ? [one.patient] : [])),
  )
  const nameOfPlace = nameOf('wait_id')
  const isOther = (event) => wished.has(nameOfPlace(event)) || moved.has(event.patient_id)
  const places = waitlisted.filter((event) => known.has(nameOfPlace(event)) || !isOther(event))
  checkOnce(world, 'place in line', places.map(nameOfPlace), known)
}

/** An absence withdraws a place that it has made in vain; that place was never acknowledged. */
function checkDeclines(world, ended, wished) {
  const places = new Set([...world.all('place in line').map(nameOf('id')), ...wished])
  const declined = ended.filter(({ how }) => how === 'declined').map(nameOf('wait_id'))
  const own = declined.filter((place) => places.has(place))
  checkOnce(world, 'declining', own, world.all('decline').map(nameOf('id')))
}

/** After an undoing a patient may check in again, with another position or on another doctor's day. */
function checkArrivals(world, what, arrivals) {
  const found = tally(arrivals.map((event) => `${idOf(event)} at ${event.position}`))
  const expected = tally(world.all(what).map(({ id, position }) => `${id} at ${position}`))
  for (const [one, count] of found)
    if (count > (expected.get(one) ?? 0)) world.breaks('no effect twice', `${what} ${one}: ${count} times`)
  for (const [one, count] of expected)
    if (count > (found.get(one) ?? 0)) world.breaks('no acknowledged write lost', `${what} ${one}`)
}

/** An absence also cancels appointments: those patients wait on another day instead. */
function checkCancels(world, cancelled) {
  const own = cancelled.filter(({ waiting }) => !waiting)
  checkOnce(
    world,
    'cancellation',
    own.map(idOf),
    world.all('cancel').map(({ id }) => id),
  )
  checkOnce(world, 'cancelled appointment', cancelled.map(idOf), cancelled.map(idOf))
}

/** One room per call, and between two calls of one patient there is a requeue. */
function checkCalls(world, events) {
  const calls = events.filter(({ type }) => type === 'called')
  checkOnce(world, 'call', calls.map(nameOf('room')), world.all('call').map(nameOf('room')))
  const inRoom = new Set()
  for (const event of events) {
    const id = idOf(event)
    if (event.type === 'requeued') inRoom.delete(id)
    else if (inRoom.has(id)) world.breaks('two rooms never get the same patient', `${id}, ${event.room}`)
    else inRoom.add(id)
  }
}

function checkSteps(world, events) {
  const to = { requeued: 'waiting' }
  const found = tally(events.map((event) => `${idOf(event)} ${to[event.type] ?? event.type}`))
  const asked = tally(world.all('step').map((step) => `${step.id} ${step.to}`))
  for (const [step, count] of asked)
    if ((found.get(step) ?? 0) < count) world.breaks('no acknowledged write lost', `step ${step}`)
  for (const [step, count] of found)
    if (count > (asked.get(step) ?? 0)) world.breaks('no effect twice', `step ${step}: ${count} times`)
}
