import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { chooseDay, track } from './desk.mjs'
import { survivorOf } from './merges.mjs'

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
  if (reply.status === 201 && reply.body.id !== survivorOf(client, id))
    client.world.breaks('same key, same answer', `${key} registered ${id}, then ${reply.body.id}`)
}

/** A change names the version that it was made for, so none is lost to another one. A merged record stays. */
export async function changePatient(client) {
  const { chance, clinic, keys, number, world } = client
  const patient = chance.pick(world.all('patient', clinic).filter(({ owner }) => owner === number))
  if (!patient) return
  const name = `Changed ${number} ${keys}`
  const isMerged = client.into.has(patient.id)
  const reply = await client.ask('change a patient', {
    method: 'PATCH',
    path: `${PATIENTS}/${patient.id}`,
    headers: { 'If-Match': `"${patient.changes + 1}"` },
    body: { name, ...(chance.happens(0.5) && { notes: `notes ${keys}` }) },
    statuses: [isMerged ? 409 : 200],
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

/** So many of those who are erased were registered twice, and the two records were merged. */
const REGISTERED_TWICE = 0.3

/**
 * A patient with a visit ahead is erased: the visit is cancelled, each id of the patient is unknown from then
 * on, and nobody is found by a name of the patient.
 */
export async function erasePatient(client) {
  const { clinic, world } = client
  const day = chooseDay(client, { isNeverAbsent: true })
  const isTwice = client.chance.happens(REGISTERED_TWICE)
  const record = await registerToErase(client)
  const old = record && isTwice ? await registerToErase(client) : null
  if (!record || (old && !(await mergeToErase(client, old.id, record.id)))) return
  const { id } = record
  const visit = await client.ask('book who is erased', {
    path: '/api/v1/appointments',
    body: { patient_id: old?.id ?? id, doctor_id: day.doctor, date: day.date, reason: 'secret' },
    statuses: [201, 409, 422],
  })
  if (visit.status === 201) {
    track(client, visit.body, id).status = 'cancelled'
    world.acknowledge('cancel', { clinic, id: visit.body.id })
  }
  // Only the record in use can be erased, and with it all that were merged into it.
  if (old) await client.ask('erase a merged patient', { ...erasure(old.id), statuses: [409] })
  await erase(client, id)
  for (const one of [record, ...(old ? [old] : [])]) await findErased(client, one)
}

async function registerToErase(client) {
  const { clinic, number, world } = client
  const phone = newPhone(client)
  const wanted = { name: `Erased ${number} ${phone}`, phone, notes: 'secret' }
  const registered = { path: PATIENTS, body: wanted, statuses: [201], isRepeatable: false }
  const { status, body } = await client.ask('register who is erased', registered)
  if (status !== 201) return null
  world.acknowledge('erased patient', { clinic, id: body.id })
  return { id: body.id, ...wanted }
}

async function mergeToErase({ ask, clinic, world }, old, into) {
  const merge = { path: `${PATIENTS}/${old}/merge`, body: { into }, statuses: [200], isRepeatable: false }
  const { status } = await ask('merge who is erased', merge)
  if (status === 200) world.acknowledge('merge', { clinic, id: old })
  return status === 200
}

async function findErased(client, { id, name, phone }) {
  const path = `${PATIENTS}/${id}`
  await client.ask('read who was erased', { method: 'GET', path, statuses: [404], isRepeatable: false })
  const search = { path: `${PATIENTS}/search`, body: { q: name }, statuses: [200] }
  const found = await client.ask('find who was erased', { ...search, isRepeatable: false })
  if (found.status === 200 && found.body.some((one) => one.id === id || one.phone === phone))
    client.world.breaks('who was erased is found no more', `${id}: ${found.text}`)
}

const erasure = (id) => ({
  ...{ method: 'DELETE', path: `${PATIENTS}/${id}?cancel_ahead=true`, isRepeatable: false },
})

async function erase({ ask, world }, id) {
  const request = { ...erasure(id), statuses: [200, 202] }
  for (let times = 0; times < ERASED_WITHIN; times += 1) {
    const { status } = await ask('erase a patient', request)
    if (status !== 202) return
    await sleep(ERASED_AGAIN_MS)
  }
  world.breaks('an erasure ends', id)
}
