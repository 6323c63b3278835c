import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Busboy, type BusboyFileStream } from '@fastify/busboy'
import { describeRoute } from 'hono-openapi'
import type { Fault } from '../problem'
import { Problem } from '../problem'

const FIELD = 'file'

/** What a multipart body may hold besides the file: boundaries, headers and fields that are ignored. */
const MULTIPART_OVERHEAD_BYTES_MAX = 64 * 1024
const MULTIPART_PARTS_MAX = 20

const FILE_BYTES_MAX_USUAL = 32 * 1024 * 1024

/**
 * How much of a refused body is still read and discarded. A client reads the refusal only after it has sent
 * its body, so its bytes must be read; a client that sends more than this is cut off.
 */
const DRAINED_BYTES_MAX = 64 * 1024 * 1024

/**
 * The bytes of the uploaded file as they arrive: a multipart field `file`, or the body itself as text/csv.
 */
export async function* fileBytes(request: Request, env: Env): AsyncGenerator<Uint8Array> {
  const bytesMax = Number(env.BULK_BYTES_MAX) || FILE_BYTES_MAX_USUAL
  const contentType = request.headers.get('Content-Type') ?? ''
  const isForm = /^multipart\/form-data\b/i.test(contentType)
  if (!request.body || !(isForm || /^text\/csv\b/i.test(contentType))) throw noFile()
  const reader = request.body.getReader()
  const read = oneAtATime(() => reader.read())
  const body = bytesOf(read)
  try {
    yield* limitBytes(bytesMax, isForm ? multipartFile(body, contentType, bytesMax) : body, bytesMax)
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

async function* multipartFile(
  body: AsyncIterable<Uint8Array>,
  contentType: string,
  bytesMax: number,
): AsyncGenerator<Uint8Array> {
  const busboy = openBusboy(contentType)
  const limited = Readable.from(limitBytes(bytesMax + MULTIPART_OVERHEAD_BYTES_MAX, body, bytesMax))
  const files: BusboyFileStream[] = []
  let refusal: unknown
  const parsing = pipeline(limited, busboy).catch((error: unknown) => {
    refusal = error instanceof Problem ? error : malformed()
    for (const file of files) file.destroy()
  })
  const found = new Promise<{ stream: BusboyFileStream; name: string } | null>((resolve) => {
    busboy.on('file', (field, stream, name) => {
      stream.on('error', () => {}) // `parsing` gets the error too; without a listener it would be thrown.
      if (field !== FIELD || files.push(stream) > 1) stream.resume()
      else resolve({ stream, name })
    })
    void parsing.then(() => resolve(null))
  })
  try {
    const file = await found
    if (!file) throw refusal ?? noFile()
    if (!/\.csv$/i.test(file.name)) throw badFile('file_name', 'The file’s name must end with .csv')
    yield* file.stream as AsyncIterable<Uint8Array>
    // Only the closing boundary proves that the file is complete.
    await parsing
    if (files.length > 1) throw badFile('file', 'Send one file only')
  } catch (error) {
    throw refusal ?? error
  } finally {
    limited.destroy()
  }
}

function openBusboy(contentType: string) {
  try {
    return Busboy({
      headers: { 'content-type': contentType },
      limits: { parts: MULTIPART_PARTS_MAX, fieldSize: MULTIPART_OVERHEAD_BYTES_MAX },
    })
  } catch {
    throw malformed()
  }
}

/** Counts the bytes, because a caller can send a wrong Content-Length. */
async function* limitBytes(countMax: number, bytes: AsyncIterable<Uint8Array>, bytesMax: number) {
  let count = 0
  for await (const chunk of bytes) {
    count += chunk.byteLength
    if (count > countMax) throw badFile('file_size', `The file may have at most ${bytesMax} bytes`)
    yield chunk
  }
}

export function badFile(rule: string, message: string): Problem {
  const fault: Fault = { field: FIELD, rule, message }
  return new Problem('invalid_file', message, { faults: [fault] })
}

const noFile = () =>
  badFile('required', 'Send the file as field `file` of multipart/form-data, or as a text/csv body')

const malformed = () => badFile('multipart', 'The multipart body is broken or incomplete')

/** The OpenAPI text of a route whose body is a file and which requires an Idempotency-Key. */
export const takesFile = (columns: string) =>
  describeRoute({
    requestBody: {
      required: true,
      description: `CSV in UTF-8 with the columns ${columns}, in any order.`,
      content: {
        'multipart/form-data': {
          schema: {
            type: 'object',
            required: ['file'],
            properties: { file: { type: 'string', format: 'binary', description: 'A file named *.csv' } },
          },
        },
        'text/csv': { schema: { type: 'string', description: 'The file itself' } },
      },
    },
    parameters: [
      {
        name: 'Idempotency-Key',
        in: 'header',
        required: true,
        description:
          'Any text you choose. A retry with the same key and file within 300 seconds gets the first answer.',
        schema: { type: 'string', minLength: 1, maxLength: 255 },
      },
    ],
  })
