import { logFailure } from '../../lib/log'
import { withTimeout } from '../../lib/outage'
import { SECOND_MS } from '../../lib/time'
import { backoff } from '../moving/backoff'
import type { Day, Recorded } from '../state/day'
import { redeem, voidTickets } from '../storage/tickets'
import {
  CLOSE_CODES,
  CONNECTION_MS_MAX,
  close,
  FOLLOW_HEADER,
  type Follower,
  type FollowRequest,
  openFollowers,
  RECONNECT,
  replacedBy,
  secondsUntilRoom,
} from './followers'
import { keyWatch } from './key-watch'
import { appendEvents, emptyStreamLog, lensOf, messagesAfter, type StreamLog } from './live'

/** A person waits at the screen, so a slower query for names is abandoned and retried. */
const NAMES_MS_MAX = 3 * SECOND_MS

/** What the live stream needs of the object. */
interface StreamHost {
  ctx: DurableObjectState
  env: Env
  day(): Day
  events(after: number): Iterable<Recorded>
  /** Does nothing on an unused day: its first event wakes the stream. */
  wakeAt(instant: number): void
  /** Sets the alarm on an unused day too, whose followers’ keys may be revoked. */
  watchAt(instant: number): void
}

interface LiveStream {
  /** Admits a follower, or answers with the code of a problem. */
  open(request: Request): Promise<Response>
  /** Closes the streams of revoked keys. Never throws. */
  closeRevoked(): Promise<void>
  /** Sends each follower the events that it has not received. Never throws. */
  catchUp(): Promise<void>
  /** When the alarm must run for the followers: at once where one of them is behind. */
  dueAt(): number
  /** A patient was erased: names are read from D1 again. */
  forgetNames(): void
  /** The log was started anew: each follower gets the whole queue again. */
  restart(): void
}

/**
 * Streams the log to the followers of the day. There is no `await` between reading the last number sent to a
 * socket and storing the new one, so two passes cannot send one event twice or leave one out.
 */
export function liveStream({ ctx, env, day, events, wakeAt, watchAt }: StreamHost): LiveStream {
  ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'))
  const showsInitials = env.BOARD_INITIALS === 'true'
  const names = new Map<string, string>()
  let streamLog: StreamLog | null = null
  let isLoadingNames = false
  const { postpone, reset } = backoff('live_failed', ctx.id.name, wakeAt)
  const keys = keyWatch(env.DB, ctx.id.name)

  /** What is revoked stays so: its tickets open nothing any more, even while D1 cannot be asked. */
  async function revokedOf(keyIds: string[]): Promise<string[]> {
    const revoked = await keys.revokedOf(keyIds)
    voidTickets(ctx.storage.sql, revoked, Date.now())
    return revoked
  }

  const keysDueAt = () => keys.dueAt(openFollowers(ctx, Date.now()).map(([, { keyId }]) => keyId))

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
      if (ctx.getWebSockets().length === 0) {
        streamLog = null
        if (!isLoadingNames) reset()
        return
      }
      // After the reply to the caller that caused the event: callers never wait for followers.
      await scheduler.wait(0)
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
    async open(request) {
      const asked = JSON.parse(decodeURIComponent(request.headers.get(FOLLOW_HEADER) ?? '')) as FollowRequest
      const admitted = admittedBy(ctx, asked)
      if (!admitted || (await revokedOf([admitted.keyId])).length > 0) return refusal('unauthenticated')
      const answer = admit(ctx, day(), { ...admitted, seq: asked.since, messages: 0 })
      watchAt(keysDueAt())
      ctx.waitUntil(catchUp())
      return answer
    },
    catchUp,
    async closeRevoked() {
      const followers = openFollowers(ctx, Date.now())
      if (followers.length === 0) return
      try {
        const revoked = await revokedOf(followers.map(([, { keyId }]) => keyId))
        for (const [socket, { keyId }] of followers)
          if (revoked.includes(keyId)) close(socket, CLOSE_CODES.revoked, 'The API key is no longer valid')
      } catch (error) {
        logFailure('keys_not_asked', error, { day: ctx.id.name })
      }
      watchAt(Math.max(keysDueAt(), Date.now() + SECOND_MS))
    },
    dueAt: () => Math.min(dueAt(ctx, day().version), keysDueAt()),
    forgetNames() {
      names.clear()
    },
    restart() {
      streamLog = null
      for (const [socket, follower] of openFollowers(ctx, Date.now()))
        socket.serializeAttachment({ ...follower, seq: null })
    },
  }
}

function dueAt(ctx: DurableObjectState, version: number): number {
  const now = Date.now()
  const dues = openFollowers(ctx, now).map(([, { seq, until }]) => (seq === version ? until : now))
  return Math.min(Number.POSITIVE_INFINITY, ...dues)
}

type Admitted = Omit<Follower, 'until' | 'seq' | 'messages'>

/** Null where the ticket opens nothing here. */
function admittedBy(ctx: DurableObjectState, asked: FollowRequest): Admitted | null {
  if (!('ticket' in asked))
    return { clinicId: asked.clinicId, keyId: asked.keyId, view: asked.view, ticket: null }
  const redeemed = redeem(ctx.storage.sql, ctx.id.name, asked, Date.now())
  return redeemed && { ...redeemed, ticket: asked.ticket }
}

/** Accepts the socket. The next pass sends the first messages. */
function admit(ctx: DurableObjectState, { identity }: Day, admitted: Omit<Follower, 'until'>): Response {
  const now = Date.now()
  if (identity && identity.clinicId !== admitted.clinicId) return refusal('not_found')
  const followers = openFollowers(ctx, now)
  const replaced = replacedBy(followers, admitted.ticket)
  const others = followers.filter((follower) => follower !== replaced)
  const seconds = secondsUntilRoom(others, admitted, now)
  if (seconds !== null) return refusal('live_full', { 'Retry-After': String(seconds) })
  if (replaced) close(replaced[0], CLOSE_CODES.replaced, 'A newer stream of this ticket')
  const { 0: theirs, 1: ours } = new WebSocketPair()
  ctx.acceptWebSocket(ours)
  const follower: Follower = { ...admitted, until: now + CONNECTION_MS_MAX }
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

const refusal = (code: 'unauthenticated' | 'not_found' | 'live_full', headers: HeadersInit = {}) =>
  new Response(code, { status: 400, headers })

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
