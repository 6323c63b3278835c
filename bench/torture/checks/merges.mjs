import { inTurns, read } from './facts.mjs'

// Which records are of one person is what the clients know, and each id answers for the whole person.

export async function checkMerges(world, rack, { copy }) {
  await checkTable(world, rack)
  const visits = Map.groupBy(copy.appointments, ({ clinic_id, patient_id }) => `${clinic_id} ${patient_id}`)
  await inTurns(peopleOf(world), (person) => checkPerson(world, rack, person, visits))
}

/** By the merges and their undoing, in the order of the answers. */
async function checkTable(world, rack) {
  const rows = await rack.select('SELECT clinic_id, old_id, into_id, survivor_id FROM merged_patients')
  const found = rows.map((row) => [row.clinic_id, row.old_id, row.into_id, row.survivor_id].join(' ')).sort()
  const expected = world.clients
    .flatMap(({ clinic, into }) =>
      [...into].map(([old, one]) => [clinic.id, old, one, survivor(into, one)].join(' ')),
    )
    .sort()
  for (const merge of expected)
    if (!found.includes(merge)) world.breaks('no acknowledged write lost', `merge ${merge} is not in D1`)
  for (const merge of found)
    if (!expected.includes(merge)) world.breaks('no effect twice', `merge ${merge} was undone, or never made`)
}

function survivor(into, id) {
  return into.has(id) ? survivor(into, into.get(id)) : id
}

/** Whoever was ever merged, with all ids that the person has now. */
function peopleOf(world) {
  const touched = new Set(world.all('merge').map(({ id }) => id))
  return world.clients.flatMap(({ clinic, into, patients }) => {
    const people = [...Map.groupBy(patients, (id) => survivor(into, id))]
    return people
      .filter(([, ids]) => ids.some((id) => touched.has(id)))
      .map(([inUse, ids]) => ({ clinic, inUse, ids }))
  })
}

/** Each id answers with the record in use, and lists the visits of all ids. */
async function checkPerson(world, rack, { clinic, inUse, ids }, visits) {
  const expected = ids
    .flatMap((id) => visits.get(`${clinic.id} ${id}`) ?? [])
    .map(({ id, patient_id }) => `${id} ${patient_id}`)
    .sort()
  world.count('person at the end', `${ids.length} ids`)
  for (const id of ids) {
    const [patient, listed] = await Promise.all([
      read(rack, clinic, `/api/v1/patients/${id}`),
      read(rack, clinic, `/api/v1/appointments?patient_id=${id}&limit=1000`),
    ])
    const found = listed.map((one) => `${one.id} ${one.patient_id}`).sort()
    if (patient.id !== inUse || patient.merged_into !== (id === inUse ? undefined : inUse))
      world.breaks('both ids are one patient', `${id} of ${inUse}: ${JSON.stringify(patient)}`)
    if (found.join() !== expected.join())
      world.breaks('both ids are one patient', `${id}: ${found.join()}, not ${expected.join()}`)
  }
}
