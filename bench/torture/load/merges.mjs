import { bookOn, mayBeMoved, stillBooked } from './desk.mjs'

// Two records of one person are merged, and some merges are undone. Each client merges only its own patients,
// so it knows at each moment which ids are of one person.

const PATIENTS = '/api/v1/patients'

/** Fewer than a person may have. */
const IDS_MAX = 6

/** How often two desks merge the same records at once, each the other way round. */
const AT_ONCE = 0.3

/** The record in use of the person who has this id. */
export function survivorOf({ into }, id) {
  let inUse = id
  while (into.has(inUse)) inUse = into.get(inUse)
  return inUse
}

/** All ids of the person who has this id. */
export const idsOfPerson = (client, id) =>
  client.patients.filter((other) => survivorOf(client, other) === survivorOf(client, id))

export async function mergePatients(client) {
  const { chance, into, patients } = client
  const inUse = patients.filter((id) => !into.has(id))
  const one = chance.pick(inUse)
  const other = chance.pick(inUse.filter((id) => id !== one))
  if (!other || [one, other].flatMap((id) => idsOfPerson(client, id)).length > IDS_MAX) return
  const [merged] = chance.happens(AT_ONCE)
    ? await bothWays(client, one, other)
    : [(await merge(client, one, other, [200])).status === 200 && [one, other]]
  if (!merged) return
  const [old, survivor] = merged
  await readBoth(client, old, survivor)
  await registerOld(client, old)
  await merge(client, old, chance.pick(inUse.filter((id) => id !== old)), [409])
  await bookTwice(client, old)
}

async function merge(client, old, survivor, statuses) {
  const { ask, clinic, into, world } = client
  const path = `${PATIENTS}/${old}/merge`
  const reply = await ask('merge patients', { path, body: { into: survivor }, statuses })
  if (reply.status !== 200) return reply
  into.set(old, survivor)
  client.merges.set(old, { path, body: { into: survivor }, key: reply.key })
  world.acknowledge('merge', { clinic, id: old })
  return reply
}

/** Exactly one of the two counts. Returns which ids were merged into which. */
async function bothWays(client, one, other) {
  const ways = [
    [one, other],
    [other, one],
  ]
  const replies = await Promise.all(ways.map((way) => merge(client, ...way, [200, 409])))
  const done = ways.filter((_, n) => replies[n].status === 200)
  const said = replies.map(({ status, code }) => `${status} ${code}`).join()
  if (done.length !== 1) client.world.breaks('two merges at once make one', `${one} ${other}: ${said}`)
  return done
}

/** Both ids answer with the record in use, whose list of merges names the old one. */
async function readBoth(client, old, survivor) {
  const wanted = { method: 'GET', statuses: [200], isRepeatable: false }
  for (const id of [old, survivor]) {
    const { body, status } = await client.ask('read a merged patient', {
      ...wanted,
      path: `${PATIENTS}/${id}`,
    })
    const expected = id === old ? survivor : undefined
    if (status === 200 && (body.id !== survivor || body.merged_into !== expected))
      client.world.breaks('both ids are one patient', `${id}: ${JSON.stringify(body)}, not ${survivor}`)
  }
  const listed = await client.ask('list merges', { ...wanted, path: `${PATIENTS}/${survivor}/merges` })
  if (listed.status === 200 && !listed.body.some(({ patient_id }) => patient_id === old))
    client.world.breaks('both ids are one patient', `${old} is not in ${listed.text}`)
}

/** Whoever is registered as the old record says is the patient of the record in use. */
async function registerOld(client, old) {
  const { wanted } = client.world.all('patient', client.clinic).find(({ id }) => id === old)
  const { name, phone } = wanted
  const request = { path: PATIENTS, body: { name, phone }, statuses: [200], isRepeatable: false }
  const { body, status, text } = await client.ask('register who was merged', request)
  if (status === 200 && body.id !== survivorOf(client, old))
    client.world.breaks('both ids are one patient', `${old} registered again: ${text}`)
}

/** A visit under one id counts for the other ids too: no desk books the same day once more. */
async function bookTwice(client, id) {
  const ids = idsOfPerson(client, id)
  const had = client.chance.pick(
    stillBooked(client).filter((one) => ids.includes(one.patient) && !mayBeMoved(client, one)),
  )
  const patient = client.chance.pick(ids.filter((other) => other !== had?.patient))
  if (had && patient) await bookOn(client, had, {}, { patient, isAnother: false })
}

/** The old record is a patient of its own again, with the records that had been merged into it. */
export async function undoMerge(client) {
  const { chance, clinic, into, world } = client
  const old = chance.pick([...into.keys()])
  if (!old) return
  const survivor = into.get(old)
  const path = `${PATIENTS}/${old}/unmerge`
  const reply = await client.ask('undo a merge', { path, statuses: [200] })
  if (reply.status !== 200) return
  if (reply.body.was_merged_into !== survivor)
    world.breaks('both ids are one patient', `${old} was merged into ${survivor}: ${reply.text}`)
  into.delete(old)
  world.acknowledge('undone merge', { clinic, id: old })
  // A late retry makes the merge no second time.
  if (chance.happens(0.5))
    await client.ask('merge again', { ...client.merges.get(old), statuses: [200], isRepeatable: false })
  await client.ask('undo a merge again', { path, statuses: [409] })
  await readOwn(client, old)
}

/** The record is as it was, under its own id, and the visits that were made for it are its own. */
async function readOwn(client, id) {
  const { wanted } = client.world.all('patient', client.clinic).find((patient) => patient.id === id)
  const request = { method: 'GET', statuses: [200], isRepeatable: false }
  const { body, status } = await client.ask('read who was merged', { ...request, path: `${PATIENTS}/${id}` })
  const isOwn = body?.id === id && body.merged_into === undefined && body.name === wanted.name
  if (status === 200 && !isOwn)
    client.world.breaks('an undone merge gives back', `${id}: ${JSON.stringify(body)}, not ${wanted.name}`)
  const path = `/api/v1/appointments?patient_id=${id}&limit=1000`
  const listed = await client.ask('list who was merged', { ...request, path })
  const ids = idsOfPerson(client, id)
  const strange = listed.status === 200 && listed.body.find((one) => !ids.includes(one.patient_id))
  if (strange) client.world.breaks('an undone merge gives back', `${id}: ${JSON.stringify(strange)}`)
}
