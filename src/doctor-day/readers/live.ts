import { iso } from '../../lib/time'
import { type CheckIn, type Day, type DoctorDate, type Event, emptyDay, type Recorded } from '../state/day'
import { evolve } from '../state/fold'

/** What those who follow a day are told: a message for each event of its log, so the numbers have no gap. */

/** One event, and the check-in as it stood right after it; null where the event did not touch the queue. */
interface Told {
  seq: number
  at: number
  event: Event['type']
  checkIn: CheckIn | null
}

/** The log as far as it was read: where it has led, and what each of its events did to the queue. */
export interface Story {
  day: Day
  told: Told[]
}

export const newStory = (): Story => ({ day: emptyDay(), told: [] })

/** Tells the next events. What an event does to a check-in makes a new one, so the old one can be kept. */
export function tell(story: Story, events: Recorded[]): void {
  const { day, told } = story
  for (const event of events) {
    const id = 'appointmentId' in event ? event.appointmentId : ''
    const before = day.checkIns.get(id)
    evolve(day, event)
    const after = day.checkIns.get(id)
    const checkIn = after && after !== before ? after : null
    told.push({ seq: event.seq, at: event.at, event: event.type, checkIn })
  }
}

/** `desk` is for the staff, with names. `board` is for everybody in the waiting room. */
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
 * What a screen in a waiting room may show. No id leads from it to a patient or an appointment, and no time
 * tells when a patient came. `initials` is null unless the service was set up to show them.
 */
export interface BoardEntry {
  position: number
  status: CheckIn['status']
  room: string | null
  initials: string | null
}

/** What one kind of follower may see. Where names are not needed, `entryOf` is given an empty one. */
export interface Lens {
  needsNames: boolean
  /** The messages tell when something happened, and what it was even where it was not about the queue. */
  tellsAll: boolean
  entryOf(checkIn: CheckIn, name: string): QueueEntry | BoardEntry
}

/** A day without events has no place yet, and no check-in to show either. */
const NOWHERE = { doctorId: '', date: '' }

export const lensOf = (view: View, place: DoctorDate | null, showsInitials: boolean): Lens =>
  view === 'desk'
    ? {
        needsNames: true,
        tellsAll: true,
        entryOf: (checkIn, name) => toQueueEntry(place ?? NOWHERE, checkIn, name),
      }
    : { needsNames: showsInitials, tellsAll: false, entryOf: toBoardEntry }

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

/** Of the first and the last word: `Ada King Lovelace` → `AL`. */
export function initialsOf(name: string): string {
  const words = name.normalize('NFC').split(/\s+/).filter(Boolean)
  const ends = words.length > 1 ? [words[0], words.at(-1)] : words
  return ends.map((word = '') => [...word][0]?.toUpperCase() ?? '').join('')
}

/** The queue as it stands after `seq` events, by position. */
interface Snapshot {
  type: 'snapshot'
  seq: number
  entries: (QueueEntry | BoardEntry)[]
}

/** The entry takes the place of the one with its position. */
interface Happened {
  type: 'event'
  seq: number
  at?: string
  event: Event['type'] | 'other'
  entry: QueueEntry | BoardEntry | null
}

export type LiveMessage = Snapshot | Happened

/**
 * What a follower is to be told who has been told all up to `seq`; null is one who knows nothing. It ends
 * before the first message whose name is not known yet; `unnamed` are all patients whose name is missing.
 */
export function messagesBehind(
  story: Story,
  seq: number | null,
  lens: Lens,
  names: ReadonlyMap<string, string>,
): { messages: LiveMessage[]; unnamed: string[] } {
  const isNamed = ({ patientId }: CheckIn) => !lens.needsNames || names.has(patientId)
  const show = (checkIn: CheckIn) =>
    lens.entryOf(checkIn, lens.needsNames ? (names.get(checkIn.patientId) ?? '') : '')
  if (seq === null || seq > story.day.version) {
    const queue = [...story.day.checkIns.values()].sort((one, other) => one.position - other.position)
    const unnamed = queue.filter((checkIn) => !isNamed(checkIn)).map(({ patientId }) => patientId)
    if (unnamed.length > 0) return { messages: [], unnamed }
    return { messages: [{ type: 'snapshot', seq: story.day.version, entries: queue.map(show) }], unnamed }
  }
  const behind = story.told.slice(seq)
  const unnamed = behind.flatMap(({ checkIn }) => (checkIn && !isNamed(checkIn) ? [checkIn.patientId] : []))
  const held = behind.findIndex(({ checkIn }) => checkIn && !isNamed(checkIn))
  const messages = (held === -1 ? behind : behind.slice(0, held)).map(
    (told): LiveMessage => ({
      type: 'event',
      seq: told.seq,
      ...(lens.tellsAll && { at: iso(told.at) }),
      event: lens.tellsAll || told.checkIn ? told.event : 'other',
      entry: told.checkIn && show(told.checkIn),
    }),
  )
  return { messages, unnamed }
}
