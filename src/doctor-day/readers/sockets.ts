import { logFailure } from '../../lib/log'
import { withTimeout } from '../../lib/outage'
import { SECOND_MS } from '../../lib/time'
import { backoff } from '../moving/backoff'
import { type PresentedTicket, redeem } from '../storage/tickets'
import {
  CLOSE_CODES,
  CONNECTION_MS_MAX,
  close,
  type Follower,
  type FollowRequest,
  followRequestOf,
  openFollowers,
  RECONNECT,
  replacedBy,
  secondsUntilRoom,
} from './followers'
import type { View } from './live'
import { type Revocations, revocations } from './revoked'

/** A person waits at the screen, so a slower query for names is abandoned and retried. */
const NAMES_MS_MAX = 3 * SECOND_MS

/** What an object tells its followers. */
export interface Source {
  /** Whose followers may hear it; null while there is nothing to hear. */
  clinicId(): string | null
  /** The number of the last message. */
  version(): number
  /** Reads what is new. */
  read(): void
  /** What a follower gets who has all up to `seq`, as far as the names of its patients are known. */
  messagesAfter(seq: number | null, view: View, names: KnownNames): Messages
  /** Called while there are no followers, and after a pass that may have left it half read. */
  forget(): void
}

/** By patient. `onBoards`: whether boards show initials. */
export interface KnownNames {
  byId: ReadonlyMap<string, string>
  onBoards: boolean
}

/** `unnamed`: the patients whose names are missing for the rest. */
export interface Messages {
  messages: { seq: number }[]
  unnamed: string[]
}

/** What the live stream needs of the object. */
export interface StreamHost {
  ctx: DurableObjectState
  env: Pick<Env, 'DB' | 'BOARD_INITIALS'>
  source: Source
  /** The name that an object has which a ticket of this clinic opens, as the caller asks for it. */
  addressOf(clinicId: string, asked: PresentedTicket<View>): string
  wakeAt(instant: number): void
  /** Sets the alarm also where nothing has happened yet: the keys of followers may be revoked. */
  watchAt(instant: number): void
}

export interface LiveStream extends Pick<Revocations, 'closeRevoked'> {
  /** Admits a follower, or answers with the code of a problem. */
  open(request: Request): Promise<Response>
  /** Sends each follower the events that it has not received. Never throws. */
  catchUp(): Promise<void>
  /** When the alarm must run for the followers: at once where one of them is behind. */
  dueAt(): number
  /** A patient was erased: names are read from D1 again. */
  forgetNames(): void
  /** The numbers begin anew: each follower gets a snapshot. */
  restart(): void
}

/**
 * Streams a source to the followers of its object. There is no `await` between reading the last number sent
 * to a socket and storing the new one, so two passes cannot send one event twice or leave one out.
 */
export function streamTo({ ctx, env, source, addressOf, wakeAt, watchAt }: StreamHost): LiveStream {
  ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'))
  const names = new Map<string, string>()
  let isLoadingNames = false
  const { postpone, reset } = backoff('live_failed', ctx.id.name, wakeAt)
  const keys = revocations(ctx, env.DB, watchAt)

  /** None while it is not known what the clinic says. */
  function showsInitials(): boolean {
    const ofClinic = keys.boardInitials()
    return ofClinic === undefined ? false : (ofClinic ?? env.BOARD_INITIALS === 'true')
  }

  /** Sends what it can, and returns the patients whose names are missing for the rest. */
  function deliver(): string[] {
    const followers = openFollowers(ctx, Date.now())
    if (followers.length === 0) return []
    source.read()
    wakeAt(Math.min(...followers.map(([, { until }]) => until)))
    const known = { byId: names, onBoards: showsInitials() }
    return [...new Set(followers.flatMap(([socket, follower]) => send(socket, follower, source, known)))]
  }

  /** One pass at a time loads names, until none is missing. Followers without names do not wait for it. */
  async function loadNames(unnamed: string[]): Promise<void> {
    isLoadingNames = true
    try {
      for (let missing = unnamed; missing.length > 0; missing = deliver()) {
        const query = namesOf(env.DB, source.clinicId() ?? '', missing)
        const found = await withTimeout(query, NAMES_MS_MAX)
        // A patient who is not found gets an empty name, as in the list of the queue.
        for (const id of missing) names.set(id, found.get(id) ?? '')
      }
    } finally {
      isLoadingNames = false
    }
  }

  async function catchUp(): Promise<void> {
    try {
      if (ctx.getWebSockets().length === 0) {
        source.forget()
        if (!isLoadingNames) reset()
        return
      }
      // After the reply to the caller that caused the event: callers never wait for followers.
      await scheduler.wait(0)
      if (keys.boardInitials() === undefined) await keys.closeRevoked()
      const unnamed = deliver()
      if (unnamed.length > 0 && !isLoadingNames) await loadNames(unnamed)
      if (!isLoadingNames) reset()
    } catch (error) {
      source.forget()
      postpone(error)
    }
  }

  function restart(): void {
    source.forget()
    for (const [socket, follower] of openFollowers(ctx, Date.now()))
      socket.serializeAttachment({ ...follower, seq: null })
  }

  return {
    async open(request) {
      const asked = followRequestOf(request)
      const admitted = admittedBy(ctx, asked, addressOf)
      if (!admitted || (await keys.isRevoked(admitted.keyId))) return refusal('unauthenticated')
      const follower = { ...admitted, seq: asked.since, messages: 0 }
      const answer = admit(ctx, source.clinicId(), follower)
      watchAt(keys.dueAt())
      ctx.waitUntil(catchUp())
      return answer
    },
    catchUp,
    /** Boards that change their look start anew. */
    async closeRevoked() {
      const before = keys.boardInitials()
      await keys.closeRevoked()
      if (before === undefined || keys.boardInitials() === before) return
      restart()
      await catchUp()
    },
    dueAt: () => Math.min(dueAt(ctx, source.version()), keys.dueAt()),
    forgetNames: () => names.clear(),
    restart,
  }
}

