import { bookOn } from './desk.mjs'

// The clinic closes on some of the dates on which only the doctors who take leaves work, and no leave covers:
// visits that are moved there find it closed. A doctor retires and is reinstated.

const CLOSINGS = '/api/v1/closings'

/** The dates of leaves come before these. */
const FROM_DATE = 5

/** Stands for the clinic itself among the doctors who are busy: one client at a time closes it. */
const CLINIC = 'clinic'

export async function closeClinic(client) {
  const { chance, clinic, world } = client
  if (clinic.busy.has(CLINIC)) return
  clinic.busy.add(CLINIC)
  const standing = world.all('closing', clinic).filter(({ isOver }) => !isOver)
  if (standing.length > 0 && chance.happens(0.6)) await open(client, chance.pick(standing))
  else await close(client, standing)
  clinic.busy.delete(CLINIC)
}

async function close(client, standing) {
  const { ask, chance, clinic, world } = client
  const later = clinic.leaveDates.slice(FROM_DATE)
  const first = chance.below(later.length)
  const dates = later.slice(first, first + chance.between(1, 2))
  const isTaken = standing.some((closing) => closing.dates.some((date) => dates.includes(date)))
  const reply = await ask('close the clinic', {
    path: CLOSINGS,
    body: { from: dates[0], to: dates.at(-1), reason: 'Closed' },
    statuses: [isTaken ? 409 : 201],
    // The answer lists the visits that stand by then.
    isRepeatable: false,
  })
  if (reply.status !== 201) return
  world.acknowledge('closing', { clinic, id: reply.body.closing_id, dates, isOver: false })
  const day = { doctor: chance.pick(clinic.onLeave), date: chance.pick(dates) }
  const { body, status } = await bookOn(client, day, {}, { isAnother: true, statuses: [422] })
  if (status === 201) world.breaks('a closed clinic books nobody', `${body.id} on ${day.date}`)
}

async function open({ ask, newKey }, closing) {
  const reply = await ask('open the clinic', removal(`${CLOSINGS}/${closing.id}`, newKey()))
  if (reply.status === 200) closing.isOver = true
}

/** A DELETE with a key, whose retry gets the first answer. */
const removal = (path, key) => ({
  ...{ method: 'DELETE', path, headers: { 'Idempotency-Key': key }, statuses: [200] },
})

/** For so many of those who retire it was a mistake. */
const REINSTATED = 0.8

/** `doctor`: no other client steers a leave of the doctor meanwhile. */
export async function retire(client, doctor) {
  const { ask, chance, clinic, newKey, world } = client
  const path = `/api/v1/doctors/${doctor}`
  const retired = await ask('retire a doctor', {
    ...removal(path, newKey()),
    // The answer lists the visits that stand by then.
    isRepeatable: false,
  })
  if (retired.status !== 200) return
  world.acknowledge('retirement', { clinic, id: doctor })
  clinic.retired.add(doctor)
  const date = chance.pick(clinic.leaveDates)
  const { body, status } = await bookOn(client, { doctor, date }, {}, { isAnother: true, statuses: [422] })
  if (status === 201) world.breaks('who has retired takes nobody', `${body.id} of ${doctor}`)
  if (!chance.happens(REINSTATED)) return
  const reinstated = await ask('reinstate a doctor', {
    path: `${path}/reinstate`,
    statuses: [200],
    isRepeatable: false,
  })
  if (reinstated.status !== 200) return
  world.acknowledge('reinstatement', { clinic, id: doctor })
  clinic.retired.delete(doctor)
}
