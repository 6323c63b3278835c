import { logFailure } from '../../lib/log'
import { inTime } from '../../lib/outage'
import { HOUR_MS, SECOND_MS } from '../../lib/time'
import { backoff } from '../moving/backoff'
import type { Day, Recorded } from '../state/day'
import { type Redeem, redeem } from '../storage/tickets'
import { lensOf, messagesBehind, newStory, type Story, tell, type View } from './live'

/** So many may follow one day at a time; each event is sent to all of them before the object goes on. */
export const FOLLOWERS_MAX = 200

/** Then it has to come again and show what it may see: a revoked key cannot listen for longer. */
const CONNECTION_MS_MAX = HOUR_MS

/** Each message of a client wakes the object, and none is of use. */
const HEARD_MAX = 10

/** Somebody stands before the screen: what takes longer is asked again. */
const NAMES_MS_MAX = 3 * SECOND_MS

/** What a socket is closed with. `comeAgain`: with the last number as `since`, and nothing is missed. */
const CLOSED = { tooMuchSaid: 1008, broken: 1011, comeAgain: 4000 }

/** What the Worker asks, in a header: its own request carries nothing of the caller's. */
export const ASK_HEADER = 'X-Doctorday-Follow'

/** `since`: the last event the follower knows. Who shows a key was let in by the Worker, a ticket is ours. */
export type Ask = { since: number | null } & ({ clinicId: string; view: View } | Redeem)

/** Kept with the socket, so that it outlives the memory: what it was told (null: nothing), and until when. */
interface Follower {
  clinicId: string
  view: View
  seq: number | null
  until: number
  heard: number
}

/** What following needs of the object. */
interface StreamHost {
  ctx: DurableObjectState
  env: Env
  day(): Day
  events(after: number): Recorded[]
  /** Does nothing on a day that nobody has touched: being watched must not create storage. */
  wakeAt(instant: number): void
}

interface Following {
  /** Lets a follower in, or answers why not: the code of a problem. */
  open(request: Request): Response
  /** Tells each follower what it has not been told. Never throws. */
  catchUp(): Promise<void>
  /** When the alarm has to come for the followers: at once where one is behind. */
  dueAt(): number
}

/**
 * Tells the log to those who follow the day. Between reading what a socket was sent and noting what it is
 * sent now nothing waits, so no two passes can send one event twice or leave one out.
 */
