import { iso } from '../../lib/time'
import type { CheckIn, Day, DoctorDate } from '../state/day'
import type { Event, Recorded } from '../state/event'
import { emptyDay, evolve } from '../state/fold'

/** The messages of a day’s live stream: one for each event of its log, so their numbers have no gap. */

/**
 * One event, and the check-in right after it; null where the event did not change the queue. `removed`: the
 * position of the check-in that the event has undone.
 */
interface StreamEvent {
  seq: number
  at: number
  event: Event['type']
  checkIn: CheckIn | null
  removed: number | null
}

/** The log as far as it was read: the day after the last event, and what each event did to the queue. */
export interface StreamLog {
  day: Day
  events: StreamEvent[]
}

export const emptyStreamLog = (): StreamLog => ({ day: emptyDay(), events: [] })

/** Adds the next events. An event replaces a check-in and never changes it, so each state can be kept. */
export function appendEvents(streamLog: StreamLog, added: Iterable<Recorded>): void {
  const { day, events } = streamLog
  for (const event of added) {
    const id = 'appointmentId' in event ? event.appointmentId : ''
    const before = day.checkIns.get(id)
    evolve(day, event)
    const after = day.checkIns.get(id)
    const checkIn = after && after !== before ? after : null
    const removed = before && !after ? before.position : null
    events.push({ seq: event.seq, at: event.at, event: event.type, checkIn, removed })
  }
}

/** `desk` is for the staff, with names. `board` is for a screen in the waiting room. */
export type View = 'desk' | 'board'

/** A check-in as the desk sees it. */
export interface QueueEntry {
  id: string
  appointment_id: string
  doctor_id: string
  date: string
  position: number
  checked_in_at: string
  status: CheckIn['status']
  priority: CheckIn['priority']
  room: string | null
  patient_name: string
}

/**
 * What a screen in a waiting room may show. It holds no id that leads to a patient or an appointment, and no
 * time of arrival. `initials` is null unless the service is configured to show them.
 */
export interface BoardEntry {
  position: number
  status: CheckIn['status']
  room: string | null
  initials: string | null
}

/** What the followers of one view may see. A view without names passes an empty name to `entryOf`. */
export interface Lens {
  needsNames: boolean
  /** Messages name the time of each event, and the type even of an event that is not about the queue. */
  showsAllEvents: boolean
  entryOf(checkIn: CheckIn, name: string): QueueEntry | BoardEntry
}

/** For a day without events, which has no check-in to show either. */
const NO_DATE = { doctorId: '', date: '' }

export const lensOf = (view: View, doctorDate: DoctorDate | null, showsInitials: boolean): Lens =>
  view === 'desk'
    ? {
        needsNames: true,
        showsAllEvents: true,
        entryOf: (checkIn, name) => toQueueEntry(doctorDate ?? NO_DATE, checkIn, name),
      }
    : { needsNames: showsInitials, showsAllEvents: false, entryOf: toBoardEntry }

export const toQueueEntry = (
  { doctorId, date }: DoctorDate,
  checkIn: CheckIn,
  patientName: string,
): QueueEntry => ({
  id: checkIn.id,
  appointment_id: checkIn.appointmentId,
  doctor_id: doctorId,
  date,
  position: checkIn.position,
  checked_in_at: iso(checkIn.checkedInAt),
  status: checkIn.status,
  priority: checkIn.priority,
  room: checkIn.room,
  patient_name: patientName,
})

const toBoardEntry = ({ position, status, room }: CheckIn, name: string): BoardEntry => ({
  position,
  status,
  room,
  initials: initialsOf(name) || null,
})

/** The initials of the first and the last word: `Ada King Lovelace` → `AL`. */
export function initialsOf(name: string): string {
  const words = name.normalize('NFC').split(/\s+/).filter(Boolean)
  const ends = words.length > 1 ? [words[0], words.at(-1)] : words
  return ends.map((word = '') => [...word][0]?.toUpperCase() ?? '').join('')
}

/** The queue after `seq` events, by position. */
interface SnapshotMessage {
  type: 'snapshot'
  seq: number
  entries: (QueueEntry | BoardEntry)[]
}

/** `entry` replaces the follower’s entry with its position. `removed`: the position of one that is gone. */
interface EventMessage {
  type: 'event'
  seq: number
  at?: string
  event: Event['type'] | 'other'
  entry: QueueEntry | BoardEntry | null
  removed?: number
}

export type LiveMessage = SnapshotMessage | EventMessage

/**
 * The messages for a follower that has received all up to `seq`; null: none yet. They end before the first
 * check-in whose patient’s name is not loaded. `unnamed` holds the ids of all patients without a name.
 */
export function messagesAfter(
  streamLog: StreamLog,
  seq: number | null,
  lens: Lens,
  names: ReadonlyMap<string, string>,
): { messages: LiveMessage[]; unnamed: string[] } {
  const isNamed = ({ patientId }: CheckIn) => !lens.needsNames || names.has(patientId)
  const show = (checkIn: CheckIn) =>
    lens.entryOf(checkIn, lens.needsNames ? (names.get(checkIn.patientId) ?? '') : '')
  if (seq === null || seq > streamLog.day.version) {
    const queue = [...streamLog.day.checkIns.values()].sort((one, other) => one.position - other.position)
    const unnamed = queue.filter((checkIn) => !isNamed(checkIn)).map(({ patientId }) => patientId)
    if (unnamed.length > 0) return { messages: [], unnamed }
    return { messages: [{ type: 'snapshot', seq: streamLog.day.version, entries: queue.map(show) }], unnamed }
  }
  const unsent = streamLog.events.slice(seq)
  const unnamed = unsent.flatMap(({ checkIn }) => (checkIn && !isNamed(checkIn) ? [checkIn.patientId] : []))
  const firstUnnamed = unsent.findIndex(({ checkIn }) => checkIn && !isNamed(checkIn))
  const messages = (firstUnnamed === -1 ? unsent : unsent.slice(0, firstUnnamed)).map(
    ({ seq, at, event, checkIn, removed }): LiveMessage => ({
      type: 'event',
      seq,
      ...(lens.showsAllEvents && { at: iso(at) }),
      event: lens.showsAllEvents || checkIn || removed ? event : 'other',
      entry: checkIn && show(checkIn),
      ...(removed && { removed }),
    }),
  )
  return { messages, unnamed }
}
