import { createMiddleware } from 'hono/factory'
import type { App } from '../context'
import { SECOND_MS } from '../lib/time'
import { Problem } from '../problem'

/** How long a caller waits for a dependency that neither answers nor fails. */
const REQUEST_MS_MAX = 10 * SECOND_MS

/** Answers every request in time, at worst with 503, unless its route lifts the deadline. */
export const deadline = createMiddleware<App>(
  (c, next) =>
    new Promise((resolve, reject) => {
      const giveUp = () => reject(new DOMException('Took too long', 'TimeoutError'))
      const timer = setTimeout(giveUp, REQUEST_MS_MAX)
      const stop = () => clearTimeout(timer)
      c.set('liftDeadline', stop)
      next().finally(stop).then(resolve, reject)
    }),
)

/** For uploads, which take as long as their sender needs. */
export const noDeadline = createMiddleware<App>((c, next) => {
  c.get('liftDeadline')()
  return next()
})

/** Refuses a compressed body: a small one could unpack to any size. */
export const plainBody = createMiddleware<App>((c, next) => {
  const encodings = c.req.header('Content-Encoding')?.toLowerCase().split(',')
  if (encodings?.some((encoding) => !['', 'identity'].includes(encoding.trim()))) {
    c.header('Accept-Encoding', 'identity')
    throw new Problem('body_encoded', 'Send the body without Content-Encoding; it may not be compressed')
  }
  return next()
})

/** The longest valid JSON body (a test result) needs a tenth of this. */
export const JSON_BYTES_MAX = 1024 * 1024

/** So many bytes are awaited at once. A caller that announces a long body and sends none takes no more. */
const PIECE_BYTES = 64 * 1024

/**
 * Reads the whole body as text. It counts the bytes that arrive, because Content-Length can be wrong.
 * Throws body_too_large, or invalid_json if the bytes are not UTF-8.
 */
export async function readText(request: Request, bytesMax: number): Promise<string> {
  const announced = Number(request.headers.get('Content-Length') ?? Number.POSITIVE_INFINITY)
  return decode(
    announced < PIECE_BYTES ? await readAtOnce(request, bytesMax) : await readPieces(request, bytesMax),
  )
}

/** The runtime ends a body that comes over the network at its Content-Length. This takes half of the time. */
async function readAtOnce(request: Request, bytesMax: number): Promise<Uint8Array> {
  const bytes = await request.bytes()
  if (bytes.byteLength > bytesMax) throw tooLarge(bytesMax)
  return bytes
}

async function readPieces({ body }: Request, bytesMax: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  if (body === null) return joined(pieces)
  const reader = readerOf(body)
  for (let bytes = 0; ; ) {
    const { value } = await reader.readAtLeast(PIECE_BYTES, new Uint8Array(PIECE_BYTES))
    if (value) pieces.push(value)
    bytes += value?.byteLength ?? 0
    if (bytes > bytesMax) {
      await reader.cancel().catch(() => {})
      throw tooLarge(bytesMax)
    }
    // Only the end of the body leaves room.
    if (!value || value.byteLength < PIECE_BYTES) return joined(pieces)
  }
}

const tooLarge = (bytesMax: number) =>
  new Problem('body_too_large', `The body may have at most ${bytesMax} bytes`)

function readerOf(body: ReadableStream<Uint8Array>): ReadableStreamBYOBReader {
  try {
    return body.getReader({ mode: 'byob' })
  } catch {
    // A stream that a script makes, as another Worker may, fills no buffer by itself.
    return body.pipeThrough(new IdentityTransformStream()).getReader({ mode: 'byob' })
  }
}

const joined = async (pieces: Uint8Array[]): Promise<Uint8Array> =>
  new Uint8Array(await new Blob(pieces).arrayBuffer())

/** Keeps nothing between two whole texts. */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })

function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    throw new Problem('invalid_json', 'The body must be JSON encoded as UTF-8')
  }
}
