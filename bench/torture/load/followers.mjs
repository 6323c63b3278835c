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

async function listen({ world, rack, followed, day: { doctor, date }, leaving }) {
  const { clinic, seq } = followed
  const url = `http://127.0.0.1:${rack.port}/api/v1/checkins/doctors/${doctor}/queue/live?date=${date}`
  const resumed = seq === null ? {} : { 'Last-Event-ID': String(seq) }
  const headers = { Authorization: `Bearer ${clinic.key}`, ...resumed }
  const { body, status } = await fetch(url, { headers, signal: leaving })
  if (status !== 200) return
  let rest = ''
  for await (const part of body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + part).split('\n\n')
    rest = blocks.pop()
    const messages = blocks.flatMap((block) => /^data: (.+)$/m.exec(block)?.[1] ?? [])
    for (const message of messages) receive(world, followed, JSON.parse(message))
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
