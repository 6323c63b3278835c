import { localDate } from '../../lib/time'
import { type Absence, absenceOf } from './absences'
import type {
  Appointment,
  AppointmentStatus,
  Availability,
  CheckIn,
  Day,
  DoctorDate,
  Move,
  MovedTo,
  Occupant,
  Waiting,
} from './day'
import { setAtOf } from './records'
import { type Slots, type SlotTimes, slotNumbers, timesOf } from './slot-times'
import type { Texts } from './texts'
import type { Wish } from './wish'

/** The views of a doctor’s day, and what each of them shows. */
export type Query =
  /** `withTexts`: with what is written of it. */
  | { view: 'appointment'; id: string; withTexts?: true }
  | { view: 'appointments' }
  | { view: 'availability' }
  | { view: 'arrivals' }
  | { view: 'waitlist' }
  | { view: 'waiting'; id: string }
  | { view: 'ledger' }
  | { view: 'slots' }
  | { view: 'figures'; at: number }
  | { view: 'line'; id: string }
  | { view: 'move'; id: string }
  | { view: 'committed'; ids: string[] }
  | { view: 'absence' }
  | { view: 'wish'; id: string }
  | { view: 'claim'; id: string; patientId: string }

export interface ShownAppointment extends Omit<Appointment, 'status'> {
  status: AppointmentStatus
}

/**
 * An appointment as clients see it. Inside the day the check-in has a record of its own; clients read the
 * status of the visit from the appointment. A skipped patient is still checked in.
 */
export function shown(day: Day, appointment: Appointment): ShownAppointment {
  const checkIn = day.checkIns.get(appointment.id)
  if (!checkIn || appointment.status !== 'booked') return appointment
  const since = checkIn.servedAt ?? checkIn.checkedInAt
  const updatedAt = Math.max(since, appointment.updatedAt)
  return { ...appointment, status: checkIn.status === 'served' ? 'completed' : 'checked_in', updatedAt }
}

/** The appointment has left this day; the caller asks the day that it moved to. */
export interface HasMoved {
  movedTo: MovedTo
}

interface Views {
  /** Null where this day never had it. */
  appointment: ShownAppointment | HasMoved | null
  /** Those that are not cancelled, by slot. */
  appointments: ShownAppointment[]
  /** Null where no availability was set for this day. */
  availability: Availability | null
  /** All check-ins, by position. */
  arrivals: CheckIn[]
  /** In the order in which they joined; `place` counts 1, 2, 3 … */
  waitlist: (Waiting & { place: number })[]
  /** Null where nobody waits in this place, or does no longer. */
  waiting: (Waiting & DoctorDate) | null
  /** Null on an unused day. */
  ledger: Ledger | null
  /** What the free slots of the day follow from; null on an unused day. */
  slots: (Slots & { isPresent: boolean; taken: number[] }) | null
  /** Null on an unused day. */
  figures: Figures | null
  /** All check-ins on the day of this appointment; null where this appointment is not checked in. */
  line: CheckIn[] | HasMoved | null
  /** The state of a move to another day; null where the move is settled or unknown. */
  move: Move['state'] | null
  /** Which of these moves to another day are committed, and not yet acknowledged by that day. */
  committed: string[]
  absence: Absence
  /** Null where this day is not the home of such a wish. */
  wish: { wish: Wish; doctorId: string } | null
  /** What became of a claim; null where this day knows nothing of it. */
  claim: 'claiming' | 'booked' | 'returned' | null
}
export type Seen<Q extends Query> = Views[Q['view']]

/** Lists show an appointment as soon as its move to this day was answered: before this day hears of it. */
export const isList = ({ view }: Query): boolean =>
  ['appointments', 'ledger', 'figures', 'waitlist'].includes(view)

/** What a view shows, and how many events the day has. */
export interface Sight<Q extends Query, S = Seen<Q>> {
  seen: S
  version: number
  texts?: Texts
}

type Show = { [V in keyof Views]: (day: Day, query: Extract<Query, { view: V }>) => Views[V] }

