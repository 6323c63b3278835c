import { newId } from '../../lib/crypto'
import { logFailure } from '../../lib/log'
import type { Answer, CommandOf, MoveReply, MoveWanted, Operation } from '../commands'
import { isTransient } from '../rules/facts'
import type { Appointment, Reservation } from '../state/day'
import { keyOf, type MoveHost, operationOf, settling } from './settling'

/** Moves an appointment to another day, across failures and restarts. rules/moves.ts decides each step. */
interface Moving {
  move(operation: Operation, wanted: MoveWanted): Promise<Answer<Appointment>>
  /** A caller brings a move’s id from the day that committed the move, so this day confirms it. */
  confirmReservation(moveId: string): void
  /** Aborts the moves that a crash has interrupted. */
  abortInterrupted(): void
  /** Reports to other days how moves ended, and asks them about moves to this day. Never throws. */
  settle(): Promise<void>
}

export function moving(source: MoveHost): Moving {
  const { day, perform, others } = source
  const pending = new Map<string, Promise<Answer<Appointment>>>()
  const inFlight = new Set<string>()
  const { settleMove, postpone, confirmReservation, abortInterrupted, settle } = settling(source, inFlight)

  async function move(operation: Operation, wanted: MoveWanted): Promise<Answer<Appointment>> {
    // Each try is a move with its own id, so leftovers of an aborted try cannot affect the next one.
    const moveId = newId()
    const begun = perform(operation, { ...wanted, moveId })
    if (!begun.ok || begun.reply.state !== 'under_way') return toAnswer(begun)
    const { from, transfer } = begun.reply
    const { to: opening, allowAnother } = wanted
    inFlight.add(moveId)
    return complete(operation, { type: 'reserve', opening, moveId, from, allowAnother, ...transfer }).finally(
      () => inFlight.delete(moveId),
    )
  }

  async function complete(operation: Operation, reserve: CommandOf<'reserve'>): Promise<Answer<Appointment>> {
    const { moveId, appointmentId, opening } = reserve
    const { clinicId } = opening
    const reserving = { ...operation, id: moveId, isKeyed: true }
    const outcome = await settleEarlier(appointmentId, keyOf(opening))
      .then(() => others.perform(keyOf(opening), reserving, reserve))
      .then(outcomeOf, unreachable)
    // A transient refusal is not remembered, so that the caller can retry with the same key.
    const isFinal = outcome && (outcome.ok || !isTransient(outcome.refused))
    const ending = isFinal ? operation : operationOf(moveId, 'end_move', operation.actor)
    const ended = perform(ending, { type: 'end_move', clinicId, moveId, outcome })
    await settleMove(moveId, operation.actor).catch(postpone)
    return toAnswer(ended)
  }

  /**
   * Releases the slot that an earlier try of this appointment left on the other day, before this try asks
   * for a slot there. Leftovers on a third day do not matter here, and that day may be unreachable.
   */
  async function settleEarlier(appointmentId: string, key: string): Promise<void> {
    const earlier = [...day().moves.values()].filter(
      (move) => move.appointmentId === appointmentId && keyOf(move.to) === key,
    )
    await Promise.all(earlier.map(({ id }) => settleMove(id)))
  }

  return {
    move(operation, wanted) {
      const known = pending.get(operation.id)
      if (known) return known
      const started = move(operation, wanted)
        .catch((error: unknown) => {
          postpone(error)
          throw error
        })
        .finally(() => pending.delete(operation.id))
      pending.set(operation.id, started)
      return started
    },
    confirmReservation,
    abortInterrupted,
    settle,
  }
}

const outcomeOf = (answer: Answer<Reservation>): CommandOf<'end_move'>['outcome'] =>
  answer.ok ? { ok: true, appointment: answer.reply.appointment } : { ok: false, refused: answer.refused }

/** Null: the `reserve` may still arrive at the other day, so the move is aborted and released there. */
const unreachable = (error: unknown): null => {
  logFailure('move_out_of_reach', error)
  return null
}

function toAnswer(answer: Answer<MoveReply>): Answer<Appointment> {
  if (!answer.ok) return answer
  const { reply } = answer
  if (reply.state === 'moved') return { ok: true, reply: reply.appointment }
  return { ok: false, refused: reply.state === 'refused' ? reply.refused : 'moving' }
}
