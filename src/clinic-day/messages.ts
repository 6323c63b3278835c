import { toAppointment, toHold, toSlotTimes } from '../appointments/model'
import { lensOf, type View } from '../doctor-day/readers/live'
import type { CheckIn, Day, Event, Hold, Occupant, Recorded, Waiting } from '../doctor-day/state/day'
import { type ShownAppointment, shown } from '../doctor-day/state/views'
import { iso } from '../lib/time'
import type { ClinicBoard, ClinicDesk, DeskDoctor, FollowedDoctor } from './model'

/** The messages of a clinic’s live stream: one for each event of each of its days. */

/**
 * What an event has left: these records, as they stand right after it. Records are replaced, never changed.
 */
interface Records {
  appointments: ShownAppointment[]
  holds: Hold[]
  waitlist: Waiting[]
  queue: CheckIn[]
}

export interface ClinicEvent extends Records {
  doctorId: string
  seq: number
  at: number
  event: Event['type']
  figures: Figures
  /** The records of these ids are no longer on the day. */
  gone: string[]
  /** The position of the check-in that the event has undone. */
  removed: number | null
}

type Figures = Pick<DeskDoctor, 'is_present' | 'capacity' | 'booked' | 'held' | 'offered' | 'waiting'>

/** Reads names of patients; undefined: not known yet. */
type Names = ReadonlyMap<string, string>

export function clinicEventOf(doctorId: string, day: Day, event: Recorded): ClinicEvent {
  const { seq, at, type } = event
  const ids = touchedBy(event)
  const records = recordsOf(day, ids && new Set(ids))
  const left = new Set<string>([
    ...records.appointments.map(({ id }) => id),
    ...records.holds.map(({ id }) => id),
    ...records.waitlist.map(({ id }) => id),
  ])
  const gone = (ids ?? []).filter((id) => !left.has(id))
  // A booking says nothing about the queue, though its patient may have checked in by then.
  const queue = ids === null || QUEUE_EVENTS.includes(type) ? records.queue : []
  const removed = event.type === 'unchecked_in' ? event.position : null
  return { doctorId, seq, at, event: type, figures: figuresOf(day), ...records, queue, gone, removed }
}

const QUEUE_EVENTS: Event['type'][] = [
  'checked_in',
  'called',
  'served',
  'unserved',
  'skipped',
  'requeued',
  'no_show',
]

/** The ids of the records that an event changes; null: any. */
function touchedBy(event: Event): string[] | null {
  if (event.type === 'rebuilt' || event.type === 'unknown') return null
  // The slot that a move takes is no appointment of this day before the move has ended.
  if (event.type === 'reserved') return []
  const { appointmentId, holdId, waitId } = event as Partial<
    Record<'appointmentId' | 'holdId' | 'waitId', string>
  >
  return [appointmentId, holdId, waitId].filter((id) => id !== undefined)
}

/** All records of the day, or those with these ids. */
function recordsOf(day: Day, ids: ReadonlySet<string> | null): Records {
  const pick = <One>(all: Map<string, One>): One[] =>
    ids ? [...ids].flatMap((id) => all.get(id) ?? []) : [...all.values()]
  return {
    appointments: pick(day.appointments).map((appointment) => shown(day, appointment)),
    holds: pick(day.holds),
    waitlist: pick(day.waitlist),
    queue: pick(day.checkIns).sort((one, other) => one.position - other.position),
  }
}

function figuresOf(day: Day): Figures {
  const taken = [...day.slots.values()]
  const takenBy = (...kinds: Occupant['kind'][]) => taken.filter(({ kind }) => kinds.includes(kind)).length
  return {
    is_present: day.availability?.isPresent ?? true,
    capacity: day.capacity,
    booked: takenBy('appointment'),
    held: takenBy('hold', 'reservation'),
    offered: takenBy('offer'),
    waiting: [...day.waitlist.values()].filter(({ offer }) => !offer).length,
  }
}

export interface Setting {
  view: View
  date: string
  showsInitials: boolean
  names: Names
  /** Of the clinic’s doctors; one who is not known yet has only an id. */
  doctorOf(doctorId: string): FollowedDoctor
}

