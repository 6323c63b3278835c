import { dayName } from '../world.mjs'
import { idsOfPerson, survivorOf } from './merges.mjs'

// What a front desk does with appointments. Each client changes only its own patients' appointments, so it
// knows the state of each; only a doctor's absence or leave may change one without the client.

const APPOINTMENTS = '/api/v1/appointments'

export const book = (client) => bookOn(client, pickAnyDay(client), chooseSlot(client))

/** `statuses`: what the answer may be. Returns the answer. */
export async function bookOn(client, day, chosen = {}, { isAnother, statuses, patient } = {}) {
  const { chance } = client
  const patientId = patient ?? chance.pick(client.patients)
  const allowsAnother = isAnother ?? chance.happens(0.1)
  const why = chance.happens(0.3) ? { reason: `reason ${client.number} ${client.keys}` } : {}
  const ids = idsOfPerson(client, patientId)
  const had = stillBooked(client).find((one) => ids.includes(one.patient) && dayName(one) === dayName(day))
  const reply = await client.ask('book', {
    path: APPOINTMENTS,
    body: {
      ...{ patient_id: patientId, doctor_id: day.doctor, date: day.date, allow_another: allowsAnother },
      ...chosen,
      ...why,
    },
    statuses: statuses ?? [201, 409, 422],
  })
  checkChoice(client, chosen, reply)
  if (reply.status !== 201) return reply
  if (had && !allowsAnother && !mayBeMoved(client, had))
    client.world.breaks('one appointment a day', `${reply.body.id} and ${had.id}`)
  track(client, reply.body, survivorOf(client, patientId), {
    ...why,
    ...(!allowsAnother && { aloneAmong: ids }),
  })
  return reply
}

export async function hold(client) {
  const { chance, clinic, world } = client
  const day = pickAnyDay(client)
  const chosen = chooseSlot(client)
  const reply = await client.ask('hold', {
    path: `${APPOINTMENTS}/holds`,
    body: { doctor_id: day.doctor, date: day.date, ttl_seconds: chance.between(1, 4), ...chosen },
    statuses: [201, 409, 422],
  })
  checkChoice(client, chosen, reply)
  if (reply.status !== 201) return
  world.acknowledge('hold', { clinic, id: reply.body.hold_id })
  if (chance.happens(0.6)) await bookHeld(client, reply.body)
  else if (chance.happens(0.3)) await release(client, reply.body.hold_id)
}

async function bookHeld(client, { hold_id, slot, expires_at }) {
  const patient = client.chance.pick(client.patients)
  const reply = await client.ask('book a hold', {
    path: APPOINTMENTS,
    body: { patient_id: patient, hold_id, allow_another: true },
    statuses: [201, 410, 422],
  })
  if (reply.status === 410 && Date.now() < Date.parse(expires_at))
    client.world.breaks('a hold lasts', `${hold_id} was over before ${expires_at}`)
  if (reply.status !== 201) return
  if (reply.body.slot !== slot)
    client.world.breaks('a hold keeps its slot', `${hold_id}: ${slot}, ${reply.body.slot}`)
  track(client, reply.body, survivorOf(client, patient))
}

const release = (client, id) =>
  client.ask('release a hold', {
    method: 'DELETE',
    path: `${APPOINTMENTS}/holds/${id}`,
    statuses: [200],
  })

export async function cancel(client) {
  const appointment = client.chance.pick(stillBooked(client))
  if (!appointment) return
  const { clinic, world } = client
  const reason = `cancel ${client.number} ${client.keys}`
  const reply = await client.ask('cancel', {
    path: `${APPOINTMENTS}/${appointment.id}/cancel`,
    body: { reason },
    statuses: () => [200, ...ifMoved(client, appointment, 409)],
  })
  appointment.status = 'cancelled'
  if (reply.status !== 200) return
  world.acknowledge('cancel', { clinic, id: appointment.id })
  if (client.chance.happens(0.5)) await readTexts(client, appointment, { cancel_reason: reason })
}

/** What was written of an appointment can be read, wherever it has moved. */
async function readTexts(client, { id, reason }, more = {}) {
  const { body, status } = await client.ask('read what is written', {
    method: 'GET',
    path: `${APPOINTMENTS}/${id}`,
    statuses: [200],
    isRepeatable: false,
  })
  const expected = { ...(reason && { reason }), ...more }
  const wrong = Object.entries(expected).filter(([kind, text]) => body?.[kind] !== text)
  if (status === 200 && wrong.length > 0)
    client.world.breaks(
      'no acknowledged write lost',
      `${id}: ${JSON.stringify(wrong)} ${JSON.stringify(body)}`,
    )
}

