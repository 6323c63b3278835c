import { newId } from '../../lib/crypto'
import type { Answer, CommandOf, Known, MoveWanted, Operation } from '../commands'
import { refuse } from '../rules/facts'
import type { Appointment } from '../state/day'
import { endMove, keyOf, outcomeOf, reserveOf, toAnswer, unreachable } from './ending'
import { relocation } from './relocation'
import type { AbsenceWanted, Relief } from './requests'
import { type MoveHost, settling } from './settling'

/** Moves appointments to another day, across failures and restarts. rules/moves.ts decides each step. */
interface Moving {
  /** Answers once the move has ended on this day; the other day hears of the end afterwards. */
  move(operation: Operation, wanted: MoveWanted): Promise<Answer<Appointment>>
  /** Declares the doctor absent, and moves all patients of the day or puts them on a waitlist. */
  declareAbsence(operation: Operation, wanted: AbsenceWanted): Promise<Answer<Relief>>
  /** A caller brings a move’s id from the day that committed the move, so this day confirms it. */
  confirmReservation(moveId: string): void
  /** Confirms what other days have committed and not reported yet. Never throws. */
  confirmCommitted(): Promise<void>
  /** Aborts the moves that a crash has interrupted. */
  abortInterrupted(): void
  /** Reports to other days how moves ended, and asks them about moves to this day. Never throws. */
  settle(): Promise<void>
}

export function moving(source: MoveHost): Moving {
  const { perform, others, later } = source
  const inFlight = new Set<string>()
  const settles = settling(source, inFlight)
  const { settleMoves, settleEarlier, postpone, confirmReservation, confirmCommitted } = settles
  const { abortInterrupted, settle } = settles
  const relocate = relocation(source, inFlight, settles)
  const moves = underWay<Answer<Appointment>>(postpone)
  const absences = underWay<Answer<Relief>>(postpone)

  async function move(operation: Operation, { known, ...wanted }: MoveWanted): Promise<Answer<Appointment>> {
    // Only within its own day does a move give a slot here.
    const isWithin = wanted.choice !== undefined && keyOf(wanted.to) === source.name
    if (isWithin && (await source.check(operation, wanted))) return refuse('day_damaged')
    // Each try is a move with its own id, so leftovers of an aborted try cannot affect the next one.
    const begin = { ...wanted, moveId: newId() }
    const begun = perform(operation, begin)
    const reserve = reserveOf(begun, begin)
    if (!reserve) return toAnswer(begun)
    inFlight.add(reserve.moveId)
    return complete(operation, reserve, known).finally(() => inFlight.delete(reserve.moveId))
  }

  /**
   * The answer does not wait for the other day to hear that the move is committed: whoever comes there by the
   * appointment’s id brings the news, a list asks for it, and the alarm repeats it after a crash.
   */
  async function complete(
    operation: Operation,
    reserve: CommandOf<'reserve'>,
    known: Known | null | undefined,
  ): Promise<Answer<Appointment>> {
    const { moveId, appointmentId, opening } = reserve
    const texts = source.textsOf(appointmentId)
    const reserving = { ...operation, id: moveId, isKeyed: true, known, texts }
    const answer = await settleEarlier([appointmentId], keyOf(opening))
      .then(() => others.perform(keyOf(opening), reserving, reserve))
      .catch(unreachable)
    const ended = endMove(perform, operation, reserve, answer && outcomeOf(answer))
    later(settleMoves([moveId], operation.actor).catch(postpone))
    const day = answer?.ok ? answer.day : undefined
    // The other day has the appointment once it hears of the end: its next event.
    return ended.ok && day ? { ...ended, day: { ...day, version: day.version + 1 } } : ended
  }

  return {
    move: (operation, wanted) => moves(operation.id, () => move(operation, wanted)),
    declareAbsence: (operation, wanted) => absences(operation.id, () => relocate(operation, wanted)),
    confirmReservation,
    confirmCommitted,
    abortInterrupted,
    settle,
  }
}

/** A retry that comes while the first try is under way gets the same answer. */
function underWay<Reply>(postpone: (error: unknown) => void) {
  const pending = new Map<string, Promise<Reply>>()
  return (opId: string, start: () => Promise<Reply>): Promise<Reply> => {
    const known = pending.get(opId)
    if (known) return known
    const started = start()
      .catch((error: unknown) => {
        postpone(error)
        throw error
      })
      .finally(() => pending.delete(opId))
    pending.set(opId, started)
    return started
  }
}
