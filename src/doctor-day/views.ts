import { type Absence, absenceOf } from './absence-rules'
import type { Appointment, Availability, CheckIn, Day, Move, Whereabouts } from './day'
import { type Ledger, ledgerOf } from './ledger'

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
