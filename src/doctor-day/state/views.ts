import type {
  Appointment,
  Availability,
  CheckIn,
  Day,
  DoctorDate,
  Move,
  Occupant,
  PlaceInLine,
  Whereabouts,
} from './day'
import { type SlotTimes, timesOf } from './slot-times'

/** What can be seen of a doctor’s day, and what each view shows. */
export type Query =
  | { view: 'appointment'; id: string }
  | { view: 'appointments' }
  | { view: 'availability' }
  | { view: 'arrivals' }
  | { view: 'ledger' }
  | { view: 'line'; id: string }
  | { view: 'move'; id: string }
  | { view: 'absence' }

/** An appointment that was here once is to be asked for where it went. */
export interface Gone {
  movedTo: Whereabouts
}

interface Views {
  /** Null where it never was here. */
  appointment: Appointment | Gone | null
  /** Those that are not cancelled, by slot. */
  appointments: Appointment[]
  /** Null where nobody has said anything of this day. */
  availability: Availability | null
  /** Everyone who has checked in, by position. */
  arrivals: CheckIn[]
  /** Null where nobody has touched the day. */
  ledger: Ledger | null
  /** Everyone who has checked in on the day of this appointment; null where it has not itself. */
  line: CheckIn[] | Gone | null
  /** What became of a move away from here; null where it is over, or was never heard of. */
  move: Move['state'] | null
  absence: Absence
}
export type Seen<Q extends Query> = Views[Q['view']]

type Show = { [V in keyof Views]: (day: Day, query: Extract<Query, { view: V }>) => Views[V] }

const SHOW: Show = {
  appointment: (day, { id }) => day.appointments.get(id) ?? gone(day, id),
  appointments: (day) =>
    [...day.appointments.values()]
      .filter(({ status }) => status !== 'cancelled')
      .sort((one, other) => one.slot - other.slot || one.createdAt - other.createdAt),
  availability: ({ availability, capacity, hours }) => availability && { ...availability, capacity, hours },
  arrivals,
  ledger: (day) => day.place && ledgerOf(day),
  line: (day, { id }) => (day.checkIns.has(id) ? arrivals(day) : gone(day, id)),
  move: (day, { id }) => day.moves.get(id)?.state ?? null,
  absence: absenceOf,
}

function gone(day: Day, appointmentId: string): Gone | null {
  const movedTo = day.movedTo.get(appointmentId)
  return movedTo ? { movedTo } : null
}

function arrivals(day: Day): CheckIn[] {
  return [...day.checkIns.values()].sort((one, other) => one.position - other.position)
}

export const view = <Q extends Query>(day: Day, query: Q): Seen<Q> =>
  (SHOW[query.view] as (day: Day, query: Query) => unknown)(day, query) as Seen<Q>

/** A slot, when it is, and who has it; null is free. */
interface LedgerSlot extends SlotTimes {
  slot: number
  occupant: Occupant | null
}

/** The numbers of a day. booked + held + offered + remaining = capacity, at every version. */
export interface Ledger {
  date: string
  timeZone: string
  isPresent: boolean
  capacity: number
  booked: number
  held: number
  offered: number
  remaining: number
  waiting: number
  version: number
  slots: LedgerSlot[]
}

export function ledgerOf(day: Day): Ledger {
  const held = day.holds.size + day.reservations.size
  const offered = [...day.waitlist.values()].filter(({ offer }) => offer).length
  const slots = Array.from({ length: day.capacity }, (_, index) => ({
    slot: index + 1,
    ...timesOf(day.timetable, index + 1),
    occupant: day.slots.get(index + 1) ?? null,
  }))
  return {
    date: day.place?.date ?? '',
    timeZone: day.timeZone,
    isPresent: day.availability?.isPresent ?? true,
    capacity: day.capacity,
    booked: day.slots.size - held - offered,
    held,
    offered,
    remaining: day.capacity - day.slots.size,
    waiting: day.waitlist.size - offered,
    version: day.version,
    slots,
  }
}

/** Booked, and the visit is not over. */
export const isOutstanding = (day: Day, { id, status }: Appointment): boolean =>
  status === 'booked' && day.checkIns.get(id)?.status !== 'served'

interface Struck {
  appointmentId: string
  patientId: string
}

/** Whoever was struck is in exactly one of these; in none where the visit took place or was cancelled. */
export interface Absence {
  moved: (Struck & DoctorDate & { slot: number })[]
  waitlisted: (Struck & PlaceInLine)[]
  toCall: (Struck & { slot: number; isCheckedIn: boolean })[]
}

export function absenceOf(day: Day): Absence {
  const absence: Absence = { moved: [], waitlisted: [], toCall: [] }
  for (const [appointmentId, { patientId, slot, waiting }] of day.affected) {
    const appointment = day.appointments.get(appointmentId)
    const movedTo = day.movedTo.get(appointmentId)
    const struck = { appointmentId, patientId }
    if (movedTo) {
      const { doctorId, date } = movedTo
      absence.moved.push({ ...struck, doctorId, date, slot: movedTo.slot })
    } else if (waiting) absence.waitlisted.push({ ...struck, ...waiting })
    else if (appointment && isOutstanding(day, appointment))
      absence.toCall.push({ ...struck, slot, isCheckedIn: day.checkIns.has(appointmentId) })
  }
  return absence
}
