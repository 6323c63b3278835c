import { Agent, request } from 'node:http'

/** Longer than any request may take here. */
const PATIENCE_MS = 20_000

const agent = new Agent({ keepAlive: true })

/**
 * Sends one request over a real connection and returns the whole answer; throws if the connection ends first.
 * `cut`: when the client itself disconnects, `{ afterBytes }` of the body or `{ afterMs }`.
 */
export function send(port, { method, path, headers, body }, cut = null) {
  const bytes = Buffer.from(body ?? '')
  const { promise, resolve, reject } = Promise.withResolvers()
  const outgoing = request({
    host: '127.0.0.1',
    port,
    method,
    path,
    headers: { ...headers, 'Content-Length': bytes.length },
    // A request that will be cut needs a connection of its own, so that it ends no other request.
    agent: cut ? false : agent,
    timeout: PATIENCE_MS,
  })
  outgoing.on('error', reject)
  outgoing.on('timeout', () => outgoing.destroy(new Error('No answer in time')))
  outgoing.on('response', (incoming) => {
    const parts = []
    incoming.on('data', (part) => parts.push(part))
    incoming.on('error', reject)
    incoming.on('close', () => {
      if (!incoming.complete) return reject(new Error('The answer was cut'))
      resolve({
        status: incoming.statusCode,
        headers: incoming.headers,
        text: Buffer.concat(parts).toString(),
      })
    })
  })
  if (cut?.afterMs !== undefined) setTimeout(() => outgoing.destroy(new Error('Cut')), cut.afterMs)
  if (cut?.afterBytes === undefined) outgoing.end(bytes)
  else outgoing.write(bytes.subarray(0, cut.afterBytes), () => outgoing.destroy(new Error('Cut')))
  return promise
}
