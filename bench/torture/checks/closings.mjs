import { isCovered } from '../load/leaves.mjs'
import { inTurns, read, tally } from './facts.mjs'

/** Who is absent on a date is whom a leave, a closing or a retirement keeps away: no more and no fewer. */
export async function checkClosings(world, rack, { days }) {
  await inTurns(world.clinics, async (clinic) => {
    const listed = await read(rack, clinic, '/api/v1/closings?limit=1000')
    const standing = world.all('closing', clinic).filter(({ isOver }) => !isOver)
    const [found, expected] = [
      listed.map(({ closing_id: id, from, to }) => `${id} ${from} ${to}`),
      standing.map(({ id, dates }) => `${id} ${dates[0]} ${dates.at(-1)}`),
    ]
    if (found.sort().join() !== expected.sort().join())
      world.breaks('no acknowledged write lost', `closings ${expected.join()}, listed ${found.join()}`)
    const closed = new Set(standing.flatMap(({ dates }) => dates))
    for (const day of days.filter((one) => one.clinic === clinic && clinic.onLeave.includes(one.doctor)))
      checkPresence(world, day, closed)
  })
  await checkJobs(world, rack)
}

function checkPresence(world, { clinic, doctor, date, name, ledger, events, isPresent }, closed) {
  const causes = [
    ...(clinic.retired.has(doctor) ? ['retired'] : []),
    ...(closed.has(date) ? ['closed'] : []),
    ...world
      .all('leave', clinic)
      .filter((leave) => leave.doctor === doctor && isCovered(leave, date))
      .map(({ id, status }) => `${id} ${status}`),
  ]
  // Of a leave that is paused the day may not have been told, and of a day that is not in use no job knows.
  const isToldOf = !causes.every((cause) => cause.endsWith('paused')) && events.some(isOfUse)
  const isOpen = causes.length === 0
  if (ledger.is_present !== isOpen || ((isOpen || isToldOf) && isPresent !== isOpen))
    world.breaks(
      'a day is closed while it is to be',
      `${name}: ${ledger.is_present}, by its log ${isPresent}, ${causes.join()}`,
    )
}

/** A move that was refused may be all that a day knows. */
const isOfUse = ({ type }) => !['opened', 'reservation_ended', 'availability_set'].includes(type)

/** Each closing and each retirement has one job, and the job has ended as it was told. */
async function checkJobs(world, rack) {
  const jobs = await rack.select(`SELECT clinic_id, kind, coalesce(doctor_id, id) AS id, status FROM leaves
    WHERE kind <> 'leave'`)
  const found = tally(jobs.map(({ clinic_id, kind, id, status }) => [clinic_id, kind, id, status].join(' ')))
  const counts = (what) => tally(world.all(what).map(({ clinic, id }) => `${clinic.id} retirement ${id}`))
  const reinstated = counts('reinstatement')
  const expected = new Map(
    world
      .all('closing')
      .map(({ clinic, id, isOver }) => [
        `${clinic.id} closing ${id} ${isOver ? 'cancelled' : 'completed'}`,
        1,
      ]),
  )
  for (const [name, count] of counts('retirement')) {
    const ended = reinstated.get(name) ?? 0
    if (ended > 0) expected.set(`${name} cancelled`, ended)
    if (count > ended) expected.set(`${name} completed`, count - ended)
  }
  for (const name of new Set([...found.keys(), ...expected.keys()]))
    if (found.get(name) !== expected.get(name))
      world.breaks('every leave ends', `${name}: ${found.get(name) ?? 0}, not ${expected.get(name) ?? 0}`)
}
