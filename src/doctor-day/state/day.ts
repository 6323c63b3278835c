import type { Aliases } from './person'
import type { Schedule, SlotTimes, WorkingHours } from './slot-times'

/** The nouns of a doctor’s day: its state, and the events that the state is computed from. */

export interface DoctorDate {
  doctorId: string
  date: string
}

export interface DayIdentity extends DoctorDate {
  clinicId: string
}

/** What a day starts with. It is stored in the log, so a later change of the doctor changes no used day. */
export interface Opening extends DayIdentity {
  timeZone: string
  capacity: number
  /** The doctor’s working hours; absent where the doctor has none, and in logs older than this field. */
  hours?: WorkingHours
}

/** What a visit needs. Absent: one slot, no service. */
export interface Visit {
  /** How many neighbouring slots it takes. */
  span?: number
  serviceId?: string
}

export interface Appointment extends SlotTimes, Visit {
  id: string
  patientId: string
  doctorId: string
  date: string
  slot: number
  /** The hour of the day that older clients send along; it decides nothing. */
  timeSlot: number | null
  status: 'booked' | 'cancelled' | 'no_show'
  createdAt: number
  updatedAt: number
  /** How often it has moved to another day; where two days disagree about it, the higher number is right. */
  moves: number
}

/** The status that clients see; state/views.ts has the mapping. */
export type AppointmentStatus = Appointment['status'] | 'checked_in' | 'completed'

/** Whom an appointment is for. Only events that have a `timeSlot` contain the field. */
export interface Booking extends Visit {
  appointmentId: string
  patientId: string
  timeSlot?: number
}

/** A slot reserved for a caller who is still deciding. */
export interface Hold extends SlotTimes, Visit {
  id: string
  slot: number
  expiresAt: number
}

/** A patient on the waitlist; with an offer, the patient can accept the slot until the deadline. */
export interface Waiting extends Visit {
  id: string
  patientId: string
  /** The only slot that the patient would take; absent: any. */
  wish?: number
  offer: ({ slot: number; deadline: number } & SlotTimes) | null
}

/**
 * The move of an appointment to another day, as stored by the day that coordinates it. It is deleted once the
 * other day has acknowledged the end: the slot is taken (`committed`) or released (`aborted`).
 */
export interface Move {
  id: string
  appointmentId: string
  to: Opening
  state: 'reserving' | 'committed' | 'aborted'
}

/** What the day that an appointment moves to learns about the appointment. */
export interface Transfer extends Booking {
  createdAt: number
  moves: number
}

/**
 * A slot reserved for an appointment that moves to this day; the day `from` decides whether it comes.
 * `alsoKnownAs`: by which other ids the patient may wait here.
 */
export interface Reservation extends Aliases {
  id: string
  from: DoctorDate
  appointment: Appointment
}

/** Where an appointment is now, and the move that brought it there. */
export interface MovedTo extends DoctorDate {
  moveId: string
  slot: number
  moves: number
}

/** An appointment that an absence affects; `waiting`: the place on another day’s waitlist instead. */
interface Affected {
  patientId: string
  slot: number
  waiting: WaitlistPlace | null
}

export interface WaitlistPlace extends DoctorDate {
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

/** What a slot is taken by: the appointment, the hold, the waiting patient or the move with this id. */
export interface Occupant {
  kind: 'appointment' | 'hold' | 'offer' | 'reservation'
  id: string
}

/** `version` is the number of the last event; 0 on an unused day. */
export interface Day extends Schedule {
  version: number
  identity: DayIdentity | null
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
  /** In the order in which the patients joined. */
  waitlist: Map<string, Waiting>
  endedWaits: Set<string>
  /** By appointment. */
  checkIns: Map<string, CheckIn>
  /** Of the last patient who checked in, even if that check-in was undone; 0 before the first. */
  lastPosition: number
  /** Moves to other days. */
  moves: Map<string, Move>
  /** By the id of an appointment that has left this day. */
  movedTo: Map<string, MovedTo>
  /** Slots reserved for moves to this day, by move. */
  reservations: Map<string, Reservation>
  endedReservations: Map<string, 'taken' | 'released'>
  /** By appointment: those that the doctor’s absence affects, until the doctor is set present again. */
  affected: Map<string, Affected>
  /** How many events each API key has caused. */
  eventsOf: Map<string, number>
  /** A newer version of the service has written it: this one shows what it can read, and changes nothing. */
  isNewer: boolean
}

/** What D1’s copy still had of a day whose log was lost; nothing where the loss was accepted. */
export interface Remains {
  appointments: Omit<Appointment, 'doctorId' | 'date'>[]
  checkIns: CheckIn[]
  /** Of a check-in, or of one that was undone; absent in logs older than this field. */
  lastPosition?: number
  /** Appointments that had moved to other days. */
  movedAway: (MovedTo & { appointmentId: string })[]
}

export type Event =
  | ({ type: 'opened' } & Opening)
  | { type: 'capacity_set'; capacity: number }
  | { type: 'hours_set'; hours: WorkingHours | null }
  | { type: 'availability_set'; id: string; isPresent: boolean; notes: string | null }
  | ({ type: 'booked'; slot: number } & Booking)
  | { type: 'cancelled'; appointmentId: string; reason: string | null; waiting?: WaitlistPlace }
  | { type: 'absence_struck'; appointmentIds: string[] }
  | { type: 'slot_changed'; appointmentId: string; slot: number }
  | ({ type: 'held'; holdId: string; slot: number; expiresAt: number } & Visit)
  | { type: 'hold_ended'; holdId: string; how: 'booked' | 'released' | 'expired' }
  | ({ type: 'waitlisted'; waitId: string; patientId: string; wish?: number } & Visit)
  | { type: 'offered'; waitId: string; slot: number; deadline: number }
  | { type: 'wait_ended'; waitId: string; how: 'accepted' | 'booked' | 'declined' | 'lapsed' }
  | { type: 'checked_in'; checkInId: string; appointmentId: string; position: number; priority: Priority }
  /** Holds what the copy in D1 has to keep of the check-in. */
  | { type: 'unchecked_in'; appointmentId: string; checkInId: string; position: number; checkedInAt: number }
  | { type: 'called'; appointmentId: string; room: string }
  | { type: 'served'; appointmentId: string }
  | { type: 'unserved'; appointmentId: string }
  | { type: 'skipped'; appointmentId: string }
  | { type: 'requeued'; appointmentId: string }
  | { type: 'no_show'; appointmentId: string }
  | { type: 'move_began'; moveId: string; appointmentId: string; to: Opening }
  | { type: 'moved_out'; moveId: string; appointmentId: string; to: DoctorDate; slot: number }
  | { type: 'move_aborted'; moveId: string; appointmentId: string; why: string }
  | { type: 'move_settled'; moveId: string }
  | ({ type: 'reserved'; moveId: string; slot: number; from: DoctorDate } & Transfer & Aliases)
  | { type: 'moved_in'; moveId: string; appointmentId: string }
  | { type: 'reservation_ended'; moveId: string }
  | { type: 'pointed'; appointmentId: string; to: MovedTo }
  | ({ type: 'rebuilt' } & Remains)
  /** Written by a newer version of the service; `stored` is its JSON. This one never writes it. */
  | { type: 'unknown'; stored: string }

export type EventOf<Type extends Event['type']> = Extract<Event, { type: Type }>

/** An event in the log, with its number, its time (epoch ms) and the API key that caused it. */
export type Recorded<E extends Event = Event> = E & { seq: number; at: number; actor: string }
