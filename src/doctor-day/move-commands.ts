import type { Appointment, DoctorDate, Move, Opening, Traveller, Whereabouts } from './day'
import type { Refusal } from './refusal'

/** What is said between two days when an appointment goes from one to the other. */

/** Asked of the day that holds the slot: it coordinates the move. */
export interface BeginMove {
  type: 'begin_move'
  clinicId: string
  appointmentId: string
  moveId: string
  to: Opening
  allowAnother: boolean
}

/** What a caller asks; each try of it is a move with an id of its own. */
export type MoveWanted = Omit<BeginMove, 'moveId'>

/** The other day has reserved a slot, or refused, or could not be reached (null). */
export interface EndMove {
  type: 'end_move'
  clinicId: string
  moveId: string
  outcome: { ok: true; appointment: Appointment } | { ok: false; refused: Refusal } | null
}

/** The other day has acknowledged the end. */
export interface SettleMove {
  type: 'settle_move'
  clinicId: string
  moveId: string
}

/** Asked of the day that an appointment wants to move to. */
export interface Reserve extends Traveller {
  type: 'reserve'
  opening: Opening
  moveId: string
  from: DoctorDate
  allowAnother: boolean
}

export interface ConfirmMove {
  type: 'confirm_move'
  clinicId: string
  moveId: string
}

/** Of a move this day may not have heard of yet: what comes of it later is refused. */
export interface ReleaseMove {
  type: 'release_move'
  opening: Opening
  moveId: string
}

/** Tells the day an appointment was first booked on, which its id leads to, where it lives now. */
export interface Point {
  type: 'point'
  clinicId: string
  appointmentId: string
  to: Whereabouts
}

/** What became of a move. While it is under way its operation has no reply yet. */
export type MoveReply =
  | { state: 'under_way'; move: Move; traveller: Traveller; from: DoctorDate }
  | { state: 'moved'; appointment: Appointment }
  | { state: 'refused'; refused: Refusal }
