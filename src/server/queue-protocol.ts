import * as v from 'valibot'

/**
 * What the binding of a queue sends, and the sentences with which a queue refuses it: those of the simulator.
 */

const MESSAGE_BYTES_MAX = 128_000
const BATCH_BYTES_MAX = 288_000
const BATCH_MESSAGES_MAX = 100
const DELAY_SECONDS_MAX = 86_400

/** `v8` is a format that only the runtime reads; a Worker gets it when it asks for it by name. */
const ContentType = v.picklist(['text', 'json', 'bytes'])
export type ContentType = v.InferOutput<typeof ContentType>

const Delay = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(DELAY_SECONDS_MAX))

const Batch = v.object({
  messages: v.array(
    v.object({ contentType: v.string(), body: v.string(), delaySecs: v.optional(v.nullable(Delay)) }),
  ),
})

export interface Sent {
  contentType: ContentType
  body: Uint8Array
  delaySeconds: number
}

/** A fault of the sender. Its message is the answer. */
export interface Unsendable {
  status: 400 | 413
  message: string
}

export const isUnsendable = (read: Sent[] | Unsendable): read is Unsendable => !Array.isArray(read)

/** The messages of one request. */
export async function messagesIn(request: Request): Promise<Sent[] | Unsendable> {
  const { headers } = request
  const delay = headers.get('X-Msg-Delay-Secs')
  const delaySeconds = Number(delay ?? 0)
  if (!v.is(Delay, delaySeconds)) return { status: 400, message: `message delay ${delay} is invalid` }
  if (new URL(request.url).pathname === '/message') {
    const body = await request.bytes()
    return sized([{ contentType: headers.get('X-Msg-Fmt') ?? 'v8', body, delaySeconds }])
  }
  const { messages } = v.parse(Batch, await request.json())
  return sized(
    messages.map(({ contentType, body, delaySecs }) => ({
      contentType,
      body: Uint8Array.from(atob(body), (byte) => byte.charCodeAt(0)),
      delaySeconds: delaySecs ?? delaySeconds,
    })),
  )
}

function sized(sent: (Omit<Sent, 'contentType'> & { contentType: string })[]): Sent[] | Unsendable {
  if (sent.length > BATCH_MESSAGES_MAX)
    return tooLarge(`batch message count of ${sent.length} exceeds limit of ${BATCH_MESSAGES_MAX}`)
  let bytes = 0
  const messages: Sent[] = []
  for (const { contentType, ...message } of sent) {
    if (!v.is(ContentType, contentType)) return { status: 400, message: unread(contentType) }
    const size = message.body.byteLength
    if (size > MESSAGE_BYTES_MAX)
      return tooLarge(`message length of ${size} bytes exceeds limit of ${MESSAGE_BYTES_MAX}`)
    bytes += size
    messages.push({ ...message, contentType })
  }
  if (bytes > BATCH_BYTES_MAX)
    return tooLarge(`batch size of ${bytes} bytes exceeds limit of ${BATCH_BYTES_MAX}`)
  return messages
}

const tooLarge = (message: string): Unsendable => ({ status: 413, message })

const unread = (contentType: string) =>
  `message content type ${contentType} is invalid; it must be one of 'text', 'json', or 'bytes'`
