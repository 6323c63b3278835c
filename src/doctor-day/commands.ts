import type { Transition } from '../problem'
import type {
  Appointment,
  Availability,
  CheckIn,
  DoctorDate,
  Event,
  Hold,
  Move,
  Opening,
  PlaceInLine,
  Priority,
  Reservation,
  Traveller,
  Waiting,
  Whereabouts,
} from './state/day'
import type { WorkingHours } from './state/slot-times'

/** What a doctor’s day can be asked to do, what it answers, and how it refuses. */

/** When, by which API key, and how long an offer made now lasts. */
export interface Moment {
  at: number
  actor: string
  offerMs: number
}

/** Which operation this is (a retry finds its first reply) and which API key asks for it. */
export interface Operation {
  id: string
  actor: string
  /**
   * The caller sent an Idempotency-Key. Then the day remembers every answer, refusals as well, so that a
   * retry cannot end otherwise.
   */
  isKeyed: boolean
}

/** `recall` calls a called patient once more. */
export type StepName = 'serve' | 'skip' | 'requeue' | 'no_show' | 'recall'

export interface Commands {
  book: { opening: Opening; appointmentId: string; patientId: string; allowAnother: boolean }
  /** Books the slot that the hold keeps. */
  book_held: {
    clinicId: string
    holdId: string
    appointmentId: string
    patientId: string
    allowAnother: boolean
  }
  /** `waiting`: where the patient waits instead. */
  cancel: { clinicId: string; appointmentId: string; reason: string | null; waiting?: PlaceInLine }
  hold: { opening: Opening; holdId: string; ttlMs: number }
  release_hold: { clinicId: string; holdId: string }
  wait: { opening: Opening; waitId: string; patientId: string }
  accept_offer: { clinicId: string; waitId: string; appointmentId: string }
  stop_waiting: { clinicId: string; waitId: string }
  /** `capacity`: null leaves it as it is. `hours`: null removes them; without it they stay as they are. */
  set_availability: {
    opening: Opening
    id: string
    isPresent: boolean
    notes: string | null
    capacity: number | null
    hours?: WorkingHours | null
  }
  /** The doctor is absent. The reply names the appointments that the absence affects. */
  declare_absence: { opening: Opening; id: string; reason: string }
  check_in: {
    clinicId: string
    checkInId: string
    appointmentId: string
    patientId: string
    priority: Priority
  }
  walk_in: {
    opening: Opening
    appointmentId: string
    checkInId: string
    patientId: string
    priority: Priority
  }
  call_next: { opening: Opening; room: string }
  step: { clinicId: string; appointmentId: string; step: StepName }
  /** Asked of the day that holds the slot: that day coordinates the move. */
  begin_move: {
    clinicId: string
    appointmentId: string
    moveId: string
    to: Opening
    allowAnother: boolean
  }
  /** The other day has reserved a slot, or refused, or could not be reached (null). */
  end_move: {
    clinicId: string
    moveId: string
    outcome: { ok: true; appointment: Appointment } | { ok: false; refused: Refusal } | null
  }
  /** The other day has acknowledged the end. */
  settle_move: { clinicId: string; moveId: string }
  /** Asked of the day that the appointment is to move to. */
  reserve: Traveller & { opening: Opening; moveId: string; from: DoctorDate; allowAnother: boolean }
  confirm_move: { clinicId: string; moveId: string }
  /** May name a move that this day has not heard of; the day then refuses that move’s late `reserve`. */
  release_move: { opening: Opening; moveId: string }
  /** Tells the day on which an appointment was first booked, and to which its id leads, where it is now. */
  point: { clinicId: string; appointmentId: string; to: Whereabouts }
  /** Time has passed: holds and offers beyond their deadline end. */
  lapse: object
}

export type CommandOf<Type extends keyof Commands> = { type: Type } & Commands[Type]
export type Command = { [Type in keyof Commands]: CommandOf<Type> }[keyof Commands]

/** What a caller asks for. Each try of it is a move with an id of its own. */
export type MoveWanted = Omit<CommandOf<'begin_move'>, 'moveId'>

/** What became of a move. While it is under way, its operation has no reply yet. */
export type MoveReply =
  | { state: 'under_way'; move: Move; traveller: Traveller; from: DoctorDate }
  | { state: 'moved'; appointment: Appointment }
  | { state: 'refused'; refused: Refusal }

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
  /** The appointments of the day that are booked and not over, by slot. */
  declare_absence: { appointmentId: string; patientId: string; isCheckedIn: boolean }[]
  check_in: CheckIn
  walk_in: CheckIn
  /** Null where no patient waits. */
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

/** Why a day refuses; client.ts has the sentences. `moved`: the caller asks the day named beside it. */
export type Refusal =
  | 'not_found'
  | 'doctor_absent'
  | 'already_booked'
  | 'already_cancelled'
  | 'day_full'
  | 'capacity_below_taken'
  | 'hours_in_use'
  | 'hold_over'
  | 'no_offer'
  | 'offer_over'
  | 'wrong_patient'
  | 'already_checked_in'
  | 'wrong_date'
  | 'illegal_step'
  | 'moving'
  | 'moved'
  | 'unavailable'

/** `movedTo` comes with `moved`: the day to ask instead. */
export interface Refused {
  ok: false
  refused: Refusal
  transition?: Transition
  movedTo?: Whereabouts
}

/** A decision that is under way is not the operation’s final answer, and the day does not remember it. */
export type Decision<Reply> = { ok: true; events: Event[]; reply: Reply; isUnderWay?: true } | Refused

export type Answer<Reply> = { ok: true; reply: Reply } | Refused
