import { createMiddleware } from 'hono/factory'
import type { App } from '../context'
import { SECOND_MS } from '../lib/time'
import { Problem } from '../problem'

/** How long a caller waits for a dependency that neither answers nor fails. */
const REQUEST_MS_MAX = 10 * SECOND_MS

/** Answers every request in time, at worst with 503, unless its route lifts the deadline. */
export const deadline = createMiddleware<App>(async (c, next) => {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DOMException('Took too long', 'TimeoutError')), REQUEST_MS_MAX)
  })
  const stop = () => clearTimeout(timer)
  c.set('liftDeadline', stop)
  await Promise.race([next(), late]).finally(stop)
})

/** For uploads, which take as long as their sender needs. */
export const noDeadline = createMiddleware<App>(async (c, next) => {
  c.var.liftDeadline()
  await next()
})

/** Refuses a compressed body: a small one could unpack to any size. */
export const plainBody = createMiddleware<App>(async (c, next) => {
  const encodings = c.req.header('Content-Encoding')?.toLowerCase().split(',') ?? []
  if (encodings.some((encoding) => !['', 'identity'].includes(encoding.trim()))) {
    c.header('Accept-Encoding', 'identity')
    throw new Problem('body_encoded', 'Send the body without Content-Encoding; it may not be compressed')
  }
  await next()
})

/** The longest valid JSON body (a test result) needs a tenth of this. */
export const JSON_BYTES_MAX = 1024 * 1024

/**
 * Reads the whole body as text. It counts the bytes that arrive, because Content-Length can be wrong.
 * Throws body_too_large, or invalid_json if the bytes are not UTF-8.
 */
export async function readText(request: Request, bytesMax: number): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })
  let [text, bytes] = ['', 0]
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > bytesMax) throw new Problem('body_too_large', `The body may have at most ${bytesMax} bytes`)
    text += decode(decoder, chunk)
  }
  return text + decode(decoder)
}

function decode(decoder: TextDecoder, chunk?: Uint8Array): string {
  try {
    return chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode()
  } catch {
    throw new Problem('invalid_json', 'The body must be JSON encoded as UTF-8')
  }
}
