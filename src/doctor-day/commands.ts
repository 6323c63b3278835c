import type { Transition } from '../problem'
import type {
  Appointment,
  Availability,
  Booking,
  CheckIn,
  DoctorDate,
  Event,
  Hold,
  Move,
  MovedTo,
  Opening,
  Priority,
  Reservation,
  Transfer,
  Visit,
  Waiting,
  WaitlistPlace,
} from './state/day'
import type { Aliases, Person } from './state/person'
import type { SlotTimes, WorkingHours } from './state/slot-times'

/** What a doctor’s day can be asked to do, what it answers, and how it refuses. */

/** The time of the decision, the API key that asks for it, and how long an offer made now lasts. */
export interface Moment {
  at: number
  actor: string
  offerMs: number
}

/** The newest event of a day in D1’s copy, and its hash (null in copies older than the hash). */
export interface Known {
  version: number
  head: string | null
}

/** The id of the operation, by which a retry finds the first reply, and the API key that asks for it. */
export interface Operation {
  id: string
  actor: string
  /** The caller sent an Idempotency-Key: the day remembers refusals too, so a retry gets the same answer. */
  isKeyed: boolean
  /** What D1 knows of the day; undefined where the caller has not asked D1. */
  known?: Known | null
}

/** `recall` calls a called patient once more. */
export type StepName = 'serve' | 'skip' | 'requeue' | 'no_show' | 'recall'

/** What takes back a mistake: of a check-in, and of a visit that was marked as completed. */
export type UndoName = 'uncheck_in' | 'unserve'

/** The slot that a caller wants: its number, its begin (epoch ms), or the clinic’s clock then, `10:30`. */
export type Choice = { slot: number } | { startsAt: number } | { time: string }

/** A free slot that the caller can have instead. */
export interface Alternative extends SlotTimes {
  slot: number
}

export interface Commands {
  /** `isBackDated`: recorded afterwards, so the date may be over and the slot may have begun. */
  book: Booking &
    Aliases & { opening: Opening; allowAnother: boolean; choice?: Choice; isBackDated?: boolean }
  /** Books the slot that the hold keeps. */
  book_held: Booking & Aliases & { clinicId: string; holdId: string; allowAnother: boolean }
  /** `waiting`: the patient’s place on another day’s waitlist instead. */
  cancel: { clinicId: string; appointmentId: string; reason: string | null; waiting?: WaitlistPlace }
  hold: Visit & { opening: Opening; holdId: string; ttlMs: number; choice?: Choice }
  release_hold: { clinicId: string; holdId: string }
  /** With a choice the patient waits for that slot alone. */
  wait: Visit &
    Person & {
      opening: Opening
      waitId: string
      allowAnother: boolean
      choice?: Choice
    }
  accept_offer: Aliases & { clinicId: string; waitId: string; appointmentId: string }
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
  declare_absence: { opening: Opening; id: string; reason: string; moveTo: Opening | null }
  check_in: Person & {
    clinicId: string
    checkInId: string
    appointmentId: string
    priority: Priority
  }
  walk_in: Visit &
    Person & {
      opening: Opening
      appointmentId: string
      checkInId: string
      priority: Priority
      allowAnother: boolean
    }
  call_next: { opening: Opening; room: string }
  step: { clinicId: string; appointmentId: string; step: StepName }
  /** `mayAmend`: the API key may undo what happened longer ago than `UNDO_MS`. */
  undo: { clinicId: string; appointmentId: string; undo: UndoName; mayAmend: boolean }
  /** Sent to the day that has the appointment: that day coordinates the move, or changes the slot itself. */
  begin_move: Aliases & {
    clinicId: string
    appointmentId: string
    moveId: string
    to: Opening
    allowAnother: boolean
    choice?: Choice
  }
  /** The other day has reserved a slot, or refused, or could not be reached (null). */
  end_move: {
    clinicId: string
    moveId: string
    outcome:
      | { ok: true; appointment: Appointment }
      | { ok: false; refused: Refusal; alternatives?: Alternative[] }
      | null
  }
  /** The other day has acknowledged the end. */
  settle_move: { clinicId: string; moveId: string }
  /** Sent to the day that the appointment is to move to. */
  reserve: Transfer &
    Aliases & {
      opening: Opening
      moveId: string
      from: DoctorDate
      allowAnother: boolean
      choice?: Choice
    }
  confirm_move: { clinicId: string; moveId: string }
  /** May name a move that this day does not know; the day then refuses a late `reserve` of that move. */
  release_move: { opening: Opening; moveId: string }
  /** Tells the day of the first booking, to which an appointment’s id leads, where the appointment is now. */
  point: { clinicId: string; appointmentId: string; to: MovedTo }
  /** Time has passed: holds and offers beyond their deadline end. */
  lapse: object
}

