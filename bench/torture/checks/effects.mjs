import { isStruck } from '../load/desk.mjs'
import { tally } from './facts.mjs'

// What was acknowledged against the logs of the days: each write there once, and none that nobody asked for.

export function checkEffects(world, { days, events }) {
  const of = (...types) => events.filter(({ type }) => types.includes(type))
  checkAppointments(world, days, events)
  once(
    world,
    'booking',
    of('booked').map(idOf),
    world.all('appointment').map(({ id }) => id),
  )
  once(
    world,
    'hold',
    of('held').map((event) => event.hold_id),
    idsOf(world, 'hold'),
  )
  once(
    world,
    'place in line',
    of('waitlisted').map((event) => event.wait_id),
    idsOf(world, 'place in line'),
  )
  const positions = new Map(of('checked_in').map((event) => [idOf(event), event.position]))
  once(world, 'check-in', of('checked_in').map(idOf), idsOf(world, 'check-in'))
  for (const { id, position } of world.all('check-in'))
    if (positions.has(id) && positions.get(id) !== position)
      world.breaks('no acknowledged write lost', `check-in of ${id}: ${position}, ${positions.get(id)}`)
  checkCancels(world, of('cancelled'))
  checkCalls(world, of('called', 'requeued'))
  checkSteps(world, of('served', 'skipped', 'requeued', 'no_show'))
  const said = of('availability_set').filter(({ notes }) => notes.startsWith('availability '))
  once(world, 'availability', said.map(nameOf('notes')), world.all('availability').map(nameOf('notes')))
}

const idOf = (event) => event.appointment_id
const idsOf = (world, what) => [...new Set(world.all(what).map(({ id }) => id))]
const nameOf = (field) => (fact) => `${fact.clinic.id} ${fact[field]}`

/** Every effect was acknowledged to somebody, every acknowledged one is there, and none is there twice. */
function once(world, what, effects, acknowledged) {
  const [found, expected] = [tally(effects), tally(acknowledged)]
  for (const [id, count] of found) {
    if (!expected.has(id)) world.breaks('no effect twice', `${what} ${id} was acknowledged to nobody`)
    else if (count > expected.get(id)) world.breaks('no effect twice', `${what} ${id}: ${count} times`)
  }
  for (const [id] of expected)
    if (!found.has(id)) world.breaks('no acknowledged write lost', `${what} ${id} is not there`)
}

/** Each where its client left it, unless an absence came in between; and nowhere else. */
function checkAppointments(world, days, events) {
  const listed = days.flatMap((day) => day.listed)
  const places = Map.groupBy(listed, ({ id }) => id)
  const moves = tally(events.filter(({ type }) => type === 'moved_in').map(idOf))
  const given = new Set(events.filter(({ type }) => type === 'cancelled').map(idOf))
  for (const appointment of world.all('appointment')) {
    const { id, status, doctor, date, slot } = appointment
    const [found, ...more] = places.get(id) ?? []
    if (more.length > 0) world.breaks('no effect twice', `${id} is on ${more.length + 1} days`)
    if (isStruck({ world }, appointment)) {
      if (!found && !given.has(id)) world.breaks('no acknowledged write lost', `${id} is on no day`)
      continue
    }
    const isThere = found && found.status !== 'cancelled'
    if (status === 'cancelled' && isThere)
      world.breaks('no acknowledged write lost', `${id} is not cancelled`)
    if (status === 'cancelled') continue
    const isRight =
      isThere &&
      found.doctor_id === doctor &&
      found.date === date &&
      [slot, null].includes(slot && found.slot)
    const left = `${status} ${doctor} ${date} ${slot}`
    if (!isRight) world.breaks('no acknowledged write lost', `${id}: ${left}, found ${JSON.stringify(found)}`)
    else if (status !== 'no_show' && found.status !== status && !hasStep(world, id))
      world.breaks('no acknowledged write lost', `${id}: ${left}, found ${found.status}`)
    if ((moves.get(id) ?? 0) !== appointment.moves)
      world.breaks('no effect twice', `${id} moved ${moves.get(id) ?? 0} times, asked ${appointment.moves}`)
  }
}

const hasStep = (world, id) => world.all('step').some((step) => step.id === id && step.to === 'no_show')

/** An absence gives up appointments, too, in the name of its reason. */
function checkCancels(world, cancelled) {
  const absences = new Set(world.all('absence').map(nameOf('reason')))
  const own = cancelled.filter((event) => !absences.has(nameOf('reason')(event)))
  once(world, 'cancellation', own.map(nameOf('reason')), world.all('cancel').map(nameOf('reason')))
  once(world, 'given up', cancelled.map(idOf), [...new Set(cancelled.map(idOf))])
}

/** One room per call, and between two calls of one patient somebody has sent them back. */
function checkCalls(world, events) {
  const calls = events.filter(({ type }) => type === 'called')
  once(world, 'call', calls.map(nameOf('room')), world.all('call').map(nameOf('room')))
  const inRoom = new Set()
  for (const event of events) {
    const id = idOf(event)
    if (event.type === 'called' && inRoom.has(id))
      world.breaks('two rooms never get the same patient', `${id}, ${event.room}`)
    if (event.type === 'called') inRoom.add(id)
    else inRoom.delete(id)
  }
}

function checkSteps(world, events) {
  const stepOf = ({ id, to }) => `${id} ${to}`
  const to = { requeued: 'waiting' }
  const found = tally(events.map((event) => `${idOf(event)} ${to[event.type] ?? event.type}`))
  const asked = tally(world.all('step').map(stepOf))
  for (const [step, count] of asked)
    if ((found.get(step) ?? 0) < count) world.breaks('no acknowledged write lost', `step ${step}`)
  for (const [step, count] of found)
    if (count > (asked.get(step) ?? 0)) world.breaks('no effect twice', `step ${step}: ${count} times`)
}
