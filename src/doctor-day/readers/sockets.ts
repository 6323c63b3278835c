import { logFailure } from '../../lib/log'
import { withTimeout } from '../../lib/outage'
import { HOUR_MS, SECOND_MS } from '../../lib/time'
import { backoff } from '../moving/backoff'
import type { Day, Recorded } from '../state/day'
import { type PresentedTicket, redeem } from '../storage/tickets'
import { appendEvents, emptyStreamLog, lensOf, messagesAfter, type StreamLog, type View } from './live'

/** Followers of one day at a time. The object sends each event to all of them before it does other work. */
export const FOLLOWERS_MAX = 200

/** Then a follower must reconnect and authenticate again: a revoked key cannot follow for longer. */
const CONNECTION_MS_MAX = HOUR_MS

/** Each message from a client wakes the object, and the object uses none of them. */
const CLIENT_MESSAGES_MAX = 10

/** A person waits at the screen, so a slower query for names is abandoned and retried. */
const NAMES_MS_MAX = 3 * SECOND_MS

/** Close codes. `reconnect`: a client that reconnects with its last `seq` as `since` misses nothing. */
const CLOSE_CODES = { tooManyMessages: 1008, failed: 1011, reconnect: 4000 }
const RECONNECT = 'Reconnect with the last seq as since'

/** The header of the Worker’s own request to the day, which carries nothing of the caller’s request. */
export const FOLLOW_HEADER = 'X-Doctorday-Follow'

/** `since`: the last event that the follower has. The Worker has checked a key; the day checks a ticket. */
export type FollowRequest = { since: number | null } & ({ clinicId: string; view: View } | PresentedTicket)

/** Stored with the socket to survive eviction. `seq`: last event sent. `until`: when it must reconnect. */
interface Follower {
  clinicId: string
  view: View
  seq: number | null
  until: number
  messages: number
}

/** What the live stream needs of the object. */
interface StreamHost {
  ctx: DurableObjectState
  env: Env
  day(): Day
  events(after: number): Recorded[]
  /** Does nothing on an unused day: following a day must not create storage. */
  wakeAt(instant: number): void
}

interface LiveStream {
  /** Admits a follower, or answers with the code of a problem. */
  open(request: Request): Response
  /** Sends each follower the events that it has not received. Never throws. */
  catchUp(): Promise<void>
  /** When the alarm must run for the followers: at once where one of them is behind. */
  dueAt(): number
}

/**
 * Streams the log to the followers of the day. There is no `await` between reading the last number sent to a
 * socket and storing the new one, so two passes cannot send one event twice or leave one out.
 */
export function liveStream({ ctx, env, day, events, wakeAt }: StreamHost): LiveStream {
  ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'))
  const showsInitials = env.BOARD_INITIALS === 'true'
  const names = new Map<string, string>()
  let streamLog: StreamLog | null = null
  let isLoadingNames = false
  const { postpone, reset } = backoff('live_failed', ctx.id.name, wakeAt)

  /** Sends what it can, and returns the patients whose names are missing for the rest. */
  function deliver(): string[] {
    const followers = openFollowers(ctx, Date.now())
    if (followers.length === 0) return []
    const current = streamLog ?? emptyStreamLog()
    appendEvents(current, events(current.day.version))
    streamLog = current
    wakeAt(Math.min(...followers.map(([, { until }]) => until)))
    const unnamed = followers.flatMap(([socket, follower]) => {
      const lens = lensOf(follower.view, current.day.identity, showsInitials)
      return send(socket, follower, current, lens, names)
    })
    return [...new Set(unnamed)]
  }

  /** One pass at a time loads names, until none is missing. Followers without names do not wait for it. */
  async function loadNames(unnamed: string[]): Promise<void> {
    isLoadingNames = true
    try {
      for (let missing = unnamed; missing.length > 0; missing = deliver()) {
        const query = namesOf(env.DB, day().identity?.clinicId ?? '', missing)
        const found = await withTimeout(query, NAMES_MS_MAX)
        // A patient who is not found gets an empty name, as in the list of the queue.
        for (const id of missing) names.set(id, found.get(id) ?? '')
      }
    } finally {
      isLoadingNames = false
    }
  }

  /** The stream log stays in memory only while the day has followers. */
  async function catchUp(): Promise<void> {
    try {
      if (ctx.getWebSockets().length === 0) streamLog = null
      // After the reply to the caller that caused the event: callers never wait for followers.
      else await scheduler.wait(0)
      const unnamed = deliver()
      if (unnamed.length > 0 && !isLoadingNames) await loadNames(unnamed)
      if (!isLoadingNames) reset()
    } catch (error) {
      // This pass may have left the stream log half updated, so the next one reads it from the start.
      streamLog = null
      postpone(error)
    }
  }

  return {
    open(request) {
      const answer = admit(ctx, day(), request)
      ctx.waitUntil(catchUp())
      return answer
    },
    catchUp,
    dueAt: () => dueAt(ctx, day().version),
  }
}

