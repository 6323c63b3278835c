import { newId } from '../../lib/crypto'
import { withTimeout } from '../../lib/outage'
import { SECOND_MS } from '../../lib/time'
import { type RecorderEnv, record } from '../../recorder/client'
import type { Kind } from '../../recorder/kind'
import { backoff } from '../moving/backoff'
import { inTurn } from '../rules/queue'
import type { Day, Event, Recorded } from '../state/day'
import { closesAt } from '../state/slot-times'
import { shown } from '../state/views'
import * as log from '../storage/log'
import { position } from '../storage/position'

const EVENTS_MAX = 500

/** D1 itself ends a query after 30 seconds, so a longer wait would bring no answer. */
const COPY_MS_MAX = 30 * SECOND_MS

/**
 * A copy costs as much as a booking, so bookings in a rush share one. After a rest it starts at once. This
 * pause has no timer of its own, which would keep an object in memory that has nothing left to copy.
 */
const PAUSE_MS = SECOND_MS / 2

const READER = 'copy'

/** What the copy needs of the object: its storage, its day and its alarm. */
interface CopyHost {
  name: string | undefined
  sql: SqlStorage
  env: RecorderEnv
  day(): Day
  /** Why the log is not the one that D1 has copied. */
  checkOnce(): Promise<string | null>
  wakeAt(instant: number): void
}

/** `head`: the hash of the newest event. */
interface LogEnd {
  events: Recorded[]
  head: string
}

/** Copies the log to D1. A failure is logged, and the alarm retries. */
interface CopyReader {
  isBehind(): boolean
  catchUp(): Promise<void>
  /** These events are new in the log, which now has this head. The copy need not read them again. */
  appended(events: Recorded[], head: string): void
  /** Starts again at the first event. Call it within a transaction. */
  rewind(): void
  /** Waits until no copy is under way. */
  ended(): Promise<void>
  /** For the alarm: stores how far the copy has come. Never throws. */
  storePosition(): void
}

export function copyReader({ name, sql, env, day, checkOnce, wakeAt }: CopyHost): CopyReader {
  let running: Promise<void> | null = null
  let rewinds = 0
  let restUntil = 0
  const { postpone, reset } = backoff('copy_failed', name, wakeAt)
  const copied = position(sql, READER)
  /** The end of the log, as long as it is short and D1 lacks it. */
  let recent: LogEnd | null = null

  /** Read from storage where memory does not reach back to the last copy. */
  function uncopied(): LogEnd {
    const after = copied.current()
    const events = recent?.events.filter(({ seq }) => seq > after) ?? []
    if (recent && events[0]?.seq === after + 1) return { events, head: recent.head }
    const stored = [...log.readEvents(sql, after, EVENTS_MAX)]
    const head = log.hashAt(sql, day().version)
    if (stored.length === 0 || head === undefined)
      throw new RangeError('The log ends before the day that was folded from it')
    return { events: stored, head }
  }

  async function copy(): Promise<void> {
    try {
      // A log that was lost or replaced must not overwrite what D1 knows of it.
      if ((await checkOnce()) !== null) throw new Error('The log is not the one that D1 has copied')
      while (copied.current() < day().version) {
        if (day().isNewer) throw new Error('A newer version of the service has to copy this day')
        const rest = Math.min(restUntil - performance.now(), PAUSE_MS)
        if (rest > 0) await scheduler.wait(rest)
        const before = rewinds
        const { events, head } = uncopied()
        if (events.length < EVENTS_MAX) restUntil = performance.now() + PAUSE_MS
        // D1 may run an abandoned batch late, even after the next one: an older version changes nothing.
        await withTimeout(copyToD1(env, day(), events, head), COPY_MS_MAX)
        // A resync during this copy has set the reader back to the start; it must stay there.
        if (before !== rewinds) continue
        copied.moveTo(events.at(-1)?.seq ?? 0)
        if (recent) recent.events = recent.events.filter(({ seq }) => seq > copied.current())
      }
      reset()
    } catch (error) {
      postpone(error)
    }
  }

  return {
    isBehind: () => copied.current() < day().version,
    /** One copy runs at a time, until it reaches the end of the log. */
    catchUp() {
      running ??= copy().finally(() => {
        running = null
      })
      return running
    },
    appended(events, head) {
      const all = [...(recent?.events ?? []), ...events]
      recent = { events: all.length > EVENTS_MAX ? events : all, head }
    },
    rewind() {
      copied.rewind()
      recent = null
      rewinds += 1
    },
    async ended() {
      while (running) await running
    },
    storePosition() {
      try {
        copied.store()
      } catch (error) {
        postpone(error)
      }
    },
  }
}

async function copyToD1(env: RecorderEnv, day: Day, events: Recorded[], head: string): Promise<void> {
  if (!day.identity) return
  const { clinicId, doctorId, date } = day.identity
  const isPresent = day.availability?.isPresent ?? true
  const closing = closesAt(day.timetable, day.capacity)
  const nextPatient = inTurn(day)[0]?.patientId ?? null
  const figures = [isPresent ? 1 : 0, day.capacity, day.slots.size, day.version, head, closing, nextPatient]
  const ofDay = [clinicId, doctorId, date, ...figures]
  const checkIns = checkInRowsOf(day, events)
  const kind = checkIns.length > 0 ? COPY_WITH_CHECK_INS : COPY
  const row = JSON.stringify([ofDay, appointmentRowsOf(day, events), checkIns])
  await record(env, kind, { kind: kind.name, clinicId, op: newId(), isKeyed: false, row })
}

