import type { Transition } from '../problem'
import type {
  Appointment,
  Availability,
  CheckIn,
  Event,
  Hold,
  Opening,
  PlaceInLine,
  Priority,
  Reservation,
  Waiting,
  Whereabouts,
} from './day'
import type {
  BeginMove,
  ConfirmMove,
  EndMove,
  MoveReply,
  Point,
  ReleaseMove,
  Reserve,
  SettleMove,
} from './move-commands'
import type { Refusal } from './refusal'
import type { WorkingHours } from './slot-times'

/** What a doctor’s day can be asked to do, what it answers, and how it refuses. */

/** When, by which API key, and how long an offer made now stands. */
export interface Moment {
  at: number
  actor: string
  offerMs: number
}

export interface Book {
  type: 'book'
  opening: Opening
  appointmentId: string
  patientId: string
  allowAnother: boolean
}

export interface BookHeld {
  type: 'book_held'
  clinicId: string
  holdId: string
  appointmentId: string
  patientId: string
  allowAnother: boolean
}

export interface Cancel {
  type: 'cancel'
  clinicId: string
  appointmentId: string
  reason: string | null
  /** Where the patient waits instead. */
  waiting?: PlaceInLine
}

export interface HoldSlot {
  type: 'hold'
  opening: Opening
  holdId: string
  ttlMs: number
}

export interface ReleaseHold {
  type: 'release_hold'
  clinicId: string
  holdId: string
}

export interface Wait {
  type: 'wait'
  opening: Opening
  waitId: string
  patientId: string
}

export interface AcceptOffer {
  type: 'accept_offer'
  clinicId: string
  waitId: string
  appointmentId: string
}

export interface StopWaiting {
  type: 'stop_waiting'
  clinicId: string
  waitId: string
}

export interface SetAvailability {
  type: 'set_availability'
  opening: Opening
  id: string
  isPresent: boolean
  notes: string | null
  /** Null leaves it as it is. */
  capacity: number | null
  /** Null takes them away; without it they stay as they are. */
  hours?: WorkingHours | null
}

/** The doctor is absent, whatever was booked: who is struck by it? */
export interface DeclareAbsence {
  type: 'declare_absence'
  opening: Opening
  id: string
  reason: string
}

export interface Arrive {
  type: 'check_in'
  clinicId: string
  checkInId: string
  appointmentId: string
  patientId: string
  priority: Priority
}

export interface WalkIn {
  type: 'walk_in'
  opening: Opening
  appointmentId: string
  checkInId: string
  patientId: string
  priority: Priority
}

export interface CallNext {
  type: 'call_next'
  opening: Opening
  room: string
}

/** `recall` calls a called patient once more. */
export type StepName = 'serve' | 'skip' | 'requeue' | 'no_show' | 'recall'

export interface Step {
  type: 'step'
  clinicId: string
  appointmentId: string
  step: StepName
}

/** Time has passed: holds and offers beyond their deadline end. */
export interface Lapse {
  type: 'lapse'
}

export type Command =
  | Book
  | BookHeld
  | Cancel
  | HoldSlot
  | ReleaseHold
  | Wait
  | AcceptOffer
  | StopWaiting
  | SetAvailability
  | DeclareAbsence
  | Arrive
  | WalkIn
  | CallNext
  | Step
  | BeginMove
  | EndMove
  | SettleMove
  | Reserve
  | ConfirmMove
  | ReleaseMove
  | Point
  | Lapse

export interface Replies {
  book: Appointment
  book_held: Appointment
  cancel: Appointment
  hold: Hold
  release_hold: { id: string }
  wait: Waiting & { place: number; isNew: boolean }
  accept_offer: Appointment
  stop_waiting: { id: string }
  set_availability: Availability
  /** The appointments that stand, by slot. */
  declare_absence: { appointmentId: string; patientId: string; isCheckedIn: boolean }[]
  check_in: CheckIn
  walk_in: CheckIn
  call_next: CheckIn | null
  step: CheckIn | Appointment
  begin_move: MoveReply
  end_move: MoveReply
  settle_move: null
  reserve: Reservation
  confirm_move: null
  release_move: null
  point: null
  lapse: null
}
export type ReplyTo<C extends Command> = Replies[C['type']]

/** `movedTo` comes with `moved`: the caller has to ask there. */
export type Refused = {
  ok: false
  refused: Refusal
  transition?: Transition
  movedTo?: Whereabouts
}
/** What is under way is not the operation's last word, and is not remembered as such. */
export type Decision<Reply> = { ok: true; events: Event[]; reply: Reply; isUnderWay?: true } | Refused
