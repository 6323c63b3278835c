import { newId } from '../../lib/crypto'
import { logFailure } from '../../lib/log'
import type { Answer, CommandOf, MoveReply, MoveWanted, Operation } from '../commands'
import { isPassing } from '../rules/facts'
import type { Appointment, Reservation } from '../state/day'
import { keyOf, type MoveHost, settling, stepOf } from './settling'

/** Takes an appointment to another day, whatever fails in between. move-rules.ts says what counts. */
interface Moving {
  move(operation: Operation, wanted: MoveWanted): Promise<Answer<Appointment>>
  /** Whoever comes with a move’s id was sent here by the day that ended it. */
  arrive(moveId: string): void
  /** Ends what a crash has interrupted. */
  undo(): void
  /** Tells the other days how moves ended, and asks them about those that were to come here. Never throws. */
  settle(): Promise<void>
}

export function moving(source: MoveHost): Moving {
  const { day, perform, others } = source
  const running = new Map<string, Promise<Answer<Appointment>>>()
  const driven = new Set<string>()
  const { settleMove, postpone, arrive, undo, settle } = settling(source, driven)

  async function move(operation: Operation, wanted: MoveWanted): Promise<Answer<Appointment>> {
    // Each try is a move of its own: what is left of one that was undone cannot touch the next.
    const moveId = newId()
    const begun = perform(operation, { ...wanted, moveId })
    if (!begun.ok || begun.reply.state !== 'under_way') return told(begun)
    const { from, traveller } = begun.reply
    const { to: opening, allowAnother } = wanted
    driven.add(moveId)
    return drive(operation, { type: 'reserve', opening, moveId, from, allowAnother, ...traveller }).finally(
      () => driven.delete(moveId),
    )
  }

  async function drive(operation: Operation, reserve: CommandOf<'reserve'>): Promise<Answer<Appointment>> {
    const { moveId, appointmentId, opening } = reserve
    const { clinicId } = opening
    const reserving = { ...operation, id: moveId, isKeyed: true }
    const outcome = await settleEarlier(appointmentId, keyOf(opening))
      .then(() => others.perform(keyOf(opening), reserving, reserve))
      .then(outcomeOf, outOfReach)
    // What will pass is no answer to remember: the caller may try again with the same key.
    const isLastWord = outcome && (outcome.ok || !isPassing(outcome.refused))
    const ending = isLastWord ? operation : stepOf(moveId, 'end_move', operation.actor)
    const ended = perform(ending, { type: 'end_move', clinicId, moveId, outcome })
    await settleMove(moveId, operation.actor).catch(postpone)
    return told(ended)
  }

  /**
   * What an earlier try of this appointment left on the other day is given back before it asks for more. What
   * is left on a third day does not matter here, and that day may be the one that does not answer.
   */
  async function settleEarlier(appointmentId: string, key: string): Promise<void> {
    const earlier = [...day().moves.values()].filter(
      (move) => move.appointmentId === appointmentId && keyOf(move.to) === key,
    )
    await Promise.all(earlier.map(({ id }) => settleMove(id)))
  }

  return {
    move(operation, wanted) {
      const known = running.get(operation.id)
      if (known) return known
      const started = move(operation, wanted)
        .catch((error: unknown) => {
          postpone(error)
          throw error
        })
        .finally(() => running.delete(operation.id))
      running.set(operation.id, started)
      return started
    },
    arrive,
    undo,
    settle,
  }
}

const outcomeOf = (answer: Answer<Reservation>): CommandOf<'end_move'>['outcome'] =>
  answer.ok ? { ok: true, appointment: answer.reply.appointment } : { ok: false, refused: answer.refused }

/** A reserve that was given up may still come to the other day: it is told to keep nothing for this move. */
const outOfReach = (error: unknown): null => {
  logFailure('move_out_of_reach', error)
  return null
}

function told(answer: Answer<MoveReply>): Answer<Appointment> {
  if (!answer.ok) return answer
  const { reply } = answer
  if (reply.state === 'moved') return { ok: true, reply: reply.appointment }
  return { ok: false, refused: reply.state === 'refused' ? reply.refused : 'moving' }
}