const figure = (place: number) => `value->>'$[0][${place}]'`
const OF_COPIES = 'FROM json_each(?1) AS copy CROSS JOIN json_each(copy.value,'
const DAY_OF_COPY = [0, 1, 2].map((place) => `copy.${figure(place)}`).join(', ')
const cells = (count: number) =>
  Array.from({ length: count }, (_, place) => `changed.value->>${place}`).join(', ')

const DAYS = `
  INSERT INTO days (clinic_id, doctor_id, date, is_present, capacity, taken, version, head, closes_at,
    next_patient)
  SELECT ${Array.from({ length: 10 }, (_, place) => figure(place)).join(', ')} FROM json_each(?1) WHERE true
  ON CONFLICT (clinic_id, doctor_id, date) DO UPDATE SET
    is_present = excluded.is_present, capacity = excluded.capacity, taken = excluded.taken,
    version = excluded.version, head = excluded.head,
    closes_at = excluded.closes_at, next_patient = excluded.next_patient
  WHERE excluded.version >= days.version`

/** Two days may write one appointment. `moves` decides first: the day that it moved to has the newer row. */
const APPOINTMENTS = `
  INSERT INTO appointments (clinic_id, doctor_id, date, id, patient_id, slot, time_slot, starts_at, ends_at,
    status, created_at, updated_at, version, moves)
  SELECT ${DAY_OF_COPY}, ${cells(11)} ${OF_COPIES} '$[1]') AS changed WHERE true
  ON CONFLICT (id) DO UPDATE SET
    clinic_id = excluded.clinic_id, doctor_id = excluded.doctor_id, date = excluded.date,
    patient_id = excluded.patient_id, slot = excluded.slot, time_slot = excluded.time_slot,
    created_at = excluded.created_at,
    starts_at = excluded.starts_at, ends_at = excluded.ends_at, status = excluded.status,
    updated_at = excluded.updated_at, version = excluded.version, moves = excluded.moves
  WHERE (excluded.moves, excluded.version) >= (appointments.moves, appointments.version)`

const CHECK_INS = `
  INSERT INTO check_ins (clinic_id, doctor_id, date, id, appointment_id, position, status, checked_in_at,
    version, called_at)
  SELECT ${DAY_OF_COPY}, ${cells(7)} ${OF_COPIES} '$[2]') AS changed WHERE true
  ON CONFLICT (id) DO UPDATE SET
    clinic_id = excluded.clinic_id, doctor_id = excluded.doctor_id, date = excluded.date,
    appointment_id = excluded.appointment_id, position = excluded.position, status = excluded.status,
    checked_in_at = excluded.checked_in_at, version = excluded.version, called_at = excluded.called_at
  WHERE excluded.version >= check_ins.version`

/**
 * What a day hands over: its figures, and the appointments and check-ins that its newest events changed. An
 * older version never replaces a row, so the same events may be copied twice, late or out of order, and the
 * copy never goes back. The same version does, so that a resync mends a row that was changed in D1.
 */
export const COPY: Kind<[], null> = {
  name: 'copy',
  statements: [DAYS, APPOINTMENTS],
  claim: '',
  result: () => null,
}
export const COPY_WITH_CHECK_INS: Kind<[], null> = {
  ...COPY,
  name: 'copy_with_check_ins',
  statements: [...COPY.statements, CHECK_INS],
}

function appointmentRowsOf(day: Day, events: Recorded[]): unknown[][] {
  const changed = lastEvents(events, OF_APPOINTMENTS)
  return [...changed].flatMap(([id, seq]) => {
    const appointment = day.appointments.get(id)
    if (!appointment) return [] // It has moved: the day that it moved to copies it.
    const { patientId, slot, timeSlot, startsAt, endsAt, createdAt, moves } = appointment
    const { status, updatedAt } = shown(day, appointment)
    return [[id, patientId, slot, timeSlot, startsAt, endsAt, status, createdAt, updatedAt, seq, moves]]
  })
}

function checkInRowsOf(day: Day, events: Recorded[]): unknown[][] {
  const changed = lastEvents(events, OF_CHECK_INS)
  return [...changed].flatMap(([appointmentId, seq]) => {
    const checkIn = day.checkIns.get(appointmentId)
    if (!checkIn) return [] // A no-show without a check-in.
    const { id, position, status, checkedInAt, calledAt } = checkIn
    return [[id, appointmentId, position, status, checkedInAt, seq, calledAt]]
  })
}

const OF_APPOINTMENTS: Event['type'][] = [
  'booked',
  'moved_in',
  'checked_in',
  'served',
  'cancelled',
  'no_show',
]
const OF_CHECK_INS: Event['type'][] = ['checked_in', 'called', 'served', 'skipped', 'requeued', 'no_show']

/** The appointments that events of these types changed, each with the number of its last such event. */
function lastEvents(events: Recorded[], types: Event['type'][]): Map<string, number> {
  const changed = new Map<string, number>()
  for (const event of events)
    if (event.type === 'rebuilt') for (const { id } of event.appointments) changed.set(id, event.seq)
    else if ('appointmentId' in event && types.includes(event.type))
      changed.set(event.appointmentId, event.seq)
  return changed
}
