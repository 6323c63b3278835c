import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { today } from '../../scripts/demo.mjs'
import { folded, onSocket, onStream, randomFrom } from './followers.mjs'
import { eventually, startService } from './service.mjs'

const CUTS = 100
const KILLED_AT = [30, 70]
const PATIENTS = 40
const TOLD_WITHIN_MS = 15_000
const FOLLOWERS_MAX = 200
/** workerd evicts an object that was idle for ten seconds; the alarm behind a write comes after five. */
const EVICTED_WITHIN_MS = 25_000
const STEPS = ['serve', 'skip', 'requeue', 'no-show', 'recall', 'uncheck-in', 'unserve']

test(`cut off ${CUTS} times and killed twice meanwhile, who follows misses nothing and sees nothing twice`, async (t) => {
  const service = await startService(t)
  const day = await openDay(service)
  const random = randomFrom(20_401)
  const followers = [await follower(day, onSocket, 'desk'), await follower(day, onStream, 'board')]
  const comeAgain = () => Promise.all(followers.map((one) => one.comeAgain()))
  for (let cut = 0; cut < CUTS; cut += 1) {
    const connections = await comeAgain()
    for (let left = random(4); left > 0; left -= 1) await happen(day, random)
    await sleep(random(20))
    // Whatever is under way then may have happened or not; who follows hears of it once or not at all.
    if (KILLED_AT.includes(cut)) await Promise.allSettled([happen(day, random), service.kill9()])
    for (const connection of connections) connection.cut()
    if (KILLED_AT.includes(cut)) await service.start()
  }
  const connections = await comeAgain()
  const { body: events } = await service.get(`${day.path}/events?limit=1000`)
  const numbers = events.map(({ seq }) => seq)
  assert.ok(numbers.length > CUTS, `${numbers.length} events`)
  for (const { seen } of followers) {
    await eventually(
      () => seen.at(-1).seq,
      (seq) => seq === numbers.length,
      TOLD_WITHIN_MS,
      `event ${numbers.length}`,
    )
    assert.deepEqual(
      seen.map(({ type, seq }) => [type, seq]),
      [['snapshot', 0], ...numbers.map((seq) => ['event', seq])],
    )
  }
  for (const connection of connections) connection.cut()

  const { body: queue } = await service.get(`${day.queue}?date=${day.date}`)
  const [desk, board] = followers.map(({ seen }) => folded(seen))
  assert.deepEqual(desk, queue)
  assert.deepEqual(
    board,
    queue.map(({ position, status, room }) => ({ position, status, room, initials: null })),
  )
  assert.doesNotMatch(JSON.stringify(followers[1].seen), /Namerson/)
  t.diagnostic(
    `${CUTS} cuts each, ${KILLED_AT.length} kills, ${numbers.length} events, ${queue.length} in the queue`,
  )
})

test('who goes away makes room: one after the other, more may follow than at a time', async (t) => {
  const day = await openDay(await startService(t))
  for (const connect of [onSocket, onStream]) {
    const { comeAgain } = await follower(day, connect, 'board')
    for (let left = FOLLOWERS_MAX + 20; left > 0; left -= 1) (await comeAgain()).cut()
  }
})

test('who has heard nothing for so long that the object was evicted hears the next event all the same', async (t) => {
  const day = await openDay(await startService(t))
  const followers = [await follower(day, onSocket, 'desk'), await follower(day, onStream, 'board')]
  const connections = await Promise.all(followers.map((one) => one.comeAgain()))
  const arrive = async (last) => {
    await day.service.post('/api/v1/checkins/walk-in', {
      patient_id: day.toCome.pop(),
      doctor_id: day.doctorId,
    })
    for (const { seen } of followers)
      await eventually(
        () => seen.at(-1)?.seq,
        (seq) => seq === last,
        TOLD_WITHIN_MS,
        `event ${last}`,
      )
  }
  await arrive(3)
  await sleep(EVICTED_WITHIN_MS)
  await arrive(5)
  for (const { seen } of followers)
    assert.deepEqual(
      seen.map(({ seq }) => seq),
      [0, 1, 2, 3, 4, 5],
    )
  for (const connection of connections) connection.cut()
})

async function openDay(service) {
  const date = today()
  const doctor = await service.post('/api/v1/doctors', {
    name: 'Dr Ines Okafor',
    code: 'D-1',
    capacity: 1000,
  })
  const patients = []
  for (let n = 0; n < PATIENTS; n += 1) {
    const patient = { name: `Patient Namerson ${n}`, phone: `+1 202 555 ${String(n).padStart(4, '0')}` }
    patients.push((await service.post('/api/v1/patients', patient)).body.id)
  }
  return {
    service,
    date,
    doctorId: doctor.body.id,
    toCome: patients,
    came: [],
    path: `/api/v1/doctors/${doctor.body.id}/days/${date}`,
    queue: `/api/v1/checkins/doctors/${doctor.body.id}/queue`,
  }
}

/** Somebody with one ticket, good for every time they come again, and all they have seen so far. */
async function follower({ service, queue, date }, connect, view) {
  const ticket = await service.post(`${queue}/tickets`, { date, view })
  assert.equal(ticket.status, 201)
  const seen = []
  const comeAgain = () =>
    connect(service.url(), ticket.body.url, seen.at(-1)?.seq ?? null, (message) => seen.push(message))
  return { seen, comeAgain }
}

/** One thing out of a day's life. What the day refuses changes nothing, and is as good a test. */
async function happen({ service, date, doctorId, toCome, came, queue }, random) {
  const place = { doctor_id: doctorId, date }
  switch (random(5)) {
    case 0:
      return service.post('/api/v1/appointments/holds', { ...place, ttl_seconds: 60 })
    case 1:
      return service.post(`${queue}/next`, { date, room: `room ${random(3)}` })
    case 2: {
      if (toCome.length === 0) return
      const walkIn = { doctor_id: doctorId, patient_id: toCome.pop() }
      const arrived = await service.post('/api/v1/checkins/walk-in', walkIn)
      return came.push(arrived.body.appointment_id)
    }
    default:
      if (came.length === 0) return
      return service.post(`/api/v1/checkins/${came[random(came.length)]}/${STEPS[random(STEPS.length)]}`, {})
  }
}
