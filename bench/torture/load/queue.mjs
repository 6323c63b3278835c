import { dayName } from '../world.mjs'
import { ifMoved, markCancelled, mayBeMoved, stillBooked, takeOne, track } from './desk.mjs'
import { survivorOf } from './merges.mjs'

// Check-ins, and the steps of the queue.

const CHECKINS = '/api/v1/checkins'

export async function checkIn(client) {
  const { chance, clinic, world } = client
  const appointment = chance.pick(stillBooked(client).filter(({ date }) => date === clinic.today))
  if (!appointment) return
  const since = Date.now()
  const reply = await client.ask('check in', {
    path: CHECKINS,
    body: { appointment_id: appointment.id, patient_id: appointment.patient, priority: priorityOf(chance) },
    statuses: () => [201, ...ifMoved(client, appointment, 409, 422)],
  })
  if (reply.code === 'already_cancelled') return markCancelled(client, appointment, reply)
  if (reply.status !== 201) return
  const position = reply.body.queue_position
  Object.assign(appointment, { hasArrived: true, arrival: { position, since } })
  world.acknowledge('check-in', { clinic, id: appointment.id, position })
}

export async function walkIn(client) {
  const { chance, clinic, world } = client
  const [patient, doctor] = [chance.pick(client.patients), chance.pick(clinic.doctors.slice(-3))]
  const since = Date.now()
  const reply = await client.ask('walk in', {
    path: `${CHECKINS}/walk-in`,
    body: { patient_id: patient, doctor_id: doctor, priority: priorityOf(chance) },
    statuses: [201, 409, 422],
  })
  if (reply.status !== 201) return
  const { appointment_id: id, queue_position: position } = reply.body
  const visit = { id, doctor_id: doctor, date: clinic.today, slot: null }
  track(client, visit, survivorOf(client, patient), { hasArrived: true, arrival: { position, since } })
  world.acknowledge('check-in', { clinic, id, position })
}

export async function callNext(client) {
  const { chance, clinic, world } = client
  const doctor = chance.pick(clinic.doctors.slice(-4))
  // Each call has its own room, so that the day's log shows the effect of each call.
  const room = `room ${client.number} ${client.keys}`
  const reply = await client.ask('call the next', {
    path: `${CHECKINS}/doctors/${doctor}/queue/next`,
    body: { date: clinic.today, room },
    statuses: [200, 204],
  })
  if (reply.status !== 200) return
  const id = reply.body.appointment_id
  client.called.push({ id, status: 'called' })
  world.acknowledge('call', { clinic, id, room, day: dayName({ doctor, date: clinic.today }) })
}

const STEPS = {
  called: { serve: 6, skip: 3, requeue: 1 },
  skipped: { requeue: 3, 'no-show': 1 },
  served: { unserve: 1 },
}
const AFTER = {
  ...{ serve: 'served', skip: 'skipped', requeue: 'waiting', 'no-show': 'no_show', unserve: 'called' },
}

/** A key without checkins:amend may undo for so long. */
const UNDO_MS = 60_000

/** So many of the completed visits were completed by mistake. */
const MISTAKES = 0.2

/** Only the client that called a patient takes the next steps; after a requeue any client may call again. */
export async function step(client) {
  const { chance, clinic, world } = client
  const visit = takeOne(client, client.called)
  if (!visit) return
  const wanted = chance.weighted(STEPS[visit.status])
  const since = Date.now()
  const reply = await client.ask(wanted, {
    path: `${CHECKINS}/${visit.id}/${wanted}`,
    statuses: () => [200, ...(wanted === 'unserve' && mayBeTooLate(visit.since) ? [409] : [])],
  })
  if (reply.status !== 200) return
  if (reply.body.status !== AFTER[wanted])
    world.breaks('expected answer', `${wanted} of ${visit.id} left it ${reply.body.status}`)
  world.acknowledge('step', { clinic, id: visit.id, to: wanted === 'unserve' ? 'unserved' : AFTER[wanted] })
  if (STEPS[AFTER[wanted]] && (wanted !== 'serve' || chance.happens(MISTAKES)))
    client.called.push({ id: visit.id, status: AFTER[wanted], since })
}

const mayBeTooLate = (since) => Date.now() - since > UNDO_MS

/** Undoes a check-in. Meanwhile another client may have called the patient. */
export async function uncheckIn(client) {
  const { chance, clinic, world } = client
  const arrived = client.appointments.filter(({ status, arrival }) => status === 'booked' && arrival)
  const appointment = chance.pick(arrived)
  if (!appointment) return
  const { id, arrival } = appointment
  const reply = await client.ask('undo a check-in', {
    path: `${CHECKINS}/${id}/uncheck-in`,
    statuses: [200, 409],
  })
  if (reply.code === 'too_late_to_undo' && !mayBeTooLate(arrival.since))
    world.breaks('a mistake can be undone for a minute', `${id}: ${reply.text}`)
  if (reply.status !== 200) return
  world.acknowledge('undone check-in', { clinic, id, position: arrival.position })
  Object.assign(appointment, { hasArrived: false, arrival: null })
}

/** Records a no-show, which frees the slot. */
export async function noShow(client) {
  const { chance, clinic, world } = client
  const appointment = chance.pick(stillBooked(client).filter(({ date }) => date === clinic.today))
  if (!appointment) return
  const reply = await client.ask('no-show', {
    path: `${CHECKINS}/${appointment.id}/no-show`,
    statuses: () => [200, ...ifMoved(client, appointment, 409, 422)],
  })
  if (reply.status !== 200 && mayBeMoved(client, appointment)) return
  appointment.status = 'no_show'
  world.acknowledge('step', { clinic, id: appointment.id, to: 'no_show' })
}

const priorityOf = (chance) => (chance.happens(0.2) ? 'urgent' : 'normal')
