// Who follows the queue of a day, as a browser does it: a ticket in the address, and no key.

/** A connection: what it hears goes to `hear`, until it is cut; what was under way by then is lost. */
export function onSocket(url, path, since, hear) {
  const socket = new WebSocket(
    `${url.replace('http', 'ws')}${path}${since === null ? '' : `&since=${since}`}`,
  )
  let isCut = false
  socket.addEventListener('message', ({ data }) => isCut || hear(JSON.parse(data)))
  const connection = {
    cut() {
      isCut = true
      socket.close()
    },
  }
  return new Promise((resolve, reject) => {
    socket.addEventListener('open', () => resolve(connection))
    socket.addEventListener('error', () => reject(new Error('The WebSocket was refused')))
  })
}

export async function onStream(url, path, since, hear) {
  const controller = new AbortController()
  const response = await fetch(`${url}${path}`, {
    headers: since === null ? {} : { 'Last-Event-ID': String(since) },
    signal: controller.signal,
  })
  if (response.status !== 200) throw new Error(`The stream was refused: ${response.status}`)
  let isCut = false
  const read = async () => {
    let rest = ''
    for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
      const blocks = (rest + part).split('\n\n')
      rest = blocks.pop()
      for (const block of blocks) if (!isCut && !block.startsWith(':')) hear(messageOf(block))
    }
  }
  // A stream that is cut ends with an error, whoever cut it.
  read().catch(() => {})
  return {
    cut() {
      isCut = true
      controller.abort()
    },
  }
}

/** The number of an event is its message's, so that a browser comes again with it. */
function messageOf(block) {
  const [, id, data] = /^id: (\d+)\nevent: \w+\ndata: (.+)$/.exec(block) ?? []
  const message = JSON.parse(data)
  if (message.seq !== Number(id)) throw new Error(`Event ${id} holds message ${message.seq}`)
  return message
}

/** The queue that the messages tell of: a snapshot starts anew, an entry takes the place of its position. */
export function folded(messages) {
  const byPosition = new Map()
  for (const message of messages) {
    if (message.type === 'snapshot') byPosition.clear()
    for (const entry of message.entries ?? [message.entry]) if (entry) byPosition.set(entry.position, entry)
    byPosition.delete(message.removed)
  }
  return [...byPosition].sort(([one], [other]) => one - other).map(([, entry]) => entry)
}

/** Whole numbers below a bound, the same ones for the same seed (Park and Miller). */
export function randomFrom(seed) {
  let state = seed
  return (below) => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
}
