import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect } from 'vitest'
import type { BoardEntry, LiveMessage } from '../src/doctor-day/readers/live'
import worker from '../src/index'
import type { FrontDesk } from './clinic'
import { soon } from './soon'

export const KINDS = ['WebSocket', 'event stream'] as const
export type Kind = (typeof KINDS)[number]

/** Somebody who follows a day, on one connection. What comes after `cut` is lost. */
export interface Follower {
  response: Response
  messages: LiveMessage[]
  /** Everything that came, as it came. */
  raw: string
  end: { code?: number } | null
  cut(): Promise<void>
  say(text: string): void
}

export const livePath = (desk: FrontDesk, query: Record<string, string>) =>
  `/api/v1/checkins/doctors/${desk.doctorId}/queue/live?${new URLSearchParams(query)}`
export const keyOf = (desk: { key: string }) => ({ Authorization: `Bearer ${desk.key}` })

/** Throws where the stream is refused; `seq` is the last number known. */
export async function follow(
  kind: Kind,
  path: string,
  { seq, headers = {} }: { seq?: number; headers?: Record<string, string> } = {},
): Promise<Follower> {
  const known: Record<string, string> = seq === undefined ? {} : { 'Last-Event-ID': String(seq) }
  return kind === 'WebSocket'
    ? onSocket(
        await ask(seq === undefined ? path : `${path}&since=${seq}`, { ...headers, Upgrade: 'websocket' }),
      )
    : onStream(await ask(path, { ...headers, ...known }))
}

async function ask(path: string, headers: Record<string, string>): Promise<Response> {
  const request = new Request<unknown, IncomingRequestCfProperties>(`https://clinic.test${path}`, { headers })
  const response = await worker.fetch(request, env, createExecutionContext())
  if (response.status >= 400) throw new Error(`${response.status} ${await response.text()}`)
  return response
}

function onSocket(response: Response): Follower {
  const socket = response.webSocket
  if (response.status !== 101 || !socket) throw new Error(`${response.status} is no WebSocket`)
  let isCut = false
  const follower = newFollower(response, async () => {
    isCut = true
    socket.close()
  })
  follower.say = (text) => socket.send(text)
  socket.addEventListener('message', ({ data }) => {
    if (!isCut) hear(follower, String(data), data === 'pong' ? null : JSON.parse(String(data)))
  })
  socket.addEventListener('close', ({ code }) => {
    follower.end = { code }
  })
  socket.accept()
  return follower
}

function onStream(response: Response): Follower {
  expect(response.headers.get('Content-Type')).toBe('text/event-stream')
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  if (!reader) throw new Error('No stream')
  let isCut = false
  const follower = newFollower(response, async () => {
    isCut = true
    await reader.cancel()
  })
  const read = async () => {
    let rest = ''
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const blocks = (rest + part.value).split('\n\n')
      rest = blocks.pop() ?? ''
      for (const block of blocks) if (!isCut) hear(follower, `${block}\n\n`, messageOf(block))
    }
    follower.end = {}
  }
  void read()
  return follower
}

const newFollower = (response: Response, cut: () => Promise<void>): Follower => ({
  response,
  messages: [],
  raw: '',
  end: null,
  cut,
  say: () => {
    throw new Error('An event stream only speaks')
  },
})

function hear(follower: Follower, raw: string, message: LiveMessage | null): void {
  follower.raw += raw
  if (message) follower.messages.push(message)
}

/** Null for a comment. The number and the name of an event are those of its message. */
function messageOf(block: string): LiveMessage | null {
  if (block.startsWith(':')) return null
  const [, id, event, data] = /^id: (\d+)\nevent: (\w+)\ndata: (.+)$/.exec(block) ?? []
  const message = JSON.parse(data ?? '') as LiveMessage
  expect([Number(id), event]).toEqual([message.seq, message.type])
  return message
}

export const until = (follower: Follower, seq: number): Promise<void> =>
  soon(() => expect(follower.messages.at(-1)?.seq).toBe(seq))

/** The queue that the messages tell of: a snapshot starts anew, an entry takes the place of its position, or is gone. */
export function folded(messages: LiveMessage[]): (BoardEntry & Record<string, unknown>)[] {
  const byPosition = new Map<number, unknown>()
  for (const message of messages) {
    if (message.type === 'snapshot') byPosition.clear()
    const entries = message.type === 'snapshot' ? message.entries : message.entry ? [message.entry] : []
    for (const entry of entries) byPosition.set(entry.position, entry)
    if (message.type === 'event' && message.removed) byPosition.delete(message.removed)
  }
  return [...byPosition].sort(([one], [other]) => one - other).map(([, entry]) => entry) as never
}

/** Whole numbers below a bound, the same ones for the same seed (Park and Miller). */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
}
