import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { dayName } from '../world.mjs'
import { retire } from './closings.mjs'
import { bookOn, chooseDay } from './desk.mjs'
import { newDoctor } from './doctors.mjs'

// Doctors take leaves. These doctors do nothing else, so that only a leave closes their days. One client at a
// time declares and steers the leaves of a doctor, while all book on these days.

/** The longest leave, and on which dates it may begin. */
const [DAYS_MAX, BEGINS_WITHIN] = [3, 3]

/** Dates of a leave that is cancelled are open again in this time, unless the service dies meanwhile. */
const [OPEN_AGAIN_TRIES, OPEN_AGAIN_MS] = [20, 200]

/** So few that many who are moved find no room, and wait instead. */
const SLOTS = { least: 2, most: 4 }

/** Nobody changes this doctor. Every day of the doctor may lose its visits to a leave. */
export async function addDoctorOnLeave(client) {
  const { clinic, world } = client
  const id = await newDoctor(client, null, SLOTS)
  if (!id) return
  clinic.onLeave.push(id)
  for (const date of clinic.leaveDates) world.absenceDays.add(dayName({ doctor: id, date }))
}

/** Some doctors have so many leaves that stand that others begin to take leaves. */
const ADDS_A_DOCTOR = 0.08

export async function takeLeave(client) {
  if (client.chance.happens(ADDS_A_DOCTOR)) await addDoctorOnLeave(client)
  await withDoctor(client, async (doctor) => {
    const leave = await declare(client, doctor)
    if (!leave) return
    const what = client.chance.weighted({ wait: 3, pause: 3, end: 4 })
    // Most of these are cancelled while their job tells the first day.
    if (what !== 'end' || client.chance.happens(0.2)) await bookClosed(client, leave)
    if (what === 'pause') await pause(client, leave)
    if (what === 'end') await end(client, leave)
    await readProgress(client, leave)
  })
}

/** A leave that was declared long ago is resumed, or cancelled. */
export function endLeave(client) {
  return withDoctor(client, async (doctor) => {
    const leave = client.chance.pick(leavesOf(client, doctor).filter(({ status }) => status !== 'cancelled'))
    if (leave?.status === 'paused') await resume(client, leave)
    else if (leave) await end(client, leave)
  })
}

export const retireDoctor = (client) => withDoctor(client, (doctor) => retire(client, doctor))

/** The doctor is taken for so long, so that no other client steers the same leave. */
async function withDoctor({ chance, clinic }, work) {
  const { busy, onLeave, retired } = clinic
  const doctor = chance.pick(onLeave.filter((id) => !busy.has(id) && !retired.has(id)))
  if (!doctor) return
  busy.add(doctor)
  await work(doctor)
  busy.delete(doctor)
}

const leavesOf = ({ clinic, world }, doctor) =>
  world.all('leave', clinic).filter((leave) => leave.doctor === doctor)

/** Visits are booked before the leave, and while it is declared. */
async function declare(client, doctor) {
  const { chance, clinic, world } = client
  const first = chance.below(BEGINS_WITHIN)
  const dates = clinic.leaveDates.slice(first, first + chance.between(1, DAYS_MAX))
  const bookOne = () => bookOn(client, { doctor, date: chance.pick(dates) })
  for (let n = chance.between(0, 3); n > 0; n -= 1) await bookOne()
  const moveTo = whereTo(client, doctor, dates)
  const reason = `leave ${client.number} ${client.keys}`
  const span = { from: dates[0], to: dates.at(-1) }
  const request = { path: leavePath(doctor), body: { ...span, reason, ...(moveTo && { move_to: moveTo }) } }
  const declaring = client.ask('declare a leave', {
    ...request,
    statuses: () => (covering(client, doctor, dates) ? [409] : [202, 409]),
  })
  const [reply] = await Promise.all([declaring, bookOne(), bookOne()])
  if (reply.status !== 202) return null
  const leave = { clinic, doctor, id: reply.body.leave_id, dates, cut: null }
  const declared = { ...request, key: reply.key, answer: reply.body }
  Object.assign(leave, { declared, status: 'completed', pauses: 0, resumes: 0, cancels: 0 })
  world.acknowledge('leave', leave)
  return leave
}

/** A leave that stands and covers one of the dates. */
const covering = ({ clinic, world }, doctor, dates) =>
  leavesOf({ clinic, world }, doctor).find((leave) => dates.some((date) => isCovered(leave, date)))

/** Whether the leave, as it was told last, still covers the date. */
export const isCovered = ({ dates, cut, status }, date) =>
  status !== 'cancelled' && dates.includes(date) && (cut === null || date < cut)

