import { Buffer } from 'node:buffer'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Busboy, type BusboyFileStream } from '@fastify/busboy'
import { Problem } from '../../problem'
import { badFile, FILE_FIELD, limitBytes, noFile } from './bytes'
import type { Format } from './rows'

/** What a multipart body may hold besides the file: boundaries, headers and fields that are ignored. */
const OVERHEAD_BYTES_MAX = 64 * 1024
const PARTS_MAX = 20

/**
 * The bytes of the field `file` as they arrive; before them `onFormat` is told what its name says. Throws
 * after them if the body does not end as it must.
 */
export async function* multipartFile(
  body: AsyncIterable<Uint8Array>,
  contentType: string,
  bytesMax: number,
  onFormat: (format: Format) => void = () => {},
): AsyncGenerator<Uint8Array> {
  const boundary = boundaryOf(contentType)
  const busboy = openBusboy(boundary)
  const { watched, isClosed } = watchEnd(limitBytes(bytesMax + OVERHEAD_BYTES_MAX, body, bytesMax), boundary)
  const limited = Readable.from(watched)
  const files: BusboyFileStream[] = []
  let refusal: unknown
  const parsing = pipeline(limited, busboy).catch((error: unknown) => {
    refusal = error instanceof Problem ? error : malformed()
    for (const file of files) file.destroy()
  })
  const found = new Promise<{ stream: BusboyFileStream; name: string } | null>((resolve) => {
    busboy.on('file', (field, stream, name) => {
      stream.on('error', () => {}) // `parsing` gets the error too; without a listener it would be thrown.
      if (field !== FILE_FIELD || files.push(stream) > 1) stream.resume()
      else resolve({ stream, name })
    })
    void parsing.then(() => resolve(null))
  })
  try {
    const file = await found
    if (!file) throw refusal ?? (isClosed() ? noFile() : malformed())
    onFormat(formatOf(file.name))
    yield* file.stream as AsyncIterable<Uint8Array>
    await parsing
    if (files.length > 1) throw badFile('file', 'Send one file only')
    // Only the closing boundary proves that the file is complete. busboy takes an opening one for it.
    if (!isClosed()) throw malformed()
  } catch (error) {
    if (error instanceof Problem) throw refusal ?? error
    // The file's stream fails before the parser says why.
    limited.destroy()
    await parsing
    throw refusal ?? malformed()
  } finally {
    limited.destroy()
  }
}

function formatOf(name: string): Format {
  if (/\.csv$/i.test(name)) return 'csv'
  if (/\.(?:ndjson|jsonl)$/i.test(name)) return 'ndjson'
  throw badFile('file_name', 'The file’s name must end with .csv, or with .ndjson or .jsonl')
}

const BOUNDARY = /;\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/i

/** RFC 2046: 1 to 70 of these characters, the last no space. */
const BOUNDARY_TEXT = /^[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-]$/

function boundaryOf(contentType: string): string {
  const [, quoted, token] = BOUNDARY.exec(contentType) ?? []
  const boundary = quoted?.replace(/\\(.)/g, '$1') ?? token ?? ''
  if (!BOUNDARY_TEXT.test(boundary))
    throw badFile(
      'multipart',
      'Content-Type must name the boundary of the multipart body, as RFC 2046 has it',
    )
  return boundary
}

function openBusboy(boundary: string) {
  try {
    return Busboy({
      headers: { 'content-type': `multipart/form-data; boundary="${boundary}"` },
      limits: { parts: PARTS_MAX, fieldSize: OVERHEAD_BYTES_MAX },
    })
  } catch {
    throw malformed()
  }
}

/** Passes the bytes on and looks for the closing boundary, which begins a line. */
function watchEnd(bytes: AsyncIterable<Uint8Array>, boundary: string) {
  const closing = Buffer.from(`\r\n--${boundary}--`)
  let isClosed = false
  async function* watched() {
    let tail = Buffer.from('\r\n') // A body may begin with a boundary.
    for await (const chunk of bytes) {
      const seen = Buffer.concat([tail, chunk])
      isClosed ||= seen.includes(closing)
      tail = seen.subarray(-(closing.length - 1))
      yield chunk
    }
  }
  return { watched: watched(), isClosed: () => isClosed }
}

const malformed = () =>
  badFile('multipart', 'The multipart body is broken or incomplete: it must end with the closing boundary')
