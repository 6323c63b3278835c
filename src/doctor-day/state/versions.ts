import type { Visit } from './day'
import type { Event, EventOf } from './event'

/**
 * Each kind of event has a version. A stored event of an earlier version is read as the current one. A kind
 * or a version that this code does not know is read as `unknown`, which makes the day read-only.
 */
type Fields = Record<string, unknown>

/** By kind: the function at index n makes version n + 2 of version n + 1. */
type Upcasts = Readonly<Record<string, readonly ((fields: Fields) => Fields)[]>>

const asItIs = (fields: Fields): Fields => fields

/** The kinds that this code writes. */
const UPCASTS: Record<Exclude<Event['type'], 'unknown'>, ((fields: Fields) => Fields)[]> = {
  opened: [asItIs],
  capacity_set: [],
  hours_set: [asItIs],
  availability_set: [],
  booked: [asItIs],
  slot_changed: [],
  cancelled: [],
  absence_struck: [],
  held: [asItIs],
  hold_ended: [],
  waitlisted: [asItIs],
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
  reserved: [asItIs],
  moved_in: [],
  reservation_ended: [],
  pointed: [],
  wish_made: [],
  wish_placed: [],
  wish_place_ended: [],
  wish_claimed: [],
  wish_returned: [],
  wish_fulfilled: [],
  wish_left: [],
  wish_told: [],
  wish_joined: [],
  claim_began: [],
  claim_ended: [],
  wish_over: [],
  wish_reported: [],
  rebuilt: [asItIs],
  text_set: [],
  text_ended: [],
  patient_erased: [],
}

/**
 * What version 2 of a kind added. An event without it is still written in version 1, so that an earlier
 * version of the service can use a day on which nothing new was asked for.
 */
const isSecond: { [Type in Event['type']]?: (event: EventOf<Type>) => boolean } = {
  opened: ({ hours }) => hours?.breaks !== undefined,
  hours_set: ({ hours }) => hours?.breaks !== undefined,
  booked: isVisit,
  held: isVisit,
  waitlisted: (event) => isVisit(event) || event.wish !== undefined,
  reserved: isVisit,
  rebuilt: ({ appointments, checkIns, lastPosition = 0 }) =>
    appointments.some(isVisit) || lastPosition > Math.max(0, ...checkIns.map(({ position }) => position)),
}

function isVisit({ span, serviceId }: Visit): boolean {
  return span !== undefined || serviceId !== undefined
}

/** The kinds of events, each with the version in which it is written. */
export const versionsOf = (upcasts: Upcasts = UPCASTS): Map<string, number> =>
  new Map(Object.entries(upcasts).map(([kind, { length }]) => [kind, length + 1]))

/** The JSON that the row of an event stores. `v` is the version, left out where that is 1. */
export function written(event: Event): string {
  const usesSecond = isSecond[event.type] as ((event: Event) => boolean) | undefined
  return JSON.stringify(usesSecond?.(event) ? { ...event, v: 2 } : event)
}

/** The event that a row stores, in its current version. */
export function readEvent(stored: string, upcasts: Upcasts = UPCASTS): Event {
  const { v: version = 1, ...fields } = JSON.parse(stored) as Fields
  const later = Object.hasOwn(upcasts, String(fields.type)) && upcasts[String(fields.type)]
  const isKnown = later && Number.isInteger(version) && Number(version) >= 1
  if (!isKnown || Number(version) > later.length + 1) return { type: 'unknown', stored }
  return later.slice(Number(version) - 1).reduce((older, upcast) => upcast(older), fields) as unknown as Event
}
