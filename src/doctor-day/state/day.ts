import type { Aliases } from './person'
import type { Off, Schedule, SlotTimes, WorkingHours } from './slot-times'
import type { LivingText } from './texts'
import type { Claim, PartOfWish, Wish, WishReport } from './wish'

/** The nouns of a doctor’s day: its state. The events that it is computed from are in event.ts. */

export interface DoctorDate {
  doctorId: string
  date: string
}

/** What a day has decided so far: a list that waits for this version shows what the answer says. */
export interface DayVersion extends DoctorDate {
  version: number
}

export interface DayIdentity extends DoctorDate {
  clinicId: string
}

/** What a day starts with. It is stored in the log, so a later change of the doctor changes no used day. */
export interface FirstTerms extends DayIdentity {
  timeZone: string
  capacity: number
  /** The doctor’s working hours; absent where the doctor has none, and in logs older than this field. */
  hours?: WorkingHours
}

/** What D1 says about a day: the terms that an unused one would start with, and why it is closed. */
export interface Opening extends FirstTerms {
  off?: Off
  /** How long an offer lasts for a patient who joins the waitlist; absent: as the deployment says. */
  offerMinutes?: number
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
  /** When that slot begins (epoch ms): other hours of the day give this time another number, or none. */
  wishAt?: number
  offer: ({ slot: number; deadline: number } & SlotTimes) | null
  /** How long an offer lasts, as it was when the patient joined; absent: as the deployment says. */
  offerMinutes?: number
  /** The patient waits for other dates as well, and wants one of them. */
  of?: PartOfWish
  /** While the home of the wish is asked, the offer has no deadline. */
  claim?: Claim
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
  /** A leave has set it, at its begin or its end; absent where a caller has set it. */
  leaveId?: string
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
  /** Those of them that were booked. */
  usedHolds: Set<string>
  /** In the order in which the patients joined. */
  waitlist: Map<string, Waiting>
  endedWaits: Set<string>
  /** Those whose home is this day. */
  wishes: Map<string, Wish & Visit>
  /** The wish of each place on this day’s waitlist, also of an ended one. */
  wishOfWait: Map<string, string>
  /** Wishes that have ended, with the date that won. */
  endedWishes: Map<string, string | null>
  /** What the homes of wishes have not acknowledged yet. */
  reports: Map<string, WishReport>
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
  /** By their numbers: the texts that exist beside the log. */
  texts: Map<number, LivingText>
  /** The number of the last text; 0 before the first. */
  lastText: number
  /** Patients for whom the day books nothing any more. */
  erased: Set<string>
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
