import type { Fault } from '../../problem'
import { Problem } from '../../problem'

/**
 * How much of a refused body is still read and discarded. A client reads the refusal only after it has sent
 * its body, so its bytes must be read; a client that sends more than this is cut off.
 */
const DRAINED_BYTES_MAX = 64 * 1024 * 1024

/** The bytes of a request's body for one reader that may stop early: then the rest is read and discarded. */
export async function* drainedAfter(
  body: ReadableStream<Uint8Array>,
  take: (bytes: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader()
  const read = oneAtATime(() => reader.read())
  try {
    yield* take(bytesOf(read))
  } finally {
    // A body that breaks off here was already read or refused, and the client gets that answer.
    await drain(read, () => reader.cancel()).catch(() => {})
  }
}

type Read = () => Promise<ReadableStreamReadResult<Uint8Array>>

/** A body refuses a second read while a first is in flight, which is so after a parser stopped midway. */
function oneAtATime(read: Read): Read {
  let last: Promise<unknown> = Promise.resolve()
  return () => {
    const next = last.then(read)
    last = next.catch(() => {})
    return next
  }
}

/** Unlike the stream's own iterator, this does not cancel the body when its reader stops early. */
async function* bytesOf(read: Read): AsyncGenerator<Uint8Array> {
  for (let next = await read(); !next.done; next = await read()) yield next.value
}

async function drain(read: Read, cutOff: () => Promise<void>): Promise<void> {
  for (let drained = 0; drained < DRAINED_BYTES_MAX; ) {
    const { done, value } = await read()
    if (done) return
    drained += value.byteLength
  }
  await cutOff()
}

/** Counts the bytes, because a caller can send a wrong Content-Length. */
export async function* limitBytes(countMax: number, bytes: AsyncIterable<Uint8Array>, bytesMax: number) {
  let count = 0
  for await (const chunk of bytes) {
    count += chunk.byteLength
    if (count > countMax) throw badFile('file_size', `The file may have at most ${bytesMax} bytes`)
    yield chunk
  }
}

export const FILE_FIELD = 'file'

export function badFile(rule: string, message: string): Problem {
  const fault: Fault = { field: FILE_FIELD, rule, message }
  return new Problem('invalid_file', message, { faults: [fault] })
}

export const noFile = () =>
  badFile(
    'required',
    'Send the file as field `file` of multipart/form-data, or as a text/csv or application/x-ndjson body',
  )