/** Nowhere, to later dates of the doctor, to another doctor who may be on leave as well, or to any doctor. */
function whereTo(client, doctor, dates) {
  const { chance, clinic } = client
  const daysLater = chance.between(dates.length, DAYS_MAX)
  const other = chance.pick(clinic.onLeave.filter((id) => id !== doctor))
  const [where, any] = [
    chance.weighted({ none: 2, later: 3, other: 2, both: 1, any: 2 }),
    chooseDay(client).doctor,
  ]
  if (where === 'none') return null
  if (where === 'later') return { days_later: daysLater }
  if (where === 'both') return { doctor_id: other, days_later: daysLater }
  // The other doctors are seen on the first dates only.
  return { doctor_id: where === 'any' && clinic.dates.includes(dates.at(-1)) ? any : other }
}

const leavePath = (doctor, rest = '') => `/api/v1/doctors/${doctor}/leave${rest}`

/** From the answer on nobody is booked on a date of the leave. */
async function bookClosed(client, { id, dates, doctor }) {
  const date = client.chance.pick(dates)
  const { body, status } = await bookOn(client, { doctor, date }, {}, { isAnother: true, statuses: [422] })
  if (status === 201) client.world.breaks('a leave closes its dates', `${id} ${date}: ${body.id} is booked`)
}

/** A retry gets the first answer: a late one must not pause the leave again, nor count where it was refused. */
async function pause(client, leave) {
  const { chance } = client
  const paused = await steer(client, leave, 'pause', {}, [200, 409])
  if (paused.status !== 200) return await steer(client, leave, 'pause', { key: paused.key }, [409])
  leave.pauses += 1
  leave.status = 'paused'
  await bookClosed(client, leave)
  if (chance.happens(0.3)) return
  const resumed = await resume(client, leave)
  if (resumed.status !== 200) return
  await steer(client, leave, 'pause', { key: paused.key }, [200])
  const { body } = await get(client, leave)
  if (body?.status === 'paused')
    client.world.breaks('a late retry undoes nothing', `${paused.key} has paused ${leave.id} again`)
}

async function resume(client, leave) {
  const resumed = await steer(client, leave, 'resume', {}, [200])
  if (resumed.status !== 200) return resumed
  leave.resumes += 1
  leave.status = 'completed'
  return resumed
}

/** From a date on, or all of it. The dates are open again as soon as the job has told the days. */
async function end(client, leave) {
  const { chance } = client
  const isCut = leave.cut === null && leave.dates.length > 1 && chance.happens(0.5)
  const from = isCut ? leave.dates[1] : undefined
  const ended = await steer(client, leave, 'cancel', { body: { from } }, [200])
  if (ended.status !== 200) return
  leave.cancels += 1
  if (isCut) leave.cut = from
  else leave.status = 'cancelled'
  if (chance.happens(0.3)) await declareAgain(client, leave)
  for (let tries = 0; tries < OPEN_AGAIN_TRIES && !client.world.isOver; tries += 1) {
    const { body } = await get(client, leave)
    if (body?.dates.ending === 0) return await bookOpened(client, leave)
    await sleep(OPEN_AGAIN_MS)
  }
}

/** A retry declares nothing, and gets the first answer whatever became of the leave. */
async function declareAgain(client, { declared: { answer, ...request } }) {
  const wanted = { ...request, statuses: [202], isRepeatable: false }
  const { body, status, text } = await client.ask('declare a leave again', wanted)
  if (status === 202 && !isDeepStrictEqual(body, answer))
    client.world.breaks('same key, same answer', `${request.key}: ${text}, first ${JSON.stringify(answer)}`)
}

async function bookOpened(client, leave) {
  const { doctor } = leave
  const date = client.chance.pick(leave.dates.filter((one) => !covering(client, doctor, [one])))
  if (!date) return
  // The job of a retirement that has ended may still have to open the day.
  const wasRetired = client.world.all('retirement').some(({ id }) => id === doctor)
  const statuses = [201, 409, ...(wasRetired ? [422] : [])]
  await bookOn(client, { doctor, date }, {}, { isAnother: true, statuses })
}

/** The answer is the current state of the leave, so a repeated answer may differ. */
const steer = (client, { id, doctor }, step, more, statuses) =>
  client.ask(`${step} a leave`, {
    ...{ path: leavePath(doctor, `/${id}/${step}`), statuses, isRepeatable: false },
    ...more,
  })

const get = (client, { id, doctor }) =>
  client.ask('read a leave', {
    ...{ method: 'GET', path: leavePath(doctor, `/${id}`), statuses: [200], isRepeatable: false },
  })

/** At every moment each date is in one state. */
async function readProgress(client, leave) {
  const { body, text } = await get(client, leave)
  if (body) checkProgress(client.world, leave, body, text)
}

export function checkProgress(world, { id, dates }, progress, text) {
  const days = Object.values(progress.dates).reduce((sum, count) => sum + count, 0)
  if (days !== dates.length || progress.days !== dates.length)
    world.breaks('the progress of a leave adds up', `${id}: ${text}, of ${dates.length} dates`)
}
