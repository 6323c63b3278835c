import { setTimeout as sleep } from 'node:timers/promises'
import { dayName } from '../world.mjs'

// Screens that follow the queue of a day as browsers do: when the stream ends, they reconnect with the number
// of the last message.

const FOLLOWS_MS = { least: 2_000, most: 15_000 }
const CONNECTION_MS_MAX = 4_000
const PAUSE_MS = 100

/** Follows one day after the other until the load is over. */
export async function follow({ world, rack, clinic, chance }, { endsAt }) {
  const isOver = () => world.isOver || Date.now() > endsAt
  while (!isOver()) {
    const day = { doctor: chance.pick(clinic.doctors.slice(-4)), date: clinic.today }
    const followed = { clinic, day: dayName(day), seq: null, messages: [] }
    const until = Date.now() + chance.between(FOLLOWS_MS.least, FOLLOWS_MS.most)
    while (!isOver() && Date.now() < until) {
      const leaving = AbortSignal.timeout(chance.between(1, CONNECTION_MS_MAX))
      // Either side may end the connection; only the received messages count.
      if (rack.isUp()) await listen({ world, rack, followed, day, leaving }).catch(() => {})
      await sleep(chance.below(PAUSE_MS))
    }
    world.acknowledge('followed day', followed)
    world.count('follow a day', followed.messages.length > 0 ? 'events received' : 'no events')
  }
}

/** Follows all doctors of today in one stream, and comes back after each end of it. */
export async function followClinic({ world, rack, clinic, chance }, { endsAt }) {
  const isOver = () => world.isOver || Date.now() > endsAt
  const followed = { clinic, seq: null, versions: new Map(), heard: [] }
  const path = `/api/v1/days/live?date=${clinic.today}`
  while (!isOver()) {
    const leaving = AbortSignal.timeout(chance.between(1, CONNECTION_MS_MAX))
    const take = (message) => receiveOfClinic(world, followed, message)
    if (rack.isUp()) await listenTo({ rack, followed, path, leaving, take }).catch(() => {})
    await sleep(chance.below(PAUSE_MS))
  }
  world.acknowledge('followed clinic', followed)
  world.count('follow a clinic', followed.heard.length > 0 ? 'events received' : 'no events')
}

/**
 * The stream has one row of numbers, and within it each doctor's events in the order of that day, none left
 * out. A snapshot, which says how far each day is, may come whenever the service has lost its numbers.
 */
function receiveOfClinic(world, followed, message) {
  const { clinic, seq: last, versions, heard } = followed
  if (message.type === 'snapshot') {
    followed.versions = new Map(message.doctors.map(({ doctor, version }) => [doctor.id, version]))
  } else {
    const { doctor, day_seq: number, event, seq } = message
    const before = versions.get(doctor.id) ?? 0
    if (seq !== last + 1 || number !== before + 1)
      world.breaks('each event is sent once', `${clinic.id}: ${seq} after ${last}, ${number} after ${before}`)
    versions.set(doctor.id, number)
    heard.push({ day: dayName({ doctor: doctor.id, date: clinic.today }), seq: number, event })
  }
  followed.seq = message.seq
}

function listen({ world, rack, followed, day: { doctor, date }, leaving }) {
  const path = `/api/v1/checkins/doctors/${doctor}/queue/live?date=${date}`
  return listenTo({ rack, followed, path, leaving, take: (message) => receive(world, followed, message) })
}

async function listenTo({ rack, followed, path, leaving, take }) {
  const { clinic, seq } = followed
  const url = `http://127.0.0.1:${rack.port}${path}`
  const resumed = seq === null ? {} : { 'Last-Event-ID': String(seq) }
  const headers = { Authorization: `Bearer ${clinic.key}`, ...resumed }
  const { body, status } = await fetch(url, { headers, signal: leaving })
  if (status !== 200) return
  let rest = ''
  for await (const part of body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + part).split('\n\n')
    rest = blocks.pop()
    const messages = blocks.flatMap((block) => /^data: (.+)$/m.exec(block)?.[1] ?? [])
    for (const message of messages) take(JSON.parse(message))
  }
}

/** Each message has the next number; only a follower without any message gets a snapshot. */
function receive(world, followed, { type, seq, event }) {
  const { seq: last, day } = followed
  const isNext = type === 'snapshot' ? last === null : seq === last + 1
  if (!isNext) world.breaks('each event is sent once', `${day}: ${type} ${seq} after ${last}`)
  if (type === 'event') followed.messages.push({ seq, event })
  followed.seq = seq
}
