import { SECOND_MS } from '../../lib/time'
import type { OtherDays } from '../client'
import type { Answer, Command, Operation, ReplyTo } from '../commands'
import type { Day, DayIdentity, Reservation } from '../state/day'
import { dayKey, dayKeyOf } from '../storage/address'
import { backoff } from './backoff'

/** If a day that reserved a slot for a move hears no more for this long, it asks the day that began it. */
const INQUIRY_AFTER_MS = 30 * SECOND_MS

/** The actor of the steps that no caller is waiting for. */
const CLOCK = 'clock'

/** What a move needs of the object it starts from, and how that object calls other days. */
export interface MoveHost {
  name: string | undefined
  day(): Day
  perform<C extends Command>(operation: Operation, command: C): Answer<ReplyTo<C>>
  others: OtherDays
  wakeAt(instant: number): void
}

/** Ends every move on this day and the other one. `inFlight`: moves that a running request will end. */
export function settling(source: MoveHost, inFlight: ReadonlySet<string>) {
  const { day, perform, others, wakeAt } = source
  const { failures, postpone, reset } = backoff('move_unsettled', source.name, wakeAt)

  /** No request will end these moves any more: this object, or its storage, failed during the move. */
  function abortInterrupted(): void {
    const { moves, identity } = day()
    if (!identity) return
    const { clinicId } = identity
    for (const { id: moveId, state } of [...moves.values()])
      if (state === 'reserving' && !inFlight.has(moveId))
        perform(operationOf(moveId, 'end_move', CLOCK), { type: 'end_move', clinicId, moveId, outcome: null })
  }

  async function settleMove(moveId: string, actor = CLOCK): Promise<void> {
    const [move, own] = [day().moves.get(moveId), day().identity]
    if (!move || !own || move.state === 'reserving') return
    const { to, appointmentId } = move
    const { clinicId } = own
    const isCommitted = move.state === 'committed'
    await send(
      keyOf(to),
      moveId,
      actor,
      isCommitted
        ? { type: 'confirm_move', clinicId, moveId }
        : { type: 'release_move', opening: to, moveId },
    )
    const [home, movedTo] = [dayKeyOf(appointmentId), day().movedTo.get(appointmentId)]
    if (home && movedTo && home !== keyOf(own) && home !== keyOf(to))
      await send(home, moveId, actor, { type: 'point', clinicId, appointmentId, to: movedTo })
    perform(operationOf(moveId, 'settle_move', actor), { type: 'settle_move', clinicId, moveId })
  }

  /** A refusal here is a bug or a damaged log. The move stays open, and the failure is logged. */
  async function send(key: string, moveId: string, actor: string, command: Command): Promise<void> {
    const answer = await others.perform(key, operationOf(moveId, command.type, actor), command)
    if (!answer.ok) throw new Error(`Refused: ${answer.refused}`)
  }

  async function askSource({ id: moveId, from, appointment }: Reservation): Promise<void> {
    const askAt = appointment.updatedAt + INQUIRY_AFTER_MS
    const { identity, timeZone, capacity, hours } = day()
    if (!identity || Date.now() < askAt) return wakeAt(askAt)
    const { clinicId } = identity
    const query = { view: 'move', id: moveId } as const
    const state = await others.see(keyOf({ clinicId, ...from }), clinicId, query)
    if (state === 'reserving') return wakeAt(Date.now() + INQUIRY_AFTER_MS)
    if (state === 'committed') return confirmReservation(moveId)
    const opening = { ...identity, timeZone, capacity, ...(hours && { hours }) }
    perform(operationOf(moveId, 'release_move', CLOCK), { type: 'release_move', opening, moveId })
  }

  function confirmReservation(moveId: string): void {
    const { reservations, identity } = day()
    if (identity && reservations.has(moveId))
      perform(operationOf(moveId, 'confirm_move', CLOCK), {
        type: 'confirm_move',
        clinicId: identity.clinicId,
        moveId,
      })
  }

  async function settle(): Promise<void> {
    const before = failures()
    try {
      if (day().isNewer) return
      abortInterrupted()
      const { moves, reservations } = day()
      await Promise.all([
        ...[...moves.keys()].map((id) => settleMove(id).catch(postpone)),
        ...[...reservations.values()].map((reservation) => askSource(reservation).catch(postpone)),
      ])
    } catch (error) {
      postpone(error)
    }
    if (failures() === before) reset()
  }

  return { settleMove, postpone, confirmReservation, abortInterrupted, settle }
}

export const keyOf = ({ clinicId, doctorId, date }: DayIdentity) => dayKey(clinicId, doctorId, date)

/** A step of a move may arrive twice. Its operation id makes it idempotent. */
export const operationOf = (moveId: string, step: string, actor: string): Operation => ({
  id: `${moveId}:${step}`,
  actor,
  isKeyed: false,
})
