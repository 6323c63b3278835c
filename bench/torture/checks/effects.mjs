import { isStruck } from '../load/desk.mjs'
import { tally } from './facts.mjs'

// What was acknowledged against the logs of the days: each write there once, and none that nobody asked for.

export function checkEffects(world, { days, events }) {
  const of = (...types) => events.filter(({ type }) => types.includes(type))
  const ids = (what) => world.all(what).map(({ id }) => id)
  const names = (what) => world.all(what).map(nameOf('id'))
  checkAppointments(world, days, events)
  once(world, 'booking', of('booked').map(idOf), ids('appointment'))
  once(world, 'hold', of('held').map(nameOf('hold_id')), names('hold'))
  checkPlaces(world, of('waitlisted'))
  checkDeclines(world, of('wait_ended'))
  once(world, 'end of hold', of('hold_ended').map(nameOf('hold_id')), names('hold'))
  checkArrivals(world, of('checked_in'))
  checkCancels(world, of('cancelled'))
  checkCalls(world, of('called', 'requeued'))
  checkSteps(world, of('served', 'skipped', 'requeued', 'no_show'))
  const said = of('availability_set').filter(({ notes }) => notes.startsWith('availability '))
  once(world, 'availability', said.map(nameOf('notes')), world.all('availability').map(nameOf('notes')))
}

const idOf = (event) => event.appointment_id
const nameOf = (field) => (fact) => `${fact.clinic.id} ${fact[field]}`

/** Every effect was acknowledged to somebody, every acknowledged one is there, and none is there twice. */
function once(world, what, effects, acknowledged) {
  const [found, expected] = [tally(effects), new Set(acknowledged)]
  for (const [id, count] of found) {
    if (!expected.has(id)) world.breaks('no effect twice', `${what} ${id} was acknowledged to nobody`)
    else if (count > 1) world.breaks('no effect twice', `${what} ${id}: ${count} times`)
  }
  for (const id of expected)
    if (!found.has(id)) world.breaks('no acknowledged write lost', `${what} ${id} is not there`)
}

/** Each where its client left it, unless an absence came in between; and nowhere else. */
function checkAppointments(world, days, events) {
  const places = Map.groupBy(
    days.flatMap((day) => day.listed),
    ({ id }) => id,
  )
  const moves = tally(events.filter(({ type }) => type === 'moved_in').map(idOf))
  const givenUp = new Set(events.filter(({ type }) => type === 'cancelled').map(idOf))
  const noShows = new Set(world.all('step').flatMap(({ id, to }) => (to === 'no_show' ? [id] : [])))
  for (const appointment of world.all('appointment')) {
    const { id } = appointment
    const [found, ...more] = places.get(id) ?? []
    if (more.length > 0) world.breaks('no effect twice', `${id} is on ${more.length + 1} days`)
    if (isStruck({ world }, appointment)) {
      if (!found && !givenUp.has(id)) world.breaks('no acknowledged write lost', `${id} is on no day`)
      continue
    }
    if (!isAsLeft(appointment, found, noShows.has(id)))
      world.breaks('no acknowledged write lost', `${told(appointment)}; found ${JSON.stringify(found)}`)
    if ((moves.get(id) ?? 0) !== appointment.moves)
      world.breaks('no effect twice', `${told(appointment)}; moved ${moves.get(id) ?? 0} times`)
  }
}

function isAsLeft({ status, doctor, date, slot }, found, isNoShow) {
  if (status === 'cancelled') return found === undefined
  const isThere = found?.doctor_id === doctor && found.date === date && (slot === null || slot === found.slot)
  return isThere && found.status === (isNoShow ? 'no_show' : status)
}

const told = ({ id, status, doctor, date, slot, moves }) =>
  `${id}: ${status} ${doctor} ${date}, slot ${slot}, ${moves} moves`

/** An absence has patients wait, too; where their appointment was changed meanwhile, nobody is told. */
function checkPlaces(world, waitlisted) {
  const known = new Set(world.all('place in line').map(nameOf('id')))
  const struck = new Set(
    world.all('appointment').flatMap((one) => (isStruck({ world }, one) ? [one.patient] : [])),
  )
  const nameOfPlace = nameOf('wait_id')
  const places = waitlisted.filter((event) => known.has(nameOfPlace(event)) || !struck.has(event.patient_id))
  once(world, 'place in line', places.map(nameOfPlace), known)
}

/** An absence takes back a place that it had made for nothing; that place was never anybody's. */
function checkDeclines(world, ended) {
  const places = new Set(world.all('place in line').map(nameOf('id')))
  const declined = ended.filter(({ how }) => how === 'declined').map(nameOf('wait_id'))
  const own = declined.filter((place) => places.has(place))
  once(world, 'declining', own, world.all('decline').map(nameOf('id')))
}

function checkArrivals(world, arrivals) {
  once(
    world,
    'check-in',
    arrivals.map(idOf),
    world.all('check-in').map(({ id }) => id),
  )
  const positions = new Map(arrivals.map((event) => [idOf(event), event.position]))
  for (const { id, position } of world.all('check-in'))
    if (positions.has(id) && positions.get(id) !== position)
      world.breaks('no acknowledged write lost', `check-in of ${id}: ${position}, now ${positions.get(id)}`)
}

/** An absence gives up appointments, too, in the name of its reason. */
function checkCancels(world, cancelled) {
  const absences = new Set(world.all('absence').map(nameOf('reason')))
  const own = cancelled.filter((event) => !absences.has(nameOf('reason')(event)))
  once(world, 'cancellation', own.map(nameOf('reason')), world.all('cancel').map(nameOf('reason')))
  once(world, 'appointment given up', cancelled.map(idOf), cancelled.map(idOf))
}

/** One room per call, and between two calls of one patient somebody has sent them back. */
function checkCalls(world, events) {
  const calls = events.filter(({ type }) => type === 'called')
  once(world, 'call', calls.map(nameOf('room')), world.all('call').map(nameOf('room')))
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