/** A message, or the patients whose names it needs. */
export type Rendered =
  | { message: ClinicDesk | ClinicBoard; unnamed: [] }
  | { message: null; unnamed: string[] }

export function snapshotOf(days: { doctorId: string; day: Day }[], seq: number, setting: Setting): Rendered {
  const sorted = days
    .map(({ doctorId, day }) => ({ doctor: setting.doctorOf(doctorId), day, records: recordsOf(day, null) }))
    .sort(
      (one, other) => compare(one.doctor.name, other.doctor.name) || compare(one.doctor.id, other.doctor.id),
    )
  return render(
    sorted.map(({ records }) => records),
    setting,
    (show) =>
      setting.view === 'board'
        ? {
            type: 'snapshot',
            seq,
            doctors: sorted.map(({ doctor, records }) => ({
              doctor: doctor.code,
              entries: show.board(records),
            })),
          }
        : {
            type: 'snapshot',
            seq,
            date: setting.date,
            doctors: sorted.map(({ doctor, day, records }) => ({
              doctor,
              version: day.version,
              ...figuresOf(day),
              ...show.desk(doctor.id, records),
            })),
          },
  )
}

export function messageOf(found: ClinicEvent, seq: number, setting: Setting): Rendered {
  const doctor = setting.doctorOf(found.doctorId)
  const isOfQueue = found.queue.length > 0 || found.removed !== null
  const removed = found.removed !== null && { removed: found.removed }
  return render([found], setting, (show) =>
    setting.view === 'board'
      ? {
          type: 'event',
          seq,
          event: isOfQueue ? found.event : 'other',
          doctor: isOfQueue ? doctor.code : null,
          entries: show.board(found),
          ...removed,
        }
      : {
          type: 'event',
          seq,
          at: iso(found.at),
          event: found.event,
          doctor,
          day_seq: found.seq,
          ...found.figures,
          ...show.desk(found.doctorId, found),
          gone: found.gone,
          ...removed,
        },
  )
}

type Shows = ReturnType<typeof showsOf>

function render(
  all: Records[],
  setting: Setting,
  write: (show: Shows) => ClinicDesk | ClinicBoard,
): Rendered {
  const unnamed = all
    .flatMap((records) => patientsIn(records, setting))
    .filter((id) => !setting.names.has(id))
  return unnamed.length > 0 ? { message: null, unnamed } : { message: write(showsOf(setting)), unnamed: [] }
}

function patientsIn({ appointments, waitlist, queue }: Records, { view, showsInitials }: Setting): string[] {
  if (view === 'board') return showsInitials ? queue.map(({ patientId }) => patientId) : []
  return [...appointments, ...waitlist, ...queue].map(({ patientId }) => patientId)
}

function showsOf({ view, date, showsInitials, names }: Setting) {
  const nameOf = (patientId: string) => names.get(patientId) ?? ''
  return {
    board({ queue }: Records) {
      const { entryOf } = lensOf('board', null, showsInitials)
      const hasNames = view === 'desk' || showsInitials
      return queue.map((checkIn) => entryOf(checkIn, hasNames ? nameOf(checkIn.patientId) : '') as never)
    },
    desk(doctorId: string, { appointments, holds, waitlist, queue }: Records) {
      const { entryOf } = lensOf('desk', { doctorId, date }, showsInitials)
      return {
        appointments: appointments.map((one) => ({
          ...toAppointment(one),
          patient_name: nameOf(one.patientId),
        })),
        holds: holds.map(toHold),
        waitlist: waitlist.map(({ id, patientId, wish, offer }) => ({
          id,
          patient_id: patientId,
          patient_name: nameOf(patientId),
          ...(wish !== undefined && { slot: wish }),
          offer: offer && { slot: offer.slot, ...toSlotTimes(offer), expires_at: iso(offer.deadline) },
        })),
        queue: queue.map((checkIn) => entryOf(checkIn, nameOf(checkIn.patientId)) as never),
      }
    },
  }
}

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0)
