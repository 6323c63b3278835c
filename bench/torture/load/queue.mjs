import { dayName } from '../world.mjs'
import { ifMoved, markCancelled, mayBeMoved, stillBooked, takeOne, track } from './desk.mjs'

// Check-ins, and the steps of the queue.

const CHECKINS = '/api/v1/checkins'

export async function checkIn(client) {
  const { chance, clinic, world } = client
  const appointment = chance.pick(stillBooked(client).filter(({ date }) => date === clinic.today))
  if (!appointment) return
  const reply = await client.ask('check in', {
    path: CHECKINS,
    body: { appointment_id: appointment.id, patient_id: appointment.patient, priority: priorityOf(chance) },
    statuses: () => [201, ...ifMoved(client, appointment, 409, 422)],
  })
  if (reply.code === 'already_cancelled') return markCancelled(client, appointment, reply)
  if (reply.status !== 201) return
  appointment.hasArrived = true
  world.acknowledge('check-in', { clinic, id: appointment.id, position: reply.body.queue_position })
}

export async function walkIn(client) {
  const { chance, clinic, world } = client
  const [patient, doctor] = [chance.pick(client.patients), chance.pick(clinic.doctors.slice(-3))]
  const reply = await client.ask('walk in', {
    path: `${CHECKINS}/walk-in`,
    body: { patient_id: patient, doctor_id: doctor, priority: priorityOf(chance) },
    statuses: [201, 409, 422],
  })
  if (reply.status !== 201) return
  const { appointment_id: id, queue_position: position } = reply.body
  track(client, { id, doctor_id: doctor, date: clinic.today, slot: null }, patient, { hasArrived: true })
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
  called: { serve: 6, skip: 3 },
  skipped: { requeue: 3, 'no-show': 1 },
}
const AFTER = { serve: 'served', skip: 'skipped', requeue: 'waiting', 'no-show': 'no_show' }

/** Only the client that called a patient takes the next steps; after a requeue any client may call again. */
export async function step(client) {
  const { chance, clinic, world } = client
  const visit = takeOne(client, client.called)
  if (!visit) return
  const wanted = chance.weighted(STEPS[visit.status])
  const reply = await client.ask(wanted, { path: `${CHECKINS}/${visit.id}/${wanted}`, statuses: [200] })
  if (reply.status !== 200) return
  if (reply.body.status !== AFTER[wanted])
    world.breaks('expected answer', `${wanted} of ${visit.id} left it ${reply.body.status}`)
  world.acknowledge('step', { clinic, id: visit.id, to: AFTER[wanted] })
  if (STEPS[AFTER[wanted]]) client.called.push({ id: visit.id, status: AFTER[wanted] })
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
