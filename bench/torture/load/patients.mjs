import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { chooseDay, track } from './desk.mjs'

// Patients: registered, changed by the client that knows them, and found by what they are called now.

const PATIENTS = '/api/v1/patients'

export async function register(client) {
  const { chance, clinic, number, world } = client
  const phone = newPhone(client)
  const wanted = { name: `Patient ${phone}`, phone, age: chance.between(0, 99) }
  const request = { path: PATIENTS, body: wanted, statuses: [201], isRepeatable: false }
  const reply = await client.ask('register a patient', request)
  if (reply.status !== 201) return
  client.registrations = [...(client.registrations ?? []), { key: reply.key, id: reply.body.id, request }]
  client.patients.push(reply.body.id)
  world.acknowledge('patient', { clinic, owner: number, id: reply.body.id, wanted, changes: 0 })
}

/** Ten digits that no other client of the clinic uses. */
export function newPhone(client) {
  client.phones = (client.phones ?? 0) + 1
  return `+1${2_000_000_000 + client.number * 10_000_000 + client.phones}`
}

/** A late retry finds its patient, as that patient is by then, and registers nobody else. */
export async function registerAgain(client) {
  const registered = client.chance.pick(client.registrations ?? [])
  if (!registered) return
  const { key, id, request } = registered
  const reply = await client.ask('register again', { ...request, key })
  if (reply.status === 201 && reply.body.id !== id)
    client.world.breaks('same key, same answer', `${key} registered ${id}, then ${reply.body.id}`)
}

/** A change names the version that it was made for, so none is lost to another one. */
export async function changePatient(client) {
  const { chance, clinic, keys, number, world } = client
  const patient = chance.pick(world.all('patient', clinic).filter(({ owner }) => owner === number))
  if (!patient) return
  const name = `Changed ${number} ${keys}`
  const reply = await client.ask('change a patient', {
    method: 'PATCH',
    path: `${PATIENTS}/${patient.id}`,
    headers: { 'If-Match': `"${patient.changes + 1}"` },
    body: { name, ...(chance.happens(0.5) && { notes: `notes ${keys}` }) },
    statuses: [200],
    isRepeatable: false,
  })
  if (reply.status !== 200) return
  patient.changes += 1
  patient.wanted = { ...patient.wanted, name }
  await findPatient(client, patient)
}

/** Who was changed is found by the new name, in the answer that follows, and by no other. */
async function findPatient(client, { id, wanted }) {
  const { body, status } = await client.ask('find a patient', {
    path: `${PATIENTS}/search`,
    body: { q: wanted.name },
    statuses: [200],
    isRepeatable: false,
  })
  if (status !== 200) return
  const found = body.filter(({ name }) => name === wanted.name).map((patient) => patient.id)
  if (!isDeepStrictEqual(found, [id]))
    client.world.breaks('a patient is found by name', `${id} ${wanted.name}: ${JSON.stringify(found)}`)
}

/** So often an erasure that has not reached every store is asked again, and so long is the pause. */
const [ERASED_WITHIN, ERASED_AGAIN_MS] = [60, 250]

/**
 * A patient with a visit ahead is erased: the visit is cancelled, the id is unknown from then on, and nobody
 * is found by the name.
 */
export async function erasePatient(client) {
  const { clinic, number, world } = client
  const [phone, day] = [newPhone(client), chooseDay(client, { isNeverAbsent: true })]
  const wanted = { name: `Erased ${number} ${phone}`, phone, notes: 'secret' }
  const registered = { path: PATIENTS, body: wanted, statuses: [201], isRepeatable: false }
  const { status, body } = await client.ask('register who is erased', registered)
  if (status !== 201) return
  const { id } = body
  world.acknowledge('erased patient', { clinic, id })
  const visit = await client.ask('book who is erased', {
    path: '/api/v1/appointments',
    body: { patient_id: id, doctor_id: day.doctor, date: day.date, reason: 'secret' },
    statuses: [201, 409, 422],
  })
  if (visit.status === 201) {
    track(client, visit.body, id).status = 'cancelled'
    world.acknowledge('cancel', { clinic, id: visit.body.id })
  }
  await erase(client, id)
  const path = `${PATIENTS}/${id}`
  await client.ask('read who was erased', { method: 'GET', path, statuses: [404], isRepeatable: false })
  const search = { path: `${PATIENTS}/search`, body: { q: wanted.name }, statuses: [200] }
  const found = await client.ask('find who was erased', { ...search, isRepeatable: false })
  if (found.status === 200 && found.body.some((one) => one.id === id || one.phone === phone))
    world.breaks('who was erased is found no more', `${id}: ${found.text}`)
}

async function erase({ ask, world }, id) {
  const path = `${PATIENTS}/${id}?cancel_ahead=true`
  const request = { method: 'DELETE', path, statuses: [200, 202], isRepeatable: false }
  for (let times = 0; times < ERASED_WITHIN; times += 1) {
    const { status } = await ask('erase a patient', request)
    if (status !== 202) return
    await sleep(ERASED_AGAIN_MS)
  }
  world.breaks('an erasure ends', id)
}
