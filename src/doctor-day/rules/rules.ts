import type { Command, Commands, Decision, Moment, Replies, ReplyTo } from '../commands'
import type { Refusal, Refused } from '../refused'
import type { Day } from '../state/day'
import { declareAbsence, endAbsence } from './absence'
import { beginClaim, endClaim, endPlace, joinWish, settleReport } from './claims'
import { deadlineOf, refuse } from './facts'
import { limitOf } from './limits'
import { beginMove, confirmMove, endMove, point, releaseMove, reserve, settleMove } from './moves'
import { callNext, checkIn, step, undo, walkIn } from './queue'
import { book, bookHeld, cancel, hold, lapse, releaseHold, setAvailability } from './slots'
import { erasePatient, isErased, setTexts, withTexts } from './texts'
import { acceptOffer, stopWaiting, wait } from './waitlist'
import { claimWish, makeWish, placeWish, reportWish, toldWish } from './wishes'

type Rules = {
  [T in keyof Commands]: (day: Day, command: Commands[T], moment: Moment) => Decision<Replies[T]>
}

const RULES: Rules = {
  book,
  book_held: bookHeld,
  cancel,
  set_texts: setTexts,
  erase_patient: erasePatient,
  hold,
  release_hold: releaseHold,
  wait,
  accept_offer: acceptOffer,
  stop_waiting: stopWaiting,
  set_availability: setAvailability,
  declare_absence: declareAbsence,
  end_absence: endAbsence,
  check_in: checkIn,
  walk_in: walkIn,
  call_next: callNext,
  step,
  undo,
  begin_move: beginMove,
  end_move: endMove,
  settle_move: settleMove,
  reserve,
  confirm_move: confirmMove,
  release_move: releaseMove,
  point,
  make_wish: makeWish,
  join_wish: joinWish,
  place_wish: placeWish,
  begin_claim: beginClaim,
  claim_wish: claimWish,
  end_claim: endClaim,
  report_wish: reportWish,
  settle_report: settleReport,
  end_place: endPlace,
  told_wish: toldWish,
  lapse,
}

/**
 * The rules of a day. A day or a command of a newer version of the service is refused: a rule that does not
 * see each taken slot could give one twice.
 *
 * No clock, no I/O, no storage: a command and a state give events and a reply.
 */
export function decide<C extends Command>(day: Day, command: C, moment: Moment): Decision<ReplyTo<C>> {
  if (day.isNewer || !Object.hasOwn(RULES, command.type)) return refuse('newer_version')
  if (!belongs(day, command)) return refuse('not_found')
  const limit = limitOf(day, command, moment.actor)
  if (limit) return refuse(limit)
  if (isForErased(day, command)) return refuse('not_found')
  const rule = RULES[command.type] as (day: Day, command: C, moment: Moment) => Decision<ReplyTo<C>>
  const decision = rule(day, command, moment)
  if (!decision.ok) return withStatus(day, command, decision)
  return { ...decision, events: withTexts(day, decision.events, moment) }
}

/**
 * A request that found the patient before the erasure began may arrive after it. What is left of an erased
 * patient’s visit gets no text any more, and moves to no day that has not heard of the erasure.
 */
function isForErased(day: Day, command: Command): boolean {
  if (BOOKING.includes(command.type)) return 'patientId' in command && day.erased.has(command.patientId)
  return ABOUT_VISIT.includes(command.type) && 'appointmentId' in command && isErased(day, command)
}

const BOOKING: Command['type'][] = [
  'book',
  'book_held',
  'wait',
  'make_wish',
  'join_wish',
  'walk_in',
  'reserve',
]
const ABOUT_VISIT: Command['type'][] = ['set_texts', 'begin_move']

/** So that the caller learns what has become of the appointment: cancelled, completed, not come. */
function withStatus(day: Day, command: Command, refused: Refused): Refused {
  if (!ABOUT_STATUS.includes(refused.refused) || !('appointmentId' in command)) return refused
  const { appointmentId } = command
  const status = day.checkIns.get(appointmentId)?.status ?? day.appointments.get(appointmentId)?.status
  return status ? { ...refused, status } : refused
}

const ABOUT_STATUS: Refusal[] = ['already_checked_in', 'already_cancelled']

/** The day remembers its clinic. For any other clinic the day does not exist. */
function belongs(day: Day, command: Command): boolean {
  if (command.type === 'lapse') return true
  const clinicId = 'opening' in command ? command.opening.clinicId : command.clinicId
  return day.identity ? day.identity.clinicId === clinicId : 'opening' in command
}

/** When the next hold or offer ends; infinity where there is none, or only a newer version can end it. */
export function nextDeadline(day: Day): number {
  if (day.isNewer) return Number.POSITIVE_INFINITY
  const deadlines = [...day.holds.values()].map(({ expiresAt }) => expiresAt)
  for (const waiting of day.waitlist.values()) deadlines.push(deadlineOf(day, waiting))
  return Math.min(Number.POSITIVE_INFINITY, ...deadlines)
}
