/** The nouns of a doctor’s day: its state, its events, the commands it is given, its answers. */

export interface Place {
  clinicId: string
  doctorId: string
  date: string
}

/** What a day starts with. It stands in the log, so a later change of the doctor changes no past day. */
export interface Opening extends Place {
  timeZone: string
  capacity: number
}

export interface Appointment {
  id: string
  patientId: string
  doctorId: string
  date: string
  slot: number
  status: 'booked'
  createdAt: number
  updatedAt: number
}

export interface CheckIn {
  id: string
  appointmentId: string
  patientId: string
  position: number
  checkedInAt: number
  status: 'waiting'
}

export interface Availability {
  id: string
  isPresent: boolean
  notes: string | null
  capacity: number
  updatedBy: string
  updatedAt: number
}

/** `version` is the number of the last event; 0 is a day that nobody has touched. */
export interface Day {
  version: number
  place: Place | null
  timeZone: string
  capacity: number
  availability: Omit<Availability, 'capacity'> | null
  appointments: Map<string, Appointment>
  slots: Map<number, Appointment>
  lowestFreeSlot: number
  /** Patients with an active appointment. */
  patients: Set<string>
  /** By appointment. */
  checkIns: Map<string, CheckIn>
}

export type Event =
  | ({ type: 'opened' } & Opening)
  | { type: 'capacity_set'; capacity: number }
  | { type: 'availability_set'; id: string; isPresent: boolean; notes: string | null }
  | { type: 'booked'; appointmentId: string; patientId: string; slot: number }
  | { type: 'checked_in'; checkInId: string; appointmentId: string; position: number }

/** An event as the log holds it: its number, when (epoch ms) and by which API key. */
export type Recorded<E extends Event = Event> = E & { seq: number; at: number; actor: string }

/** When, and by which API key. */
export interface Moment {
  at: number
  actor: string
}

export interface Book {
  type: 'book'
  opening: Opening
  appointmentId: string
  patientId: string
  allowAnother: boolean
}

export interface SetAvailability {
  type: 'set_availability'
  opening: Opening
  id: string
  isPresent: boolean
  notes: string | null
  /** Null leaves it as it is. */
  capacity: number | null
}

export interface Arrive {
  type: 'check_in'
  clinicId: string
  checkInId: string
  appointmentId: string
  patientId: string
}

export type Command = Book | SetAvailability | Arrive

export interface Replies {
  book: Appointment
  set_availability: Availability
  check_in: CheckIn
}
export type ReplyTo<C extends Command> = Replies[C['type']]

export type Refusal =
  | 'not_found'
  | 'doctor_absent'
  | 'already_booked'
  | 'day_full'
  | 'capacity_below_taken'
  | 'wrong_patient'
  | 'already_checked_in'
  | 'wrong_date'

export type Refused = { ok: false; refused: Refusal }
export type Decision<Reply> = { ok: true; events: Event[]; reply: Reply } | Refused

export const emptyDay = (): Day => ({
  version: 0,
  place: null,
  timeZone: 'UTC',
  capacity: 0,
  availability: null,
  appointments: new Map(),
  slots: new Map(),
  lowestFreeSlot: 1,
  patients: new Set(),
  checkIns: new Map(),
})
