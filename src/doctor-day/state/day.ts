import type { Schedule, SlotTimes, WorkingHours } from './slot-times'

/** The nouns of a doctor’s day: its state, and the events it is made of. */

export interface DoctorDate {
  doctorId: string
  date: string
}

export interface Place extends DoctorDate {
  clinicId: string
}

/** What a day starts with. It stands in the log, so a later change of the doctor changes no past day. */
export interface Opening extends Place {
  timeZone: string
  capacity: number
  /** The doctor's; not there where the doctor has none, nor in logs from before there were any. */
  hours?: WorkingHours
}

export interface Appointment extends SlotTimes {
  id: string
  patientId: string
  doctorId: string
  date: string
  slot: number
  status: 'booked' | 'cancelled' | 'no_show'
  createdAt: number
  updatedAt: number
  /** How often it has come from another day; orders what two days tell of it. */
  moves: number
}

/** A slot kept for somebody who is still deciding. */
export interface Hold extends SlotTimes {
  id: string
  slot: number
  expiresAt: number
}

/** Somebody who waits for a slot; with an offer, the slot is theirs to take until the deadline. */
export interface Waiting {
  id: string
  patientId: string
  offer: ({ slot: number; deadline: number } & SlotTimes) | null
}

/**
 * An appointment on its way to another day, as the day knows it that holds its slot and coordinates. It is
 * gone once the other day has acknowledged the end: the slot taken (`committed`) or given back (`aborted`).
 */
export interface Move {
  id: string
  appointmentId: string
  to: Opening
  state: 'reserving' | 'committed' | 'aborted'
}

/** What an appointment takes along to another day. */
export interface Traveller {
  appointmentId: string
  patientId: string
  createdAt: number
  moves: number
}

/** A slot kept for an appointment that is on its way here; `from` alone knows whether it will come. */
export interface Reservation {
  id: string
  from: DoctorDate
  appointment: Appointment
}

/** Where an appointment went, and by which move. */
export interface Whereabouts extends DoctorDate {
  moveId: string
  slot: number
  moves: number
}

/** Whose appointment an absence struck; `waiting` where it was given up for a place in another line. */
interface Affected {
  patientId: string
  slot: number
  waiting: PlaceInLine | null
}

export interface PlaceInLine extends DoctorDate {
  waitId: string
}

export type Priority = 'urgent' | 'normal'
type QueueStatus = 'waiting' | 'called' | 'served' | 'skipped' | 'no_show'

export interface CheckIn {
  id: string
  appointmentId: string
  patientId: string
  position: number
  priority: Priority
  checkedInAt: number
  status: QueueStatus
  room: string | null
  calledAt: number | null
  servedAt: number | null
}

export interface Availability {
  id: string
  isPresent: boolean
  notes: string | null
  capacity: number
  hours: WorkingHours | null
  updatedBy: string
  updatedAt: number
}

/** Who has a slot: the appointment, the hold, the waiting patient or the move with this id. */
export interface Occupant {
  kind: 'appointment' | 'hold' | 'offer' | 'reservation'
  id: string
}

/** `version` is the number of the last event; 0 is a day that nobody has touched. */
export interface Day extends Schedule {
  version: number
  place: Place | null
  timeZone: string
  capacity: number
  availability: Omit<Availability, 'capacity' | 'hours'> | null
  slots: Map<number, Occupant>
  lowestFreeSlot: number
  appointments: Map<string, Appointment>
  /** How many active appointments a patient has. */
  patients: Map<string, number>
  holds: Map<string, Hold>
  endedHolds: Set<string>
  /** In the order in which they came. */
  waitlist: Map<string, Waiting>
  endedWaits: Set<string>
  /** By appointment. */
  checkIns: Map<string, CheckIn>
  /** Away from here. */
  moves: Map<string, Move>
  /** By appointment that was here once. */
  movedTo: Map<string, Whereabouts>
  /** On their way here. */
  reservations: Map<string, Reservation>
  endedReservations: Map<string, 'taken' | 'released'>
  /** By appointment: whom the doctor’s absence struck, until the doctor is said to be present again. */
  affected: Map<string, Affected>
}

export type Event =
  | ({ type: 'opened' } & Opening)
  | { type: 'capacity_set'; capacity: number }
  | { type: 'hours_set'; hours: WorkingHours | null }
  | { type: 'availability_set'; id: string; isPresent: boolean; notes: string | null }
  | { type: 'booked'; appointmentId: string; patientId: string; slot: number }
  | { type: 'cancelled'; appointmentId: string; reason: string | null; waiting?: PlaceInLine }
  | { type: 'absence_struck'; appointmentIds: string[] }
  | { type: 'held'; holdId: string; slot: number; expiresAt: number }
  | { type: 'hold_ended'; holdId: string; how: 'booked' | 'released' | 'expired' }
  | { type: 'waitlisted'; waitId: string; patientId: string }
  | { type: 'offered'; waitId: string; slot: number; deadline: number }
  | { type: 'wait_ended'; waitId: string; how: 'accepted' | 'booked' | 'declined' | 'lapsed' }
  | { type: 'checked_in'; checkInId: string; appointmentId: string; position: number; priority: Priority }
  | { type: 'called'; appointmentId: string; room: string }
  | { type: 'served'; appointmentId: string }
  | { type: 'skipped'; appointmentId: string }
  | { type: 'requeued'; appointmentId: string }
  | { type: 'no_show'; appointmentId: string }
  | { type: 'move_began'; moveId: string; appointmentId: string; to: Opening }
  | { type: 'moved_out'; moveId: string; appointmentId: string; to: DoctorDate; slot: number }
  | { type: 'move_aborted'; moveId: string; appointmentId: string; why: string }
  | { type: 'move_settled'; moveId: string }
  | ({ type: 'reserved'; moveId: string; slot: number; from: DoctorDate } & Traveller)
  | { type: 'moved_in'; moveId: string; appointmentId: string }
  | { type: 'reservation_ended'; moveId: string }
  | { type: 'pointed'; appointmentId: string; to: Whereabouts }

export type EventOf<Type extends Event['type']> = Extract<Event, { type: Type }>

/** An event as the log holds it: its number, when (epoch ms) and by which API key. */
export type Recorded<E extends Event = Event> = E & { seq: number; at: number; actor: string }

export const emptyDay = (): Day => ({
  version: 0,
  place: null,
  timeZone: 'UTC',
  capacity: 0,
  hours: null,
  timetable: null,
  availability: null,
  slots: new Map(),
  lowestFreeSlot: 1,
  appointments: new Map(),
  patients: new Map(),
  holds: new Map(),
  endedHolds: new Set(),
  waitlist: new Map(),
  endedWaits: new Set(),
  checkIns: new Map(),
  moves: new Map(),
  movedTo: new Map(),
  reservations: new Map(),
  endedReservations: new Map(),
  affected: new Map(),
})
