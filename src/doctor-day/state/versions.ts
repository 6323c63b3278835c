import type { Event } from './day'

/**
 * Each kind of event has a version. A stored event of an earlier version is read as the current one. A kind
 * or a version that this code does not know is read as `unknown`, which makes the day read-only.
 */
type Fields = Record<string, unknown>

/** By kind: the function at index n makes version n + 2 of version n + 1. */
type Upcasts = Readonly<Record<string, readonly ((fields: Fields) => Fields)[]>>

/** The kinds that this code writes. All of them are in their first version. */
const UPCASTS: Record<Exclude<Event['type'], 'unknown'>, []> = {
  opened: [],
  capacity_set: [],
  hours_set: [],
  availability_set: [],
  booked: [],
  cancelled: [],
  absence_struck: [],
  held: [],
  hold_ended: [],
  waitlisted: [],
  offered: [],
  wait_ended: [],
  checked_in: [],
  unchecked_in: [],
  called: [],
  served: [],
  unserved: [],
  skipped: [],
  requeued: [],
  no_show: [],
  move_began: [],
  moved_out: [],
  move_aborted: [],
  move_settled: [],
  reserved: [],
  moved_in: [],
  reservation_ended: [],
  pointed: [],
  rebuilt: [],
}

/** The kinds of events, each with the version in which it is written. */
export const versionsOf = (upcasts: Upcasts = UPCASTS): Map<string, number> =>
  new Map(Object.entries(upcasts).map(([kind, { length }]) => [kind, length + 1]))

const VERSIONS = versionsOf()

/** The JSON that the row of an event stores. `v` is the version, left out where that is 1. */
export function written(event: Event): string {
  const version = VERSIONS.get(event.type) ?? 1
  return JSON.stringify(version === 1 ? event : { ...event, v: version })
}

/** The event that a row stores, in its current version. */
export function readEvent(stored: string, upcasts: Upcasts = UPCASTS): Event {
  const { v: version = 1, ...fields } = JSON.parse(stored) as Fields
  const later = Object.hasOwn(upcasts, String(fields.type)) && upcasts[String(fields.type)]
  const isKnown = later && Number.isInteger(version) && Number(version) >= 1
  if (!isKnown || Number(version) > later.length + 1) return { type: 'unknown', stored }
  return later.slice(Number(version) - 1).reduce((older, upcast) => upcast(older), fields) as unknown as Event
}