export type CommandOf<Type extends keyof Commands> = { type: Type } & Commands[Type]
export type Command = { [Type in keyof Commands]: CommandOf<Type> }[keyof Commands]

/** A move as a caller asks for it; each try gets its own id. `known`: what D1 knows of the other day. */
export type MoveWanted = Omit<CommandOf<'begin_move'>, 'moveId'> & { known?: Known | null }

/** The committed move that led a caller to a day, if one did. */
export type Via = string | null

/** The state of a move. While it is under way, its operation has no final reply yet. */
export type MoveReply =
  | { state: 'under_way'; move: Move; transfer: Transfer; from: DoctorDate }
  | { state: 'moved'; appointment: Appointment }
  | { state: 'refused'; refused: Refusal; alternatives?: Alternative[] }

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
  /** The booked appointments of the day whose visit has not taken place yet, by slot. */
  declare_absence: (Visit & { appointmentId: string; patientId: string; isCheckedIn: boolean })[]
  check_in: CheckIn
  walk_in: CheckIn
  /** Null where no patient waits. */
  call_next: CheckIn | null
  step: CheckIn | Appointment
  undo: CheckIn | Appointment
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

/** Why a day refuses; client.ts has the sentences. `moved`: the caller asks the day named in `movedTo`. */
export type Refusal =
  | 'not_found'
  | 'date_over'
  | 'day_over'
  | 'doctor_absent'
  | 'already_booked'
  | 'already_cancelled'
  | 'day_full'
  | 'slot_taken'
  | 'slot_begun'
  | 'no_such_slot'
  | 'break_taken'
  | 'capacity_below_taken'
  | 'hours_in_use'
  | 'hold_over'
  | 'no_offer'
  | 'offer_over'
  | 'wrong_patient'
  | 'already_checked_in'
  | 'wrong_date'
  | 'illegal_step'
  | 'too_late_to_undo'
  | 'moving'
  | 'moved'
  | 'unavailable'
  | 'newer_version'
  | 'day_damaged'
  | 'day_intact'
  | 'day_log_full'
  | 'key_log_full'
  | 'waitlist_full'

/** `movedTo` is set with `moved` only: the day to ask instead. */
export interface Refused {
  ok: false
  refused: Refusal
  transition?: Transition
  /** With `already_…` and `too_late_to_undo`: what has become of the appointment. */
  status?: CheckIn['status'] | Appointment['status']
  /** The date that was asked for or that the appointment has, and today at the clinic. */
  dates?: { date: string; today: string }
  movedTo?: MovedTo
  /** Where a chosen slot cannot be given: the nearest free ones. */
  alternatives?: Alternative[]
}

/** A decision that is under way is not the operation’s final answer, and the day does not remember it. */
export type Decision<Reply> = { ok: true; events: Event[]; reply: Reply; isUnderWay?: true } | Refused

/** What a day has decided so far: a list that waits for this version shows what the answer says. */
export interface DayVersion extends DoctorDate {
  version: number
}

/** `day` is not remembered with the answer. */
export type Answer<Reply> = { ok: true; reply: Reply; day?: DayVersion } | Refused
