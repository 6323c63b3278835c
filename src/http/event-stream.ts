import { describeRoute, resolver } from 'hono-openapi'
import type * as v from 'valibot'
import { SECOND_MS } from '../lib/time'

/** Proxies drop a connection that is silent for a minute, some sooner. */
export const PULSE_MS = 15 * SECOND_MS

/** What a slow reader may leave unread here; then it has to come again and go on where it was. */
const UNREAD_BYTES_MAX = 1024 * 1024

const HEADERS = { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' }

/** What the document says of a stream of events, which is no JSON. `more`: its other answers. */
export const sendsEvents = (
  stream: { summary?: string; description: string[]; lastEventId: string },
  event: v.GenericSchema,
  more: Record<number, { description: string }>,
) =>
  describeRoute({
    ...(stream.summary && { summary: stream.summary }),
    description: stream.description.join(' '),
    responses: {
      200: {
        description: 'Server-sent events',
        content: { 'text/event-stream': { schema: resolver(event) } },
      },
      ...more,
    },
    parameters: [
      {
        name: 'Last-Event-ID',
        in: 'header',
        required: false,
        description: stream.lastEventId,
        schema: { type: 'string' },
      },
    ],
    'x-problems': ['not_found'],
  } as Parameters<typeof describeRoute>[0])

/** Server-sent events want each message numbered and named. */
interface Numbered {
  type: string
  seq: number
}

/** The socket itself for whoever asked for one; for anybody else the same messages as an event stream. */
export const speakTo = (request: Request, socket: WebSocket): Response =>
  request.headers.get('Upgrade')?.toLowerCase() === 'websocket'
    ? new Response(null, { status: 101, webSocket: socket })
    : eventStream(socket)

/** Ends when the socket does; when the reader goes away, so does the socket. */
function eventStream(socket: WebSocket): Response {
  let pulse: ReturnType<typeof setInterval> | undefined
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const end = () => {
          if (pulse === undefined) return
          clearInterval(pulse)
          pulse = undefined
          socket.close()
          controller.close()
        }
        const say = (text: string) => {
          controller.enqueue(new TextEncoder().encode(text))
          if ((controller.desiredSize ?? 0) <= 0) end()
        }
        pulse = setInterval(() => say(': still here\n\n'), PULSE_MS)
        socket.addEventListener('message', ({ data }) => pulse !== undefined && say(framed(String(data))))
        socket.addEventListener('close', end)
        socket.addEventListener('error', end)
        socket.accept()
        say(': here\n\n')
      },
      cancel() {
        clearInterval(pulse)
        pulse = undefined
        socket.close()
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: UNREAD_BYTES_MAX }),
  )
  return new Response(body, { headers: HEADERS })
}

/** What is told one after the other, to a reader who may go at any time: then `left` is aborted. */
export function streamEvents(tell: (left: AbortSignal) => AsyncGenerator<string>): Response {
  const leaving = new AbortController()
  return new Response(streamOf(tell(leaving.signal), leaving), { headers: HEADERS })
}

function framed(message: string): string {
  const { type, seq } = JSON.parse(message) as Numbered
  return `id: ${seq}\nevent: ${type}\ndata: ${message}\n\n`
}

/**
 * Asks for the next text when the client has taken the last one; ends it when the client goes. `leaving` says
 * so to whoever is still making one.
 */
export function streamOf(
  texts: AsyncGenerator<string>,
  leaving = new AbortController(),
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await texts.next()
      if (done) controller.close()
      else controller.enqueue(encoder.encode(value))
    },
    async cancel() {
      leaving.abort()
      await texts.return(undefined)
    },
  })
}
