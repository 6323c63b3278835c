import * as v from 'valibot'
import { Queued } from '../checkins/model'
import type { View } from '../doctor-day/readers/live'
import { component } from '../lib/schema'
import { LocalDate } from '../lib/time'

/** `desk` is for those who work there, with names; `board` is for everybody in the waiting room. */
const VIEWS: View[] = ['desk', 'board']
const WantedView = v.picklist(VIEWS)

/**
 * What a screen in a waiting room may show. No id leads from it to a patient or an appointment, and no time
 * tells who came when. `initials` is null unless the service was set up to show them.
 */
export const BoardEntry = component('BoardEntry', {
  position: v.number(),
  status: v.picklist(['waiting', 'called', 'served', 'skipped', 'no_show']),
  room: v.nullable(v.string()),
  initials: v.nullable(v.string()),
})
const AnyEntry = v.union([Queued, BoardEntry])

/** `entries` are all, by position; an `entry` takes the place of the one with its position. */
export const LiveMessage = v.pipe(
  v.variant('type', [
    v.object({ type: v.literal('snapshot'), seq: v.number(), entries: v.array(AnyEntry) }),
    v.object({
      type: v.literal('event'),
      seq: v.number(),
      /** Not on the board. */
      at: v.optional(v.string()),
      /** On the board `other`, where it is not about the queue. */
      event: v.string(),
      entry: v.nullable(AnyEntry),
    }),
  ]),
  v.metadata({ ref: 'LiveMessage' }),
)

export const FollowPath = v.object({ doctor_id: v.string() })

/**
 * `since`: the number of the last message the caller knows; the stream goes on behind it. Without it, or with
 * one that this day has not come to, it starts with a snapshot.
 */
export const Follow = v.object({
  date: v.optional(LocalDate),
  view: v.optional(WantedView),
  since: v.optional(v.string()),
  ticket: v.optional(v.string()),
})
export type Follow = v.InferOutput<typeof Follow>

/** Null for everything that is no number of an event. */
export const sinceOf = (text: string | undefined): number | null =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null

export const NewTicket = component('NewTicket', {
  date: v.optional(LocalDate),
  view: v.optional(WantedView, 'board'),
})
export type NewTicket = v.InferOutput<typeof NewTicket>

/** `url` is the path to open, ticket included. The only time the ticket is seen. */
export const Ticket = component('Ticket', {
  ticket: v.string(),
  url: v.string(),
  view: WantedView,
  date: v.string(),
  expires_at: v.string(),
})
export type Ticket = v.InferOutput<typeof Ticket>
