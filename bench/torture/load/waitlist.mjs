import { checkChoice, chooseSlot, pickAnyDay, pickDay, takeOne, track } from './desk.mjs'
import { idsOfPerson, survivorOf } from './merges.mjs'

// Patients who wait: for one day, and with one wish for any of several days, of which one visit comes at most.

const WAITLIST = '/api/v1/appointments/waitlist'

export async function wait(client) {
  const { chance, clinic, world } = client
  const patient = chance.pick(client.patients)
  const day = pickAnyDay(client)
  const wish = chooseSlot(client)
  const reply = await client.ask('wait for a slot', {
    path: WAITLIST,
    body: { patient_id: patient, doctor_id: day.doctor, date: day.date, ...wish },
    statuses: [201, 200, 409, 422],
  })
  if (reply.status >= 400) return
  const { id, patient_id, wish: ofWish } = reply.body
  world.acknowledge('place in line', { clinic, id })
  client.places.push({ id, patient: patient_id, wish: reply.status === 201 ? wish : {}, ofWish: ofWish?.id })
}

export async function answerOffer(client) {
  const place = takeOne(client, client.places)
  if (!place) return
  if (client.chance.happens(0.2)) return await decline(client, place)
  const reply = await accept(client, place)
  if (reply.status === 201) checkChoice(client, place.wish, reply)
  if (reply.code === 'no_offer') client.places.push(place)
}

async function decline({ ask, clinic, world }, { id, ofWish }) {
  const statuses = [200, 410, ...(ofWish ? [409] : [])]
  const declined = await ask('decline', { path: `${WAITLIST}/${id}/decline`, statuses })
  if (declined.status === 200) world.acknowledge('decline', { clinic, id })
}

async function accept(client, { id, patient, ofWish }) {
  const { clinic, world } = client
  const statuses = [201, 409, 410, 422]
  const reply = await client.ask(ofWish ? 'accept a wished day' : 'accept', {
    path: `${WAITLIST}/${id}/accept`,
    statuses,
  })
  if (reply.code === 'wish_fulfilled' && !ofWish)
    world.breaks('expected answer', `${id} is part of no wish: ${reply.text}`)
  if (reply.status !== 201) return reply
  // Whatever was merged since, the visit is for the id under which the patient began to wait, and no other id
  // of the patient has one on that day.
  const others = idsOfPerson(client, patient).filter((other) => other !== patient)
  track(client, reply.body, patient, { aloneAmong: others })
  world.acknowledge('accepted offer', { clinic, id, visit: reply.body.id, ofWish })
  const wish = client.wishes.find((one) => one.id === ofWish)
  wish?.visits.push(reply.body.id)
  return reply
}

/** Otherwise most offers would be over by the time of the answer. */
const ANSWERED_AT_ONCE = 0.6

/** A wish for some of the dates of a doctor. An open wish for the same dates is kept. */
export async function makeWish(client) {
  const { chance, clinic, world } = client
  const { doctor } = pickDay(client)
  const first = chance.below(clinic.dates.length - 1)
  const dates = clinic.dates.slice(first, first + chance.between(2, clinic.dates.length))
  const when = chance.happens(0.5) ? { dates: dates.toReversed() } : { from: dates[0], to: dates.at(-1) }
  const patient = chance.pick(client.patients)
  const request = {
    path: WAITLIST,
    body: { patient_id: patient, doctor_id: doctor, ...when, ...chooseSlot(client) },
    statuses: [201, 200, 422],
    // The answer shows what became of the wish meanwhile.
    isRepeatable: false,
  }
  const reply = await client.ask('wish for any day', request)
  if (reply.status >= 400) return
  const { wish_id: id, patient_id } = reply.body
  if (chance.happens(0.3)) await makeWishAgain(client, request, reply)
  if (client.wishes.some((known) => known.id === id)) return
  if (reply.status === 201 && patient_id !== survivorOf(client, patient))
    world.breaks('both ids are one patient', `wish of ${patient}: ${reply.text}`)
  const wish = { clinic, id, patient: patient_id, doctor, dates, visits: [], isLeft: false }
  client.wishes.push(wish)
  world.acknowledge('wish', wish)
  if (chance.happens(ANSWERED_AT_ONCE)) await answer(client, wish)
}

/** A retry makes no second wish. */
async function makeWishAgain({ ask, world }, request, { key, status, body }) {
  const again = await ask('wish again', { ...request, key, statuses: [status] })
  if (again.status === status && again.body.wish_id !== body.wish_id)
    world.breaks('same key, same answer', `${key} made the wish ${body.wish_id}, then ${again.text}`)
}

/** So often a patient gives up a wish, leaves one of its days, and is quick to take another day as well. */
const [GIVES_UP, LEAVES_A_DAY, TAKES_ANOTHER] = [0.1, 0.1, 0.5]

export async function answerWish(client) {
  const wish = client.chance.pick(client.wishes.slice(-LATEST_WISHES))
  if (wish) await answer(client, wish)
}

/** Of the earlier ones nearly all are over. */
const LATEST_WISHES = 6

/** Several days at once are accepted, of which one may win; after that no other one can. */
async function answer(client, wish) {
  const { chance, world } = client
  const places = await placesOf(client, wish)
  if (places.length > 0 && chance.happens(LEAVES_A_DAY)) return await decline(client, takeOne(client, places))
  const chosen = Array.from({ length: Math.min(places.length, chance.between(2, 3)) }, () =>
    takeOne(client, places),
  )
  const givesUp = chance.happens(GIVES_UP)
  const accepting = chosen.map((place) => accept(client, place))
  await Promise.all([...accepting, givesUp && giveUp(client, wish)])
  const [other] = places
  if (other && wish.visits.length > 0 && chance.happens(TAKES_ANOTHER)) await accept(client, other)
  if (wish.visits.length + Number(wish.isLeft) > 1)
    world.breaks('of a wish comes one visit', `${wish.id}: ${wish.visits.join()}, given up: ${wish.isLeft}`)
}

async function placesOf({ ask }, { id, patient }) {
  const { body, status } = await ask('read a wish', {
    method: 'GET',
    path: `${WAITLIST}/wishes/${id}`,
    statuses: [200],
    isRepeatable: false,
  })
  const waiting = status === 200 ? body.places.filter((place) => place.status === 'waiting') : []
  return waiting.map((place) => ({ id: place.id, patient, ofWish: id }))
}

async function giveUp({ ask }, wish) {
  const path = `${WAITLIST}/${wish.id}/decline`
  const { status } = await ask('give up a wish', { path, statuses: [200, 409, 410] })
  if (status === 200) wish.isLeft = true
}
