import type { Appointment, Availability, CheckIn, Day } from './day'
import { type Ledger, ledgerOf } from './ledger'

/** What can be seen of a doctor’s day, and what each view shows. */
export type Query =
  | { view: 'appointment'; id: string }
  | { view: 'appointments' }
  | { view: 'availability' }
  | { view: 'arrivals' }
  | { view: 'ledger' }

export interface Views {
  appointment: Appointment | null
  /** Those that are not cancelled, by slot. */
  appointments: Appointment[]
  /** Null where nobody has said anything of this day. */
  availability: Availability | null
  /** Everyone who has checked in, by position. */
  arrivals: CheckIn[]
  /** Null where nobody has touched the day. */
  ledger: Ledger | null
}
export type Seen<Q extends Query> = Views[Q['view']]

type Show = { [V in keyof Views]: (day: Day, query: Extract<Query, { view: V }>) => Views[V] }

const SHOW: Show = {
  appointment: (day, { id }) => day.appointments.get(id) ?? null,
  appointments: (day) =>
    [...day.appointments.values()]
      .filter(({ status }) => status !== 'cancelled')
      .sort((one, other) => one.slot - other.slot || one.createdAt - other.createdAt),
  availability: ({ availability, capacity, hours }) => availability && { ...availability, capacity, hours },
  arrivals: (day) => [...day.checkIns.values()].sort((one, other) => one.position - other.position),
  ledger: (day) => day.place && ledgerOf(day),
}

export const view = <Q extends Query>(day: Day, query: Q): Seen<Q> =>
  (SHOW[query.view] as (day: Day, query: Query) => unknown)(day, query) as Seen<Q>