/** The followers whose time is not over; closes the sockets of the others. */
function openFollowers(ctx: DurableObjectState, now: number): [WebSocket, Follower][] {
  const open = ctx.getWebSockets().filter(({ readyState }) => readyState === WebSocket.OPEN)
  const all = open.map((socket): [WebSocket, Follower] => [socket, socket.deserializeAttachment()])
  for (const [socket, { until }] of all) if (until <= now) close(socket, CLOSE_CODES.reconnect, RECONNECT)
  return all.filter(([, { until }]) => until > now)
}

function dueAt(ctx: DurableObjectState, version: number): number {
  const now = Date.now()
  const dues = openFollowers(ctx, now).map(([, { seq, until }]) => (seq === version ? until : now))
  return Math.min(Number.POSITIVE_INFINITY, ...dues)
}

/** Accepts the socket. The next pass sends the first messages. */
function admit(ctx: DurableObjectState, { identity }: Day, request: Request): Response {
  const asked = JSON.parse(decodeURIComponent(request.headers.get(FOLLOW_HEADER) ?? '')) as FollowRequest
  const now = Date.now()
  const admitted = 'ticket' in asked ? redeem(ctx.storage.sql, ctx.id.name, asked, now) : asked
  if (!admitted) return refusal('unauthenticated')
  const { clinicId, view } = admitted
  if (identity && identity.clinicId !== clinicId) return refusal('not_found')
  if (openFollowers(ctx, now).length >= FOLLOWERS_MAX) return refusal('live_full')
  const { 0: theirs, 1: ours } = new WebSocketPair()
  ctx.acceptWebSocket(ours)
  const follower: Follower = { clinicId, view, seq: asked.since, until: now + CONNECTION_MS_MAX, messages: 0 }
  ours.serializeAttachment(follower)
  return new Response(null, { status: 101, webSocket: theirs })
}

/** A socket that fails affects no other follower. Returns the patients whose names are missing. */
function send(
  socket: WebSocket,
  follower: Follower,
  streamLog: StreamLog,
  lens: ReturnType<typeof lensOf>,
  names: ReadonlyMap<string, string>,
): string[] {
  const { identity } = streamLog.day
  if (identity && identity.clinicId !== follower.clinicId)
    return close(socket, CLOSE_CODES.failed, 'Not found')
  const { messages, unnamed } = messagesAfter(streamLog, follower.seq, lens, names)
  try {
    for (const message of messages) socket.send(JSON.stringify(message))
    const last = messages.at(-1)
    if (last) socket.serializeAttachment({ ...follower, seq: last.seq })
    return unnamed
  } catch (error) {
    logFailure('socket_failed', error, { clinic: follower.clinicId })
    return close(socket, CLOSE_CODES.failed, RECONNECT)
  }
}

/** The stream needs no messages from clients: it ignores the first few, then closes the socket. */
export function countMessage(socket: WebSocket): void {
  const follower = socket.deserializeAttachment() as Follower
  if (follower.messages >= CLIENT_MESSAGES_MAX)
    close(socket, CLOSE_CODES.tooManyMessages, 'This stream accepts no messages')
  else socket.serializeAttachment({ ...follower, messages: follower.messages + 1 })
}

/** A socket that cannot be closed is closed already. */
function close(socket: WebSocket, code: number, reason: string): [] {
  try {
    socket.close(code, reason)
  } catch {
    // The other end is gone, so there is nothing to report.
  }
  return []
}

const refusal = (code: 'unauthenticated' | 'not_found' | 'live_full') => new Response(code, { status: 400 })

/**
 * Names of patients by id, in one query for any number of them. The plus keeps SQLite from using an index of
 * the clinic, with which it would read all of the clinic’s patients.
 */
export async function namesOf(
  database: D1Database,
  clinicId: string,
  ids: string[],
): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map()
  const { results } = await database
    .prepare('SELECT id, name FROM patients WHERE +clinic_id = ? AND id IN (SELECT value FROM json_each(?))')
    .bind(clinicId, JSON.stringify(ids))
    .all<{ id: string; name: string }>()
  return new Map(results.map(({ id, name }) => [id, name]))
}
