import * as v from 'valibot'
import { Queued } from '../checkins/model'
import type { View } from '../doctor-day/readers/live'
import { component, text } from '../lib/schema'
import { LocalDate } from '../lib/time'

/** `desk` is for the staff, with names; `board` is for a screen in the waiting room. */
const VIEWS: View[] = ['desk', 'board']
export const WantedView = v.picklist(VIEWS)

/** For a screen in a waiting room: no ids, no times of arrival. `initials` is null unless configured. */
export const BoardEntry = component('BoardEntry', {
  position: v.number(),
  status: v.picklist(['waiting', 'called', 'served', 'skipped', 'no_show']),
  room: v.nullable(v.string()),
  initials: v.nullable(v.string()),
})
const AnyEntry = v.union([Queued, BoardEntry])

/**
 * `entries` is the whole queue, by position; an `entry` replaces the one with the same position. `removed` is
 * the position of the entry whose check-in was undone, and that is in the queue no more.
 */
export const LiveMessage = v.pipe(
  v.variant('type', [
    v.object({ type: v.literal('snapshot'), seq: v.number(), entries: v.array(AnyEntry) }),
    v.object({
      type: v.literal('event'),
      seq: v.number(),
      /** Not on the board. */
      at: v.optional(v.string()),
      /** On the board `other`, where the event is not about the queue. */
      event: v.string(),
      entry: v.nullable(AnyEntry),
      removed: v.optional(v.number()),
    }),
  ]),
  v.metadata({ ref: 'LiveMessage' }),
)

export const FollowPath = v.object({ doctor_id: text(100) })

const EVENT_NUMBER = /^\d{1,15}$/

/**
 * `since`: the `seq` of the last message that the caller has; the stream continues after it. Without it, with
 * an empty one, or with a number above the day’s last event, the stream starts with a snapshot.
 */
export const Follow = v.object({
  date: v.optional(LocalDate),
  view: v.optional(WantedView),
  since: v.optional(
    v.pipe(v.string(), v.regex(/^(?:\d{1,15})?$/, 'must be a whole number from 0, the seq of a message')),
  ),
  ticket: v.optional(v.string()),
})
export type Follow = v.InferOutput<typeof Follow>

/** Null for what cannot be the number of an event, like a `Last-Event-ID` of another stream. */
export const sinceOf = (text: string | undefined): number | null =>
  text !== undefined && EVENT_NUMBER.test(text) ? Number(text) : null

export const NewTicket = component('NewTicket', {
  date: v.optional(LocalDate),
  view: v.optional(WantedView, 'board'),
})
export type NewTicket = v.InferOutput<typeof NewTicket>

/** `url` is the path to open, ticket included. The ticket is shown in this reply only. */
export const Ticket = component('Ticket', {
  ticket: v.string(),
  url: v.string(),
  view: WantedView,
  date: v.string(),
  expires_at: v.string(),
})
export type Ticket = v.InferOutput<typeof Ticket>
