import { logFailure } from '../../lib/log'
import type { Answer, Command, CommandOf, MoveReply, Operation, ReplyTo } from '../commands'
import { toldOfSlots } from '../refused'
import { isTransient } from '../rules/facts'
import type { Appointment, DayIdentity, Reservation } from '../state/day'
import { aliasesOf } from '../state/person'
import { dayKey } from '../storage/address'

/** What the ways to move an appointment have in common: what they ask of the other day, and how they end. */

export type Outcome = CommandOf<'end_move'>['outcome']
type Perform = <C extends Command>(operation: Operation, command: C) => Answer<ReplyTo<C>>

export const keyOf = ({ clinicId, doctorId, date }: DayIdentity) => dayKey(clinicId, doctorId, date)

/** A step of a move may arrive twice. Its operation id makes it idempotent. */
export const operationOf = (moveId: string, step: string, actor: string): Operation => ({
  id: `${moveId}:${step}`,
  actor,
  isKeyed: false,
})

/** What the other day is asked for; null where the move has ended already, or never began. */
export function reserveOf(
  begun: Answer<MoveReply>,
  { moveId, to: opening, allowAnother, choice, alsoKnownAs }: CommandOf<'begin_move'>,
): CommandOf<'reserve'> | null {
  if (!begun.ok || begun.reply.state !== 'under_way') return null
  const { from, transfer } = begun.reply
  const said = { ...transfer, ...aliasesOf({ alsoKnownAs }), ...(choice && { choice }) }
  return { type: 'reserve', opening, moveId, from, allowAnother, ...said }
}

export function outcomeOf(answer: Answer<Reservation>): Outcome {
  if (answer.ok) return { ok: true, appointment: answer.reply.appointment }
  return { ok: false, refused: answer.refused, ...toldOfSlots(answer) }
}

/** Null: the `reserve` may still arrive at the other day, so the move is aborted and released there. */
export const unreachable = (error: unknown): null => {
  logFailure('move_out_of_reach', error)
  return null
}

/** The deciding step. A transient refusal is not remembered: the caller can retry with the same key. */
export function endMove(
  perform: Perform,
  operation: Operation,
  { moveId, opening }: CommandOf<'reserve'>,
  outcome: Outcome,
): Answer<Appointment> {
  const isFinal = outcome && (outcome.ok || !isTransient(outcome.refused))
  const ending = isFinal ? operation : operationOf(moveId, 'end_move', operation.actor)
  return toAnswer(perform(ending, { type: 'end_move', clinicId: opening.clinicId, moveId, outcome }))
}

export function toAnswer(answer: Answer<MoveReply>): Answer<Appointment> {
  if (!answer.ok) return answer
  const { reply, day } = answer
  if (reply.state === 'moved') {
    const { doctorId, date } = reply.appointment
    const isHere = day?.doctorId === doctorId && day.date === date
    return { ok: true, reply: reply.appointment, ...(isHere && { day }) }
  }
  if (reply.state !== 'refused') return { ok: false, refused: 'moving' }
  return { ok: false, refused: reply.refused, ...toldOfSlots(reply) }
}
