import { connect } from 'node:net'

/** A response that takes longer counts as an error. */
const TIMEOUT_MS = 30_000

/** Servers close a connection that was idle; the first of them after two seconds. */
const IDLE_MS_MAX = 1_000

const HEAD_END = '\r\n\r\n'
/** No JSON contains these bytes. */
const LAST_CHUNK = '0\r\n\r\n'
const NO_CONTENT = 204

/**
 * Keeps this many connections busy: each sends what `next` returns, waits for the answer, and so on until `next`
 * returns null. A plain client over sockets, because it shares the processors with the server that it measures.
 * Returns how many requests were not answered.
 */
export async function keepBusy(url, { connections, next, onAnswer }) {
  const { hostname, port, host } = new URL(url)
  const one = () => sendAll({ hostname, port, host }, next, onAnswer)
  const errors = await Promise.all(Array.from({ length: connections }, one))
  return errors.reduce((sum, each) => sum + each, 0)
}

/** Sends each request at once, over a connection that is free or over a new one. */
export function sender(url) {
  const { hostname, port, host } = new URL(url)
  const address = { hostname, port, host }
  const free = []
  /** The one that was used last. */
  const takeFree = () => {
    const { connection, since } = free.pop() ?? {}
    if (!connection || performance.now() - since < IDLE_MS_MAX) return connection
    connection.close()
    for (const each of free.splice(0)) each.connection.close()
    return null
  }
  return {
    /** Rejects where there is no answer. */
    async send(request) {
      const connection = takeFree() ?? open(address)
      const answer = await connection.ask(textOf(request, address))
      if (answer.isLast) connection.close()
      else free.push({ connection, since: performance.now() })
      return answer
    },
    close() {
      for (const { connection } of free) connection.close()
    },
  }
}

async function sendAll(address, next, onAnswer) {
  let [connection, errors] = [null, 0]
  const close = () => {
    connection?.close()
    connection = null
  }
  for (let request = next(); request; request = next()) {
    connection ??= open(address)
    const text = textOf(request, address)
    const sentAt = performance.now()
    try {
      const answer = await connection.ask(text)
      onAnswer(request, answer, performance.now() - sentAt)
      if (answer.isLast) close()
    } catch {
      errors += 1
      close()
    }
  }
  close()
  return errors
}

function textOf({ method, path, headers = {}, body }, { host }) {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const length = body === undefined ? '' : `Content-Length: ${Buffer.byteLength(body)}\r\n`
  return `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${lines.join('')}${length}\r\n${body ?? ''}`
}

function open({ hostname, port }) {
  const socket = connect({ host: hostname, port, noDelay: true })
  let waiting = null
  const end = (how, value) => {
    const { [how]: settle } = waiting ?? {}
    waiting = null
    settle?.(value)
  }
  socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error(`No answer within ${TIMEOUT_MS} ms`)))
  socket.on('data', (piece) => {
    if (waiting?.reader.isWhole(piece)) end('resolve', waiting.reader.answer())
  })
  socket.on('error', (error) => end('reject', error))
  socket.on('close', () => end('reject', new Error('The server closed the connection')))
  return {
    ask: (text) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject, reader: answerReader() }
        socket.write(text)
      }),
    close: () => socket.destroy(),
  }
}

/** Reads one answer, whose body has a length or comes in chunks. */
function answerReader() {
  let [head, pieces, length] = [null, [], 0]
  const readHead = () => {
    const read = Buffer.concat(pieces)
    const end = read.indexOf(HEAD_END)
    if (end === -1) return
    head = headOf(read.latin1Slice(0, end))
    pieces = [read.subarray(end + HEAD_END.length)]
    length = pieces[0].length
  }
  return {
    /** Takes the next piece, and says whether it was the last one. */
    isWhole(piece) {
      pieces.push(piece)
      length += piece.length
      if (!head) readHead()
      if (!head) return false
      return head.isChunked ? endsWith(pieces, LAST_CHUNK) : length >= head.length
    },
    answer() {
      const { status, isLast, isChunked } = head
      const text = () => {
        const body = Buffer.concat(pieces)
        return (isChunked ? joined(body) : body).toString()
      }
      return { status, isLast, text }
    },
  }
}

function headOf(text) {
  const [first, ...lines] = text.toLowerCase().split('\r\n')
  const headerOf = (name) =>
    lines
      .find((line) => line.startsWith(`${name}:`))
      ?.slice(name.length + 1)
      .trim()
  const [version, status] = first.split(' ')
  const connection = headerOf('connection')
  return {
    status: Number(status),
    length: Number(status) === NO_CONTENT ? 0 : Number(headerOf('content-length') ?? 0),
    isChunked: headerOf('transfer-encoding') === 'chunked',
    /** The server closes the connection after this answer. */
    isLast: connection === 'close' || (version === 'http/1.0' && connection !== 'keep-alive'),
  }
}

function endsWith(pieces, text) {
  const last = pieces.at(-1).length >= text.length ? pieces.at(-1) : Buffer.concat(pieces)
  return last.latin1Slice(-text.length) === text
}

/** The body without the lengths of its chunks. */
function joined(body) {
  const chunks = []
  for (let at = 0; at < body.length; ) {
    const end = body.indexOf('\r\n', at)
    const size = Number.parseInt(body.latin1Slice(at, end), 16)
    chunks.push(body.subarray(end + 2, end + 2 + size))
    at = end + 2 + size + 2
  }
  return Buffer.concat(chunks)
}