function dueAt(ctx: DurableObjectState, version: number): number {
  const now = Date.now()
  const dues = openFollowers(ctx, now).map(([, { seq, until }]) => (seq === version ? until : now))
  return Math.min(Number.POSITIVE_INFINITY, ...dues)
}

type Admitted = Omit<Follower, 'until' | 'seq' | 'messages'>

/** Null where the ticket opens nothing here. */
export function admittedBy(
  ctx: DurableObjectState,
  asked: FollowRequest,
  addressOf: StreamHost['addressOf'],
): Admitted | null {
  if (!('ticket' in asked))
    return { clinicId: asked.clinicId, keyId: asked.keyId, view: asked.view, ticket: null }
  const redeemed = redeem<View>(ctx.storage.sql, asked, Date.now())
  if (redeemed && addressOf(redeemed.clinicId, asked) !== ctx.id.name) return null
  return redeemed && { ...redeemed, ticket: asked.ticket }
}

/** Accepts the socket, if there is room. The next pass sends the first messages. */
export function admit<F extends Follower>(
  ctx: DurableObjectState,
  clinicId: string | null,
  admitted: Omit<F, 'until'>,
): Response {
  const now = Date.now()
  if (clinicId !== null && clinicId !== admitted.clinicId) return refusal('not_found')
  const followers = openFollowers(ctx, now)
  const replaced = replacedBy(followers, admitted.ticket)
  const others = followers.filter((follower) => follower !== replaced)
  const seconds = secondsUntilRoom(others, admitted, now)
  if (seconds !== null) return refusal('live_full', { 'Retry-After': String(seconds) })
  if (replaced) close(replaced[0], CLOSE_CODES.replaced, 'A newer stream of this ticket')
  const { 0: theirs, 1: ours } = new WebSocketPair()
  ctx.acceptWebSocket(ours)
  ours.serializeAttachment({ ...admitted, until: now + CONNECTION_MS_MAX })
  return new Response(null, { status: 101, webSocket: theirs })
}

/** A socket that fails affects no other follower. Returns the patients whose names are missing. */
function send(socket: WebSocket, follower: Follower, source: Source, names: KnownNames): string[] {
  const clinicId = source.clinicId()
  if (clinicId !== null && clinicId !== follower.clinicId)
    return close(socket, CLOSE_CODES.failed, 'Not found')
  const { messages, unnamed } = source.messagesAfter(follower.seq, follower.view, names)
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

export const refusal = (code: 'unauthenticated' | 'not_found' | 'live_full', headers: HeadersInit = {}) =>
  new Response(code, { status: 400, headers })

/**
 * Names of patients by id, in one query for any number of them. Of a record that was merged into another one,
 * it is the name of that one. The plus keeps SQLite from using an index of the clinic, with which it would
 * read all of the clinic’s patients.
 */
export async function namesOf(
  database: D1Database,
  clinicId: string,
  ids: string[],
): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map()
  const { results } = await database
    .prepare(`SELECT asked.value AS id, patients.name FROM json_each(?2) AS asked
      LEFT JOIN merged_patients AS merged ON merged.clinic_id = ?1 AND merged.old_id = asked.value
      CROSS JOIN patients ON patients.id = coalesce(merged.survivor_id, asked.value)
        AND +patients.clinic_id = ?1`)
    .bind(clinicId, JSON.stringify(ids))
    .all<{ id: string; name: string }>()
  return new Map(results.map(({ id, name }) => [id, name]))
}