export function following({ ctx, env, day, events, wakeAt }: StreamHost): Following {
  ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'))
  const showsInitials = env.BOARD_INITIALS === 'true'
  const names = new Map<string, string>()
  let story: Story | null = null
  let isLearning = false
  const { postpone, reset } = backoff('live_failed', ctx.id.name, wakeAt)

  /** Answers whose names are missing to tell the rest. */
  function deliver(): string[] {
    const followers = present(ctx, Date.now())
    if (followers.length === 0) return []
    const told = story ?? newStory()
    tell(told, events(told.day.version))
    story = told
    wakeAt(Math.min(...followers.map(([, { until }]) => until)))
    const unnamed = followers.flatMap(([socket, follower]) => {
      const lens = lensOf(follower.view, told.day.place, showsInitials)
      return send(socket, follower, told, lens, names)
    })
    return [...new Set(unnamed)]
  }

  /** One asks for names at a time, until none is missing; who needs none does not wait for it. */
  async function learn(unnamed: string[]): Promise<void> {
    isLearning = true
    try {
      for (let missing = unnamed; missing.length > 0; missing = deliver()) {
        const asked = namesOf(env.DB, day().place?.clinicId ?? '', missing)
        const found = await inTime(asked, NAMES_MS_MAX)
        // A patient who is not found has no name, as in the list of the queue.
        for (const id of missing) names.set(id, found.get(id) ?? '')
      }
    } finally {
      isLearning = false
    }
  }

  /** The story stays in memory only while somebody follows. */
  async function catchUp(): Promise<void> {
    try {
      if (ctx.getWebSockets().length === 0) story = null
      // Behind the reply to whoever caused the event: who follows is never waited for.
      else await scheduler.wait(0)
      const unnamed = deliver()
      if (unnamed.length > 0 && !isLearning) await learn(unnamed)
      if (!isLearning) reset()
    } catch (error) {
      // What was told half is told anew.
      story = null
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

/** Those who may still listen; whoever has listened long enough is sent away. */
function present(ctx: DurableObjectState, now: number): [WebSocket, Follower][] {
  const open = ctx.getWebSockets().filter(({ readyState }) => readyState === WebSocket.OPEN)
  const all = open.map((socket): [WebSocket, Follower] => [socket, socket.deserializeAttachment()])
  for (const [socket, { until }] of all)
    if (until <= now) close(socket, CLOSED.comeAgain, 'Come again with since')
  return all.filter(([, { until }]) => until > now)
}

function dueAt(ctx: DurableObjectState, version: number): number {
  const now = Date.now()
  const dues = present(ctx, now).map(([, { seq, until }]) => (seq === version ? until : now))
  return Math.min(Number.POSITIVE_INFINITY, ...dues)
}

/** Accepts the socket for as long as it may listen; it has been sent nothing yet. */
function admit(ctx: DurableObjectState, { place }: Day, request: Request): Response {
  const ask = JSON.parse(decodeURIComponent(request.headers.get(ASK_HEADER) ?? '')) as Ask
  const now = Date.now()
  const admitted = 'ticket' in ask ? redeem(ctx.storage.sql, ctx.id.name, ask, now) : ask
  if (!admitted) return refused('unauthenticated')
  const { clinicId, view } = admitted
  if (place && place.clinicId !== clinicId) return refused('not_found')
  if (present(ctx, now).length >= FOLLOWERS_MAX) return refused('live_full')
  const { 0: theirs, 1: ours } = new WebSocketPair()
  ctx.acceptWebSocket(ours)
  const follower: Follower = { clinicId, view, seq: ask.since, until: now + CONNECTION_MS_MAX, heard: 0 }
  ours.serializeAttachment(follower)
  return new Response(null, { status: 101, webSocket: theirs })
}

/** What a socket cannot take harms no other one. Answers whose names are missing. */
function send(
  socket: WebSocket,
  follower: Follower,
  story: Story,
  lens: ReturnType<typeof lensOf>,
  names: ReadonlyMap<string, string>,
): string[] {
  const { place } = story.day
  if (place && place.clinicId !== follower.clinicId) return close(socket, CLOSED.broken, 'Not here')
  const { messages, unnamed } = messagesBehind(story, follower.seq, lens, names)
  try {
    for (const message of messages) socket.send(JSON.stringify(message))
    const last = messages.at(-1)
    if (last) socket.serializeAttachment({ ...follower, seq: last.seq })
    return unnamed
  } catch (error) {
    logFailure('socket_failed', error, { clinic: follower.clinicId })
    return close(socket, CLOSED.broken, 'Come again with since')
  }
}

/** Nothing that a client says is of use; some of it is overheard. */
export function hear(socket: WebSocket): void {
  const follower = socket.deserializeAttachment() as Follower
  if (follower.heard >= HEARD_MAX) close(socket, CLOSED.tooMuchSaid, 'This stream only speaks')
  else socket.serializeAttachment({ ...follower, heard: follower.heard + 1 })
}

/** A socket that cannot be closed is gone already. */
function close(socket: WebSocket, code: number, reason: string): [] {
  try {
    socket.close(code, reason)
  } catch {
    // Nobody is left to tell.
  }
  return []
}

const refused = (code: 'unauthenticated' | 'not_found' | 'live_full') => new Response(code, { status: 400 })

/**
 * Names of patients by id, in one query however many they are. The plus keeps SQLite from an index of the
 * clinic, by which it would read all of its patients.
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
