import { createMiddleware } from 'hono/factory'
import { describeRoute, resolver } from 'hono-openapi'
import type * as v from 'valibot'
import type { App } from '../context'
import { logFailure } from '../lib/log'
import { SECOND_MS } from '../lib/time'

/** Proxies drop a connection that is silent for a minute, some sooner. */
export const PULSE_MS = 15 * SECOND_MS

/** A slow reader may leave this much unread; then the stream ends, and the reader must reconnect. */
const UNREAD_BYTES_MAX = 1024 * 1024

const HEADERS = { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' }

/** Documents a route that answers with an event stream instead of JSON. `more`: its other answers. */
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

/** In an event stream each event has a number and a type. */
interface Message {
  type: string
  seq: number
}

/** Answers with the socket if the client asked for a WebSocket, else with its messages as an event stream. */
export const answerLive = (request: Request, socket: WebSocket): Response =>
  request.headers.get('Upgrade')?.toLowerCase() === 'websocket'
    ? new Response(null, { status: 101, webSocket: socket })
    : eventStream(socket)

/** The stream ends when the socket closes, and the socket closes when the reader leaves. */
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
        const send = (text: string) => {
          controller.enqueue(new TextEncoder().encode(text))
          if ((controller.desiredSize ?? 0) <= 0) end()
        }
        pulse = setInterval(() => send(': still here\n\n'), PULSE_MS)
        socket.addEventListener('message', ({ data }) => pulse !== undefined && send(eventText(String(data))))
        socket.addEventListener('close', end)
        socket.addEventListener('error', end)
        socket.accept()
        send(': here\n\n')
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

/** A HEAD has no body whose end could close a stream that was opened for it. It gets the headers alone. */
export const headOpensNothing = createMiddleware<App>(async (c, next) =>
  c.req.method === 'HEAD' ? c.body(null, 200, HEADERS) : next(),
)

/** Streams the texts that `generate` yields. When the reader leaves, its signal is aborted. */
export function streamEvents(generate: (left: AbortSignal) => AsyncGenerator<string>): Response {
  const leaving = new AbortController()
  return new Response(streamOf(generate(leaving.signal), leaving), { headers: HEADERS })
}

function eventText(message: string): string {
  const { type, seq } = JSON.parse(message) as Message
  return `id: ${seq}\nevent: ${type}\ndata: ${message}\n\n`
}

/**
 * Asks the generator for the next text when the client has taken the last one. When the client leaves, the
 * generator ends and `leaving` is aborted, which also stops the work on the next text. If the generator
 * fails, the connection is cut, so that the client does not take a part for the whole. The runtime logs the
 * error of a stream with its message, and a database’s message contains the statement: it gets another one.
 */
export function streamOf(
  texts: AsyncGenerator<string>,
  leaving = new AbortController(),
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await texts.next()
        if (done) controller.close()
        else controller.enqueue(encoder.encode(value))
      } catch (error) {
        logFailure('stream.failed', error)
        controller.error(new Error('The stream failed before its end'))
      }
    },
    async cancel() {
      leaving.abort()
      await texts.return(undefined)
    },
  })
}
