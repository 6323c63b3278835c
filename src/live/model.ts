import * as v from 'valibot'
import { Queued, toQueued } from '../checkins/model'
import type { CheckIn, Place } from '../doctor-day/day'
import type { Lens, Message } from '../doctor-day/live'
import { LocalDate } from '../lib/time'

/** `desk` is for those who work there, with names; `board` is for everybody in the waiting room. */
export const View = v.picklist(['desk', 'board'])
export type View = v.InferOutput<typeof View>

/**
 * What a screen in a waiting room may show. No id leads from it to a patient or an appointment, and no time
 * tells who came when. `initials` is null unless the service was set up to show them.
 */
export const BoardEntry = v.pipe(
  v.object({
    position: v.number(),
    status: v.picklist(['waiting', 'called', 'served', 'skipped', 'no_show']),
    room: v.nullable(v.string()),
    initials: v.nullable(v.string()),
  }),
  v.metadata({ ref: 'BoardEntry' }),
)
export type BoardEntry = v.InferOutput<typeof BoardEntry>

type Entry = Queued | BoardEntry
export type LiveMessage = Message<Entry>

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

/** A day that nobody has touched has no place yet, and no check-in to show either. */
const NOWHERE = { doctorId: '', date: '' }

export const lensOf = (view: View, place: Place | null, showsInitials: boolean): Lens<Entry> => {
  const { doctorId, date } = place ?? NOWHERE
  return view === 'desk'
    ? { needsNames: true, tellsAll: true, entryOf: (...shown) => toQueued(doctorId, date, ...shown) }
    : { needsNames: showsInitials, tellsAll: false, entryOf: toBoardEntry }
}

const toBoardEntry = ({ position, status, room }: CheckIn, name: string): BoardEntry => ({
  position,
  status,
  room,
  initials: initialsOf(name) || null,
})

/** Of the first and the last word: `Ada King Lovelace` → `AL`. */
export function initialsOf(name: string): string {
  const words = name.normalize('NFC').split(/\s+/).filter(Boolean)
  const ends = words.length > 1 ? [words[0], words.at(-1)] : words
  return ends.map((word = '') => [...word][0]?.toUpperCase() ?? '').join('')
}

export const FollowPath = v.object({ doctor_id: v.string() })

/**
 * `since`: the number of the last message the caller knows; the stream goes on behind it. Without it, or with
 * one that this day has not come to, it starts with a snapshot.
 */
export const Follow = v.object({
  date: v.optional(LocalDate),
  view: v.optional(View),
  since: v.optional(v.string()),
  ticket: v.optional(v.string()),
})
export type Follow = v.InferOutput<typeof Follow>

/** Null for everything that is no number of an event. */
export const sinceOf = (text: string | undefined): number | null =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null

export const NewTicket = v.pipe(
  v.object({ date: v.optional(LocalDate), view: v.optional(View, 'board') }),
  v.metadata({ ref: 'NewTicket' }),
)
export type NewTicket = v.InferOutput<typeof NewTicket>

/** `url` is the path to open, ticket included. The only time the ticket is seen. */
export const Ticket = v.pipe(
  v.object({
    ticket: v.string(),
    url: v.string(),
    view: View,
    date: v.string(),
    expires_at: v.string(),
  }),
  v.metadata({ ref: 'Ticket' }),
)
export type Ticket = v.InferOutput<typeof Ticket>
