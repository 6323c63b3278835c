import type { Refusal, Refused, ToldOfSlots } from './refused'
import type { AbsenceOf } from './state/absences'
import type {
  Appointment,
  Availability,
  Booking,
  CheckIn,
  DayVersion,
  DoctorDate,
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
import type { Event } from './state/event'
import type { Aliases, Person } from './state/person'
import type { WorkingHours } from './state/slot-times'
import type { MarkedText, TextKind, Texts } from './state/texts'
import type { Accepted, WishCommands, WishReplies } from './wish-commands'

/** What a doctor’s day can be asked to do, what it answers, and how it refuses. */

/** The time of the decision, the API key that asks for it, and how long an offer made now lasts. */
export interface Moment {
  at: number
  actor: string
  offerMs: number
  /** Of the texts that the operation brings. */
  texts?: MarkedText[]
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
  /** What is written of the appointment that the command is about. */
  texts?: Texts
}

/** `recall` calls a called patient once more. */
export type StepName = 'serve' | 'skip' | 'requeue' | 'no_show' | 'recall'

/** What takes back a mistake: of a check-in, and of a visit that was marked as completed. */
export type UndoName = 'uncheck_in' | 'unserve'

/** The slot that a caller wants: its number, its begin (epoch ms), or the clinic’s clock then, `10:30`. */
export type Choice = { slot: number } | { startsAt: number } | { time: string }

/**
 * Where a visit that moves was: the slot there, and the clinic’s clock then. It goes to the same time, or the
 * same slot where one of the days has no times. `isExact`: there or nowhere; without it, to the nearest one.
 */
export interface Near {
  slot: number
  time?: string
  isExact?: true
}

export interface Commands extends WishCommands {
  /** `isBackDated`: recorded afterwards, so the date may be over and the slot may have begun. */
  book: Booking &
    Aliases & { opening: Opening; allowAnother: boolean; choice?: Choice; isBackDated?: boolean }
  /** Books the slot that the hold keeps. */
  book_held: Booking & Aliases & { clinicId: string; holdId: string; allowAnother: boolean }
  /** `reason` becomes a text. `waiting`: the patient’s place on another day’s waitlist instead. */
  cancel: { clinicId: string; appointmentId: string; reason: string | null; waiting?: WaitlistPlace }
  /** The new texts come with the operation. */
  set_texts: { clinicId: string; appointmentId: string; removed: TextKind[] }
  /** Cancels what the patient has ahead. */
  erase_patient: Person & { opening: Opening }
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
  accept_offer: Accepted & { clinicId: string; waitId: string; appointmentId: string }
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
  declare_absence: AbsenceOf
  /** The leave no longer covers this date. */
  end_absence: { opening: Opening; leaveId: string }
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
    outcome: { ok: true; appointment: Appointment } | ({ ok: false; refused: Refusal } & ToldOfSlots) | null
  }
  /** The other day has acknowledged the end. */
  settle_move: { clinicId: string; moveId: string }
  /**
   * Sent to the day that the appointment is to move to. With neither `choice` nor `near`: the lowest free
   * place. `beside`: appointments of the patient that move along, so they are no other ones.
   */
  reserve: Transfer &
    Aliases & {
      opening: Opening
      moveId: string
      from: DoctorDate
      allowAnother: boolean
      choice?: Choice
      near?: Near
      beside?: string[]
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
  | ({ state: 'refused'; refused: Refusal } & ToldOfSlots)

export interface Replies extends WishReplies<Refusal> {
  book: Appointment
  book_held: Appointment
  cancel: Appointment
  set_texts: Appointment
  erase_patient: { texts: number; cancelled: number }
  hold: Hold
  release_hold: { id: string }
  wait: Waiting & { place: number; isNew: boolean }
  accept_offer: Appointment
  stop_waiting: { id: string }
  set_availability: Availability
  /** The booked appointments of the day whose visit has not taken place yet, by slot. */
  declare_absence: (Visit & { appointmentId: string; patientId: string; isCheckedIn: boolean })[]
  end_absence: null
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

/** A decision that is under way is not the operation’s final answer, and the day does not remember it. */
export type Decision<Reply> = { ok: true; events: Event[]; reply: Reply; isUnderWay?: true } | Refused

/** `day` is not remembered with the answer. */
export type Answer<Reply> = { ok: true; reply: Reply; day?: DayVersion } | Refused
