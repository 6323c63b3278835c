import { isDeepStrictEqual } from 'node:util'

// Changes of doctors. Only one client changes a doctor, one change after the other, so it knows the doctor's
// state after each.

/** How often a newer change and a retry of an older one follow, and how often both are sent at once. */
const [CHANGED_AGAIN, AT_ONCE] = [0.7, 0.5]

/** A doctor as its client knows it: the current state, and the changes that led to it. */
export const newRecord = (client, owner, body) => ({
  ...{ clinic: client.clinic, owner, id: body.id, wanted: body, changes: [] },
})

export async function changeDoctor(client) {
  const { chance, clinic, number, world } = client
  const doctor = chance.pick(world.all('doctor', clinic).filter(({ owner }) => owner === number))
  if (!doctor) return
  await sendNewChange(client, doctor)
  if (chance.happens(CHANGED_AGAIN)) await changeAgain(client, doctor)
  await readDoctor(client, doctor)
}

/** An older change is retried while the doctor is changed again, or after that. */
async function changeAgain(client, doctor) {
  const { chance } = client
  const [older, isAtOnce] = [chance.pick(doctor.changes), chance.happens(AT_ONCE)]
  const changing = sendNewChange(client, doctor)
  if (!isAtOnce) await changing
  await Promise.all([changing, retryChange(client, doctor, older)])
}

async function sendNewChange(client, doctor) {
  const body = newChange(client)
  const wanted = { ...doctor.wanted, ...body }
  const change = { key: client.newKey(), body, wanted }
  // From the first attempt on the change may be seen.
  doctor.wanted = wanted
  const reply = await client.ask('change a doctor', {
    ...requestOf(doctor, change),
    statuses: [200],
  })
  doctor.changes.push(change)
  if (reply.status === 200 && !isDeepStrictEqual(reply.body, wanted))
    client.world.breaks('expected answer', `change of ${doctor.id}: ${reply.text}, not ${told(wanted)}`)
}

/** Names are unique, so that a state shows which change it comes from. */
function newChange({ chance, number, keys }) {
  const change = {
    name: `Dr Changed ${number} ${keys}`,
    specialty: chance.happens(0.3) ? null : `specialty ${number} ${keys}`,
    capacity: chance.between(4, 14),
  }
  const kept = Object.keys(change).filter((field) => field === 'name' || chance.happens(0.5))
  return Object.fromEntries(kept.map((field) => [field, change[field]]))
}

const requestOf = ({ id }, { key, body }) => ({ method: 'PATCH', path: `/api/v1/doctors/${id}`, key, body })

/** The answer is that of the first request, although later changes followed. */
async function retryChange(client, doctor, change) {
  const reply = await client.ask('retry an older change', {
    ...requestOf(doctor, change),
    statuses: [200],
    isRepeatable: false,
  })
  if (reply.status === 200 && !isDeepStrictEqual(reply.body, change.wanted))
    client.world.breaks('same key, same answer', `${change.key} of ${doctor.id} answered ${reply.text}`)
}

/** A read shows the newest acknowledged change. */
async function readDoctor(client, doctor) {
  const reply = await client.ask('read a doctor', {
    method: 'GET',
    path: `/api/v1/doctors/${doctor.id}`,
    statuses: [200],
    isRepeatable: false,
  })
  if (reply.status === 200 && !isDeepStrictEqual(reply.body, doctor.wanted))
    client.world.breaks('a late retry undoes nothing', `${reply.text}, not ${told(doctor.wanted)}`)
}

const told = (state) => JSON.stringify(state)
