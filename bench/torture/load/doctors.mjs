import { dayName } from '../world.mjs'
import { aDay } from './desk.mjs'

// Doctors: who is new, who is there, who falls ill, and the numbers of their days.

export async function addDoctor(client) {
  const { chance, clinic, world } = client
  const code = `D-${client.number}-${client.keys}`
  const reply = await client.ask('add a doctor', {
    path: '/api/v1/doctors',
    body: { name: `Dr ${code}`, code, capacity: chance.between(4, 14) },
    statuses: [201],
  })
  if (reply.status !== 201) return
  world.acknowledge('doctor', { clinic, id: reply.body.id })
  clinic.doctors.push(reply.body.id)
}

/** Each says something of its own, so that the day's log tells which one took effect. */
export async function setAvailability(client, day = aDay(client), isPresent = client.chance.happens(0.7)) {
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

/** An absence changes appointments behind their clients' backs; of all others they know how they stand. */
const DOCTORS_PER_SICKLY_ONE = 3

/** Ill on one day; patients are moved to another, or wait for it. Then the doctor is well again. */
export async function fallIll(client) {
  const { chance, clinic, world } = client
  const sickly = clinic.doctors.filter((_, n) => n % DOCTORS_PER_SICKLY_ONE === 0).slice(-2)
  const [day, other] = [{ doctor: chance.pick(sickly), date: chance.pick(clinic.dates) }, aDay(client)]
  if (dayName(day) === dayName(other)) return
  const reason = `absence ${client.number} ${client.keys}`
  world.struckDays.add(dayName(day))
  const reply = await client.ask('declare an absence', {
    path: `/api/v1/doctors/${day.doctor}/days/${day.date}/absence`,
    body: { reason, ...(chance.happens(0.8) && { move_to: { date: other.date, doctor_id: other.doctor } }) },
    statuses: [200, 409, 422],
    // The lists tell how the patients stand by now.
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

/** The ledger sums, whenever one looks. */
export async function sample(client) {
  const { doctor, date } = aDay(client)
  const reply = await client.ask('look at a day', {
    method: 'GET',
    path: `/api/v1/doctors/${doctor}/days/${date}`,
    statuses: [200],
    isRepeatable: false,
  })
  if (reply.status === 200) sums(client.world, `${doctor} ${date}`, reply.body)
}

export function sums(world, name, ledger) {
  const { capacity, booked, held, offered, remaining, slots } = ledger
  const ids = slots.flatMap(({ id }) => id ?? [])
  const count = (wanted) => slots.filter(({ state }) => state === wanted).length
  const isRight =
    booked + held + offered + remaining === capacity &&
    Math.min(booked, held, offered, remaining) >= 0 &&
    slots.length === capacity &&
    new Set(ids).size === ids.length &&
    count('booked') === booked &&
    count('held') === held &&
    count('offered') === offered
  if (!isRight) world.breaks('the ledger sums', `${name}: ${JSON.stringify(ledger)}`)
}

/** A day of the other clinic is one that nobody has touched, whoever knows its doctor. */
export async function pry(client) {
  const { chance, world, clinic } = client
  const foreign = world.clinics.find((other) => other !== clinic)
  const known = world.all('appointment', foreign)
  if (known.length === 0) return
  const { id } = chance.pick(known)
  await client.ask('look at a foreign appointment', {
    method: 'GET',
    path: `/api/v1/appointments/${id}`,
    statuses: [404],
    isRepeatable: false,
  })
}
