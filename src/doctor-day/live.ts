import { iso } from '../lib/time'
import { type CheckIn, type Day, type Event, emptyDay, type Recorded } from './day'
import { evolve } from './fold'

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

/** What one kind of follower may see. Where names are not needed, `entryOf` is given an empty one. */
export interface Lens<Entry> {
  needsNames: boolean
  /** When something happened, and what it was where it was not about the queue. */
  tellsAll: boolean
  entryOf(checkIn: CheckIn, name: string): Entry
}

/** The queue as it stands after `seq` events, by position. */
interface Snapshot<Entry> {
  type: 'snapshot'
  seq: number
  entries: Entry[]
}

/** The entry takes the place of the one with its position. */
interface Happened<Entry> {
  type: 'event'
  seq: number
  at?: string
  event: Event['type'] | 'other'
  entry: Entry | null
}

export type Message<Entry> = Snapshot<Entry> | Happened<Entry>

/**
 * What a follower is to be told who has been told all up to `seq`; null is one who knows nothing. It ends
 * before the first message whose name is not known yet; `unnamed` are all patients whose name is missing.
 */
export function messagesBehind<Entry>(
  story: Story,
  seq: number | null,
  lens: Lens<Entry>,
  names: ReadonlyMap<string, string>,
): { messages: Message<Entry>[]; unnamed: string[] } {
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
    (told): Message<Entry> => ({
      type: 'event',
      seq: told.seq,
      ...(lens.tellsAll && { at: iso(told.at) }),
      event: lens.tellsAll || told.checkIn ? told.event : 'other',
      entry: told.checkIn && show(told.checkIn),
    }),
  )
  return { messages, unnamed }
}
