import { HOUR_MS, SECOND_MS } from '../../lib/time'
import type { PresentedTicket } from '../storage/tickets'
import type { View } from './live'

/** The followers of one day: their sockets, which survive an eviction, and how many there may be. */

/**
 * Places for those who follow with a key, and with a ticket. The object sends each event to all of them
 * before it does other work. Two kinds, so that the screens of waiting rooms cannot lock out the desk.
 */
export const PLACES_MAX = { key: 100, ticket: 100 }

/** One key takes at most half of each kind: streams of its own, and streams of the tickets that it issued. */
export const PLACES_PER_KEY_MAX = 50

/** The next stream of a ticket ends its oldest: that a connection was cut is noticed only some time later. */
export const STREAMS_PER_TICKET_MAX = 2

/** Then a follower must reconnect and authenticate again. */
export const CONNECTION_MS_MAX = HOUR_MS

/** Each message from a client wakes the object, and the object uses none of them. */
const CLIENT_MESSAGES_MAX = 10

/** Close codes. `reconnect`: a client that reconnects with its last `seq` as `since` misses nothing. */
export const CLOSE_CODES = {
  tooManyMessages: 1008,
  failed: 1011,
  reconnect: 4000,
  revoked: 4001,
  replaced: 4002,
}
export const RECONNECT = 'Reconnect with the last seq as since'

/** The header of the Worker’s own request to the day, which carries nothing of the caller’s request. */
export const FOLLOW_HEADER = 'X-Doctorday-Follow'

/**
 * `since`: the last event that the follower has. The Worker has checked a key; the object checks a ticket.
 * `date`: for an object that does not know it.
 */
export type FollowRequest = { since: number | null } & (
  | { clinicId: string; keyId: string; view: View; date?: string }
  | PresentedTicket<View>
)

/** What the Worker asks for. */
export const followRequestOf = (request: Request): FollowRequest =>
  JSON.parse(decodeURIComponent(request.headers.get(FOLLOW_HEADER) ?? ''))

/**
 * Stored with the socket. `keyId`: the key that opened the stream or issued its ticket. `ticket`: the hash of
 * the ticket, or null. `seq`: last event sent. `until`: when it must reconnect.
 */
export interface Follower {
  clinicId: string
  keyId: string
  ticket: string | null
  view: View
  seq: number | null
  until: number
  messages: number
}

export type Follow = [WebSocket, Follower]

/** The followers whose time is not over; closes the sockets of the others. */
export function openFollowers(ctx: DurableObjectState, now: number): Follow[] {
  const open = ctx.getWebSockets().filter(({ readyState }) => readyState === WebSocket.OPEN)
  const all = open.map((socket): Follow => [socket, socket.deserializeAttachment()])
  for (const [socket, { until }] of all) if (until <= now) close(socket, CLOSE_CODES.reconnect, RECONNECT)
  return all.filter(([, { until }]) => until > now)
}

/** The stream that ends when this ticket opens another one. */
export function replacedBy(followers: Follow[], ticket: string | null): Follow | undefined {
  const own = followers.filter(([, follower]) => ticket !== null && follower.ticket === ticket)
  const byAge = own.toSorted(([, one], [, other]) => one.until - other.until)
  return byAge.length < STREAMS_PER_TICKET_MAX ? undefined : byAge[0]
}

/** Null where there is room; otherwise in how many seconds a place is free at the latest. */
export function secondsUntilRoom(
  followers: Follow[],
  { keyId, ticket }: Pick<Follower, 'keyId' | 'ticket'>,
  now: number,
): number | null {
  const ofKind = followers.map(([, follower]) => follower).filter((one) => !one.ticket === !ticket)
  const groups: [Follower[], number][] = [
    [ofKind, ticket === null ? PLACES_MAX.key : PLACES_MAX.ticket],
    [ofKind.filter((one) => one.keyId === keyId), PLACES_PER_KEY_MAX],
  ]
  const waits = groups.flatMap(([group, max]) =>
    group.length < max ? [] : [Math.min(...group.map(({ until }) => until)) - now],
  )
  return waits.length === 0 ? null : Math.ceil(Math.max(...waits) / SECOND_MS)
}

/** The stream needs no messages from clients: it ignores the first few, then closes the socket. */
export function countMessage(socket: WebSocket): void {
  const follower = socket.deserializeAttachment() as Follower
  if (follower.messages >= CLIENT_MESSAGES_MAX)
    close(socket, CLOSE_CODES.tooManyMessages, 'This stream accepts no messages')
  else socket.serializeAttachment({ ...follower, messages: follower.messages + 1 })
}

/** A socket that cannot be closed is closed already. */
export function close(socket: WebSocket, code: number, reason: string): [] {
  try {
    socket.close(code, reason)
  } catch {
    // The other end is gone, so there is nothing to report.
  }
  return []
}

/** How the other end has closed a socket. */
export type Closed = [socket: WebSocket, code: number, reason: string, wasClean: boolean]

/** A normal end, and what an end reports of a close without a code: that code may not be sent. */
const [NORMAL, NO_CODE] = [1000, 1005]

/**
 * The runtime leaves the answer to a close to the object of the socket. Without one the client waits until
 * its own patience ends.
 */
export const closeBack = (...[socket, code, reason]: Closed): [] =>
  close(socket, code === NO_CODE ? NORMAL : code, reason)
