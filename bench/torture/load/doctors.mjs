import { dayName } from '../world.mjs'
import { ABSENT_EVERY, pickDay } from './desk.mjs'
import { newRecord } from './doctor-changes.mjs'

// Doctors: new ones, their availability, their absences, and the ledgers of their days.

export async function addDoctor(client) {
  const { clinic } = client
  // The opener changes no doctor; the first clients change its doctors.
  const id = await newDoctor(client, client.number || clinic.doctors.length + 1)
  if (id) clinic.doctors.push(id)
}

/** `owner`: the number of the only client that changes the doctor. */
export async function newDoctor(client, owner, slots = { least: 4, most: 14 }) {
  const { chance, world } = client
  const code = `D-${client.number}-${client.keys}`
  const reply = await client.ask('add a doctor', {
    path: '/api/v1/doctors',
    body: { name: `Dr ${code}`, code, capacity: chance.between(slots.least, slots.most) },
    statuses: [201],
  })
  if (reply.status !== 201) return null
  world.acknowledge('doctor', newRecord(client, owner, reply.body))
  return reply.body.id
}

/** Each has its own notes, so that the day's log shows which one took effect. */
export async function setAvailability(client, day = pickDay(client), isPresent = client.chance.happens(0.7)) {
  const { chance, clinic, world } = client
  const notes = `availability ${client.number} ${client.keys}`
  const isSized = chance.happens(0.4)
  const reply = await client.ask('set availability', {
    path: `/api/v1/doctors/${day.doctor}/availability`,
    body: {
      date: day.date,
      is_present: isPresent,
      notes,
      ...(isSized && { capacity: chance.between(4, 16) }),
    },
    statuses: [200, 409],
  })
  if (reply.status !== 200) return
  world.acknowledge('availability', { clinic, day: dayName(day), notes, id: reply.body.id })
  if (!isPresent) await setAvailability(client, day, true)
}

/** An absence of one day moves patients or puts them on the waitlist; then the doctor is present again. */
export async function declareAbsence(client) {
  const { chance, clinic, world } = client
  const candidates = clinic.doctors.filter((_, n) => n % ABSENT_EVERY === 0).slice(-2)
  const [day, other] = [{ doctor: chance.pick(candidates), date: chance.pick(clinic.dates) }, pickDay(client)]
  if (dayName(day) === dayName(other)) return
  const reason = `absence ${client.number} ${client.keys}`
  world.absenceDays.add(dayName(day))
  const reply = await client.ask('declare an absence', {
    path: `/api/v1/doctors/${day.doctor}/days/${day.date}/absence`,
    body: { reason, ...(chance.happens(0.8) && { move_to: { date: other.date, doctor_id: other.doctor } }) },
    statuses: [200, 409, 422],
    // The lists show the current state of the patients, so a repeated answer may differ.
    isRepeatable: false,
  })
  if (reply.status === 200) {
    const { moved, waitlisted, to_call } = reply.body
    const ids = [moved, waitlisted, to_call].flat().map(({ appointment_id }) => appointment_id)
    if (new Set(ids).size < ids.length)
      world.breaks('an absence puts each patient into one list', JSON.stringify(reply.body))
    for (const { waitlist_id: id } of waitlisted) world.acknowledge('place in line', { clinic, id })
  }
  world.acknowledge('absence', { clinic, reason })
  await setAvailability(client, day, true)
}

/** The numbers of the ledger add up at every moment. */
export async function readDay(client) {
  const { doctor, date } = pickDay(client)
  const reply = await client.ask('read a day', {
    method: 'GET',
    path: `/api/v1/doctors/${doctor}/days/${date}`,
    statuses: [200],
    isRepeatable: false,
  })
  if (reply.status === 200) checkLedger(client.world, `${doctor} ${date}`, reply.body)
}

export function checkLedger(world, name, ledger) {
  const { capacity, booked, held, offered, over, closed, remaining, slots } = ledger
  const ids = slots.flatMap(({ id }) => id ?? [])
  const count = (wanted) => slots.filter(({ state }) => state === wanted).length
  const isRight =
    booked + held + offered + over + closed + remaining === capacity &&
    Math.min(booked, held, offered, over, closed, remaining) >= 0 &&
    slots.length === capacity &&
    new Set(ids).size === ids.length &&
    count('booked') === booked &&
    count('held') === held &&
    count('offered') === offered &&
    count('over') === over &&
    count('closed') === closed &&
    (ledger.is_present || remaining === 0)
  if (!isRight) world.breaks('the ledger adds up', `${name}: ${JSON.stringify(ledger)}`)
}

/** An appointment of the other clinic is 404, even for a caller who knows its id. */
export async function readForeignAppointment(client) {
  const { chance, world, clinic } = client
  const foreign = world.clinics.find((other) => other !== clinic)
  const known = world.all('appointment', foreign)
  if (known.length === 0) return
  const { id } = chance.pick(known)
  await client.ask('read a foreign appointment', {
    method: 'GET',
    path: `/api/v1/appointments/${id}`,
    statuses: [404],
    isRepeatable: false,
  })
}

/** A day that only a newer version of the service can change: this one must not give a slot of it. */
export async function openNewerDay(client, rack) {
  const { clinic } = client
  const [capacity, timeZone] = [3, 'UTC']
  const reply = await client.ask('add a doctor', {
    path: '/api/v1/doctors',
    body: { name: 'Dr Newer', code: 'D-newer', capacity },
    statuses: [201],
  })
  client.world.acknowledge('doctor', newRecord(client, client.number, reply.body))
  clinic.newerDay = { doctor: reply.body.id, date: clinic.today }
  await rack.writeAsNewer({
    ...{ clinicId: clinic.id, doctorId: reply.body.id, date: clinic.today },
    ...{ capacity, timeZone },
  })
}

export async function bookNewerDay(client) {
  const { doctor, date } = client.clinic.newerDay
  const patient = client.chance.pick(client.patients)
  const place = { doctor_id: doctor, date }
  const [path, body] = client.chance.happens(0.5)
    ? ['/api/v1/appointments', { ...place, patient_id: patient, allow_another: true }]
    : ['/api/v1/appointments/holds', { ...place, ttl_seconds: 1 }]
  const { status, code } = await client.ask('book on a newer day', { path, body, statuses: [503] })
  if (status < 300)
    client.world.breaks('a slot is given once', `${doctor} ${date}: ${status} on a newer day, ${code}`)
}
