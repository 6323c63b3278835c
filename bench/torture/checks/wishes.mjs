import { dayName } from '../world.mjs'
import { inTurns, read } from './facts.mjs'

// Of each wish comes one visit at most. What its home says of it is what the days of its dates say.

export async function checkWishes(world, rack, { events }) {
  const places = placesIn(events)
  const known = new Set(world.all('wish').map(({ clinic, id }) => `${clinic.id} ${id}`))
  for (const [name, { length }] of places)
    if (!known.has(name))
      world.breaks('no effect twice', `wish ${name}, never acknowledged: ${length} places`)
  await inTurns(world.all('wish'), async (wish) => {
    const path = `/api/v1/appointments/waitlist/wishes/${wish.id}`
    const told = await read(rack, wish.clinic, path)
    const own = places.get(`${wish.clinic.id} ${wish.id}`) ?? []
    world.count('wish at the end', told.status)
    checkOneVisit(world, wish, told, own)
    checkPlaces(world, wish, told, own)
  })
  checkSettled(world, events)
}

/** By wish: its place on each day, and how that ended. */
function placesIn(events) {
  const ends = new Map(
    events.flatMap((event) => (event.type === 'wait_ended' ? [[event.wait_id, event.how]] : [])),
  )
  const joined = events.filter(({ type }) => type === 'wish_joined')
  const places = joined.map((event) => ({ ...event, how: ends.get(event.wait_id) ?? null }))
  return Map.groupBy(places, ({ clinic, wish_id }) => `${clinic.id} ${wish_id}`)
}

/** The callers were told of the visit that the days have booked, and no day has booked another one. */
function checkOneVisit(world, { id, visits, isLeft }, told, places) {
  const booked = places.filter(({ how }) => how === 'accepted')
  const expected = isLeft ? 'left' : booked.length > 0 ? 'fulfilled' : null
  const wonOn = told.fulfilled_on && dayName({ doctor: told.doctor_id, date: told.fulfilled_on })
  const isRight =
    booked.length <= 1 &&
    booked.length === visits.length &&
    !(isLeft && booked.length > 0) &&
    (expected === null ? ['waiting', 'over'].includes(told.status) : told.status === expected) &&
    wonOn === booked[0]?.day
  if (!isRight)
    world.breaks(
      'of a wish comes one visit',
      `${id}: ${visits.join()} told, booked ${booked.map(({ day }) => day).join()}, ${JSON.stringify(told)}`,
    )
}

/** Once a wish is fulfilled or given up nobody waits for it any more, and of no day is the answer missing. */
function checkPlaces(world, { id, dates, doctor }, told, places) {
  const breaks = (what) =>
    world.breaks('the end of each wished day is known', `${id}: ${what}, ${JSON.stringify(told)}`)
  if (told.places.map(({ date }) => date).join() !== dates.join()) breaks('other dates')
  const byDay = Map.groupBy(places, ({ day }) => day)
  for (const { date, status, reason, id: placeId } of told.places) {
    const [own, ...more] = byDay.get(dayName({ doctor, date })) ?? []
    if (more.length > 0) breaks(`${more.length + 1} places on ${date}`)
    // Where a place ended by itself while the wish ended, the home may know only of the wish.
    const isOfWish = told.status === reason && own?.how !== null
    const isRight = {
      waiting: own !== undefined && own.wait_id === placeId && own.how === null,
      ended: own?.how === reason || isOfWish,
      refused: own === undefined,
    }[status]
    if (!isRight) breaks(`${date} is ${status}, and its day says ${own?.how}`)
    if (['fulfilled', 'left'].includes(told.status) && own?.how === null) breaks(`${date} still waits`)
  }
  for (const day of byDay.keys())
    if (!dates.some((date) => dayName({ doctor, date }) === day)) breaks(`a place on ${day}`)
}

/** No day waits for the word of another one: each claim was decided, and each report was acknowledged. */
function checkSettled(world, events) {
  const ended = new Set(
    events.flatMap(({ type, claim_id, wait_id }) =>
      type === 'claim_ended' ? [claim_id] : type === 'wait_ended' ? [wait_id] : [],
    ),
  )
  for (const { type, claim_id, wait_id, day } of events)
    if (type === 'claim_began' && !ended.has(claim_id) && !ended.has(wait_id))
      world.breaks('the end of each wished day is known', `${day}: the claim ${claim_id} is undecided`)
}