export async function reschedule(client) {
  const appointment = client.chance.pick(stillBooked(client))
  if (!appointment) return
  const { chance } = client
  const to = chance.happens(0.3) ? appointment : pickAnyDay(client)
  const chosen = chooseSlot(client)
  const reply = await client.ask('reschedule', {
    path: `${APPOINTMENTS}/${appointment.id}/reschedule`,
    body: { doctor_id: to.doctor, date: to.date, allow_another: chance.happens(0.5), ...chosen },
    statuses: [200, 409, 422],
  })
  if (reply.code !== 'already_cancelled') checkChoice(client, chosen, reply)
  if (reply.code === 'already_cancelled') return markCancelled(client, appointment, reply)
  if (reply.status !== 200) return
  if (dayName(appointment) !== dayName(to)) appointment.moves += 1
  Object.assign(appointment, { doctor: to.doctor, date: to.date, slot: reply.body.slot })
  appointment.days.push(dayName(to))
}

/** A read returns what was acknowledged. */
export async function readAppointment(client) {
  const appointment = client.chance.pick(stillBooked(client))
  if (!appointment) return
  const { body } = await client.ask('read an appointment', {
    method: 'GET',
    path: `${APPOINTMENTS}/${appointment.id}`,
    statuses: [200],
    isRepeatable: false,
  })
  if (!body || mayBeMoved(client, appointment)) return
  const { doctor, date, slot, status } = appointment
  const [expected, found] = [
    // The answer to a walk-in does not say which slot it got.
    [doctor, date, slot ?? body.slot, status],
    [body.doctor_id, body.date, body.slot, body.status],
  ].map((facts) => facts.join(' '))
  if (expected !== found)
    client.world.breaks('reads show acknowledged writes', `${appointment.id}: ${expected}, but ${found}`)
  if (appointment.reason && body.reason !== appointment.reason)
    client.world.breaks(
      'reads show acknowledged writes',
      `${appointment.id}: ${body.reason} is written of it`,
    )
}

/** `patient`: the id that the visit is for, which stays whatever is merged later. */
export function track(client, body, patient, more = {}) {
  const { clinic, number: owner, world } = client
  const { id, doctor_id: doctor, date, slot, patient_id = patient } = body
  if (patient_id !== patient)
    world.breaks('both ids are one patient', `${id} is for ${patient_id}, not ${patient}`)
  const visit = { clinic, owner, id, patient, doctor, date, slot }
  const appointment = { ...visit, status: 'booked', moves: 0, ...more }
  appointment.days = [dayName(appointment)]
  client.appointments.push(appointment)
  world.acknowledge('appointment', appointment)
  return appointment
}

/** Booked appointments without a check-in. */
export const stillBooked = (client) =>
  client.appointments.filter(({ status, hasArrived }) => status === 'booked' && !hasArrived)

/** Whether an absence or a leave may have moved the appointment, or put its patient on the waitlist. */
export const mayBeMoved = ({ world }, { days }) => days.some((day) => world.absenceDays.has(day))

export const ifMoved = (client, appointment, ...statuses) => (mayBeMoved(client, appointment) ? statuses : [])

export function markCancelled(client, appointment, reply) {
  if (!mayBeMoved(client, appointment))
    client.world.breaks('no acknowledged write lost', `${appointment.id}: ${reply.text}`)
  appointment.status = 'cancelled'
}

/** Some callers choose; the number may be that of no slot. */
export const chooseSlot = ({ chance }) => (chance.happens(0.35) ? { slot: chance.between(1, 15) } : {})

/** A chosen slot is given or refused, and what is named instead is three other slots. */
export function checkChoice({ world }, { slot }, { status, body, text }) {
  if (slot === undefined) return
  if (status < 300 && body.slot !== slot) world.breaks('a chosen slot is given', `${slot}: ${text}`)
  const others = (body?.alternatives ?? []).map((other) => other.slot)
  if (others.includes(slot) || new Set(others).size < others.length || others.length > 3)
    world.breaks('a chosen slot is given', `${slot}: ${text}`)
}

export const pickDay = (client) => chooseDay(client)

/** So many visits are those of a doctor who takes leaves. */
const ON_LEAVE = 0.12

/** Also a day that a leave may close. */
export function pickAnyDay(client) {
  const { chance, clinic } = client
  if (!chance.happens(ON_LEAVE)) return pickDay(client)
  return { doctor: chance.pick(clinic.onLeave), date: chance.pick(clinic.leaveDates) }
}

/** The newest doctors have free slots; some days of the older ones are always full. */
export function chooseDay({ clinic, chance }, { isNeverAbsent = false } = {}) {
  const doctors = isNeverAbsent ? clinic.doctors.filter((_, n) => n % ABSENT_EVERY !== 0) : clinic.doctors
  const doctor = chance.pick(chance.happens(0.7) ? doctors.slice(-3) : doctors)
  return { doctor, date: chance.pick(clinic.dates) }
}

/** Only every third doctor is ever absent: clients cannot check appointments that an absence changes. */
export const ABSENT_EVERY = 3

export function takeOne({ chance }, list) {
  return list.splice(chance.below(list.length), 1)[0]
}