const SHOW: Show = {
  appointment: (day, { id }) => {
    const appointment = day.appointments.get(id)
    return appointment ? shown(day, appointment) : movedAway(day, id)
  },
  appointments: (day) =>
    [...day.appointments.values()]
      .filter(({ status }) => status !== 'cancelled')
      .sort((one, other) => one.slot - other.slot || one.createdAt - other.createdAt)
      .map((appointment) => shown(day, appointment)),
  availability: ({ availability, capacity, hours }) => availability && { ...availability, capacity, hours },
  arrivals,
  waitlist: ({ waitlist }) => [...waitlist.values()].map((waiting, n) => ({ ...waiting, place: n + 1 })),
  waiting({ waitlist, identity }, { id }) {
    const waiting = waitlist.get(id)
    return waiting && identity ? { ...waiting, doctorId: identity.doctorId, date: identity.date } : null
  },
  ledger: (day) => day.identity && ledgerOf(day),
  slots: ({ identity, availability, capacity, timetable, slots }) =>
    identity && { isPresent: availability?.isPresent ?? true, capacity, timetable, taken: [...slots.keys()] },
  figures: (day, { at }) => day.identity && figuresOf(day, at),
  line: (day, { id }) => (day.checkIns.has(id) ? arrivals(day) : movedAway(day, id)),
  move: (day, { id }) => day.moves.get(id)?.state ?? null,
  committed: ({ moves }, { ids }) => ids.filter((id) => moves.get(id)?.state === 'committed'),
  absence: absenceOf,
  wish({ wishes, identity }, { id }) {
    const wish = wishes.get(id)
    return wish && identity ? { wish, doctorId: identity.doctorId } : null
  },
  claim: claimOf,
}

/** Where the log was lost, the appointment may have come back from D1’s copy. */
function claimOf({ waitlist, reports, patients }: Day, { id, patientId }: { id: string; patientId: string }) {
  if ([...waitlist.values()].some(({ claim }) => claim?.id === id)) return 'claiming'
  const what = reports.get(id)?.what ?? (patients.has(patientId) ? 'booked' : null)
  return what === 'ended' ? null : what
}

function movedAway(day: Day, appointmentId: string): HasMoved | null {
  const movedTo = day.movedTo.get(appointmentId)
  return movedTo ? { movedTo } : null
}

function arrivals(day: Day): CheckIn[] {
  return [...day.checkIns.values()].sort((one, other) => one.position - other.position)
}

/** A view that this code does not know is asked for by a newer version of the service. */
export function view<Q extends Query>(day: Day, query: Q): Seen<Q> {
  if (!Object.hasOwn(SHOW, query.view)) throw new Error('newer_version')
  return (SHOW[query.view] as (day: Day, query: Query) => unknown)(day, query) as Seen<Q>
}

/** A slot, its times, and what it is taken by; null: free. */
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
  /** When a caller has set the availability of the day; null where none has. */
  setAt: number | null
  slots: LedgerSlot[]
}

export function ledgerOf(day: Day): Ledger {
  const taken = [...day.slots.values()]
  const takenBy = (...kinds: Occupant['kind'][]) => taken.filter(({ kind }) => kinds.includes(kind)).length
  const slots = slotNumbers(day).map((slot) => ({
    slot,
    ...timesOf(day.timetable, slot),
    occupant: day.slots.get(slot) ?? null,
  }))
  return {
    date: day.identity?.date ?? '',
    timeZone: day.timeZone,
    isPresent: day.availability?.isPresent ?? true,
    capacity: day.capacity,
    booked: takenBy('appointment'),
    held: takenBy('hold', 'reservation'),
    offered: takenBy('offer'),
    remaining: day.capacity - day.slots.size,
    waiting: [...day.waitlist.values()].filter(({ offer }) => !offer).length,
    version: day.version,
    setAt: setAtOf(day.availability),
    slots,
  }
}

/** The slots of a ledger that are free and can be given no more at an instant (epoch ms). */
export function isOverIn(
  { date, timeZone }: Pick<Ledger, 'date' | 'timeZone'>,
  at: number,
): (slot: LedgerSlot) => boolean {
  const isPast = date < localDate(at, timeZone)
  return ({ occupant, startsAt }) =>
    !occupant && (isPast || (startsAt !== null && Date.parse(startsAt) <= at))
}

/** On a day that takes no patients, the slots that could be given otherwise are closed. */
export const closedOf = ({ isPresent, remaining }: { isPresent: boolean; remaining: number }) =>
  isPresent ? { closed: 0, remaining } : { closed: remaining, remaining: 0 }

/** A ledger in numbers, and how many patients have which place in the queue. */
export interface Figures extends Omit<Ledger, 'slots'> {
  over: number
  queue: Record<CheckIn['status'], number>
}

/**
 * booked + held + offered + over + remaining = capacity. Whether the day takes patients, D1 knows as well: so
 * the reader of the figures says how many of the remaining ones are closed.
 */
export function figuresOf(day: Day, at: number): Figures {
  const { slots, remaining, ...ledger } = ledgerOf(day)
  const over = slots.filter(isOverIn(ledger, at)).length
  const queue = { waiting: 0, called: 0, served: 0, skipped: 0, no_show: 0 }
  for (const { status } of day.checkIns.values()) queue[status] += 1
  return { ...ledger, over, remaining: remaining - over, queue }
}
