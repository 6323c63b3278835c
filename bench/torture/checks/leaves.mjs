import { checkProgress } from '../load/leaves.mjs'
import { dayName } from '../world.mjs'
import { inTurns, read, tally } from './facts.mjs'

// Each leave is as its doctor was told, and what it says of its patients is what the days' logs say.

export async function checkLeaves(world, rack, { days, events }) {
  const known = new Map(days.map((day) => [`${day.clinic.id} ${day.name}`, day]))
  await inTurns(world.all('leave'), async (leave) => {
    const path = `/api/v1/doctors/${leave.doctor}/leave/${leave.id}`
    const [progress, dates] = await Promise.all([
      read(rack, leave.clinic, path),
      read(rack, leave.clinic, `${path}/dates?limit=62`),
    ])
    checkEnd(world, leave, progress, dates)
    checkSums(world, leave, progress, dates)
    for (const date of dates) {
      const day = known.get(`${leave.clinic.id} ${dayName({ doctor: leave.doctor, date: date.date })}`)
      checkTold(world, leave, date, day)
      checkPatients(world, leave, date, day, events)
    }
  })
  await checkNoOther(world, rack)
}

/** A leave ends as it was told, and so does each of its dates. */
function checkEnd(world, leave, progress, dates) {
  const { id, status, cut } = leave
  const isRight =
    progress.status === status &&
    dates.map(({ date }) => date).join() === leave.dates.join() &&
    dates.every(({ date, state }) => endsOf(status, cut !== null && date >= cut).includes(state))
  if (!isRight)
    world.breaks(
      'every leave ends',
      `${id}: ${status}, from ${cut} on open: ${JSON.stringify({ progress, dates })}`,
    )
}

function endsOf(status, isCut) {
  if (status === 'cancelled' || isCut) return ['ended']
  return status === 'paused' ? ['pending', 'told'] : ['told']
}

const LISTS = ['moved', 'waitlisted', 'to_call']

function checkSums(world, leave, progress, dates) {
  checkProgress(world, leave, progress, JSON.stringify(progress))
  const states = tally(dates.map(({ state }) => state))
  const wrong = [
    ...LISTS.filter((list) => dates.reduce((sum, date) => sum + date[list].length, 0) !== progress[list]),
    ...Object.keys(progress.dates).filter((state) => progress.dates[state] !== (states.get(state) ?? 0)),
  ]
  if (wrong.length > 0)
    world.breaks(
      'the progress of a leave adds up',
      `${leave.id}: ${wrong.join()} of ${JSON.stringify(dates)}`,
    )
}

/**
 * The day was closed once by this leave, unless it was closed already, and was opened once where the leave has
 * ended. Whether it is to be open is checked with the closings.
 */
function checkTold(world, { id, dates, status }, { date, state }, { name, events, ledger }) {
  const ofLeave = events.filter(({ type, data }) => type === 'availability_set' && data.leave_id === id)
  const closed = ofLeave.filter(({ data }) => !data.is_present).length
  const opened = ofLeave.length - closed
  const isRight = {
    pending: closed <= 1 && opened === 0,
    told: (closed === 1 || isClosedElse(id, events)) && opened === 0 && !ledger.is_present,
    ended: closed <= 1 && opened <= closed,
  }[state]
  if (!isRight)
    world.breaks(
      'a leave tells each day once',
      `${id} ${status} ${dates.join()}: ${name} of ${date} is ${state}, closed ${closed}, opened ${opened}`,
    )
}

/** Another leave, or a retirement, has closed the day at some time. */
const isClosedElse = (id, events) =>
  events.some(
    ({ type, data }) =>
      type === 'availability_set' && data.leave_id && data.leave_id !== id && !data.is_present,
  )

/** Each patient of the day is in one list, as the logs say, and nobody is left on the day unseen. */
function checkPatients(world, { id }, date, day, events) {
  const { moved, waitlisted, to_call: toCall, state } = date
  const breaks = (what) =>
    world.breaks('a leave says what became of each patient', `${id} ${day.name}: ${what}`)
  for (const list of LISTS) for (const _ of date[list]) world.count('patient of a leave', list)
  const ids = [moved, waitlisted, toCall].flat().map(({ appointment_id }) => appointment_id)
  if (new Set(ids).size < ids.length) breaks(`twice in ${JSON.stringify(date)}`)
  const ofDay = (type, visit) =>
    day.events.filter((event) => event.type === type && event.data.appointment_id === visit)
  for (const { appointment_id, doctor_id, date: to, slot } of moved) {
    // A visit that has moved on since is shown where it is now.
    const isMove = ({ data }) =>
      data.to.doctor_id === doctor_id && data.to.date === to && (data.slot ?? data.to.slot) === slot
    if (![...ofDay('moved_out', appointment_id), ...ofDay('pointed', appointment_id)].some(isMove))
      breaks(`${appointment_id} has not moved to ${to}`)
  }
  for (const { appointment_id, doctor_id, date: to, waitlist_id } of waitlisted) {
    const isInstead = ({ data }) => data.waiting?.wait_id === waitlist_id
    const place = events.find(({ type, wait_id }) => type === 'waitlisted' && wait_id === waitlist_id)
    const isThere = place?.day === dayName({ doctor: doctor_id, date: to })
    if (!ofDay('cancelled', appointment_id).some(isInstead) || !isThere)
      breaks(`${appointment_id} does not wait as ${waitlist_id} for ${to}`)
  }
  if (state !== 'told') return
  for (const visit of struckBy(id, day.events))
    if (!ids.includes(visit) && !GONE.some((type) => ofDay(type, visit).length > 0))
      breaks(`${visit} is in no list of ${JSON.stringify(date)}`)
  const unseen = day.listed.filter((visit) => visit.status === 'booked' && !ids.includes(visit.id))
  if (unseen.length > 0) breaks(`booked, and in no list: ${unseen.map((visit) => visit.id).join()}`)
}

/** How a visit can end by itself before the leave has told what became of it. */
const GONE = ['cancelled', 'no_show', 'served']

/** The visits that the day named when this leave closed it. */
function struckBy(leaveId, events) {
  const from = events.findIndex(
    ({ type, data }) => type === 'availability_set' && data.leave_id === leaveId && !data.is_present,
  )
  if (from < 0) return []
  return events
    .slice(from)
    .flatMap(({ type, data }) => (type === 'absence_struck' ? data.appointment_ids : []))
}

/** No leave is there that was never acknowledged, and none twice. */
async function checkNoOther(world, rack) {
  const expected = new Set(world.all('leave').map(({ clinic, id }) => `${clinic.id} ${id}`))
  const found = tally(
    (await rack.select("SELECT clinic_id, id FROM leaves WHERE kind = 'leave'")).map(nameOf),
  )
  for (const [name, count] of found)
    if (count > 1 || !expected.has(name)) world.breaks('no effect twice', `leave ${name}: ${count}`)
  for (const name of expected)
    if (!found.has(name)) world.breaks('no acknowledged write lost', `leave ${name} is missing`)
}

const nameOf = ({ clinic_id, id }) => `${clinic_id} ${id}`
