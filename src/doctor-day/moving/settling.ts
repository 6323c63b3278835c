import { SECOND_MS } from '../../lib/time'
import type { OtherDays } from '../client'
import type { Answer, Command, Operation, ReplyTo } from '../commands'
import type { Day, Place, Reservation } from '../state/day'
import { dayKey, dayKeyOf } from '../storage/address'
import { backoff } from './backoff'

/** A slot kept this long for a move of which nothing more was heard: the other day is asked. */
const INQUIRY_AFTER_MS = 30 * SECOND_MS

/** Who ends a move when nobody asks for it any more. */
const CLOCK = 'clock'

/** What a move needs of the object it starts from, and how to reach the others. */
export interface MoveHost {
  name: string | undefined
  day(): Day
  perform<C extends Command>(operation: Operation, command: C): Answer<ReplyTo<C>>
  others: OtherDays
  wakeAt(instant: number): void
}

/** Leaves nothing of a move open, on this day or another. `driven`: those that somebody is about to end. */
export function settling(source: MoveHost, driven: ReadonlySet<string>) {
  const { day, perform, others, wakeAt } = source
  const { failures, postpone, reset } = backoff('move_unsettled', source.name, wakeAt)

  /** What is under way with nobody left to end it: this object, or its storage, failed in between. */
  function undo(): void {
    const { moves, place } = day()
    if (!place) return
    const { clinicId } = place
    for (const { id: moveId, state } of [...moves.values()])
      if (state === 'reserving' && !driven.has(moveId))
        perform(stepOf(moveId, 'end_move', CLOCK), { type: 'end_move', clinicId, moveId, outcome: null })
  }

  async function settleMove(moveId: string, actor = CLOCK): Promise<void> {
    const [move, own] = [day().moves.get(moveId), day().place]
    if (!move || !own || move.state === 'reserving') return
    const { to, appointmentId } = move
    const { clinicId } = own
    const isCommitted = move.state === 'committed'
    await tell(
      keyOf(to),
      moveId,
      actor,
      isCommitted
        ? { type: 'confirm_move', clinicId, moveId }
        : { type: 'release_move', opening: to, moveId },
    )
    const [home, movedTo] = [dayKeyOf(appointmentId), day().movedTo.get(appointmentId)]
    if (home && movedTo && home !== keyOf(own) && home !== keyOf(to))
      await tell(home, moveId, actor, { type: 'point', clinicId, appointmentId, to: movedTo })
    perform(stepOf(moveId, 'settle_move', actor), { type: 'settle_move', clinicId, moveId })
  }

  /** A refusal here is a bug or a damaged log: either way the move stays open, and is seen in our log. */
  async function tell(key: string, moveId: string, actor: string, command: Command): Promise<void> {
    const answer = await others.perform(key, stepOf(moveId, command.type, actor), command)
    if (!answer.ok) throw new Error(`Refused: ${answer.refused}`)
  }

  async function inquire({ id: moveId, from, appointment }: Reservation): Promise<void> {
    const askAt = appointment.updatedAt + INQUIRY_AFTER_MS
    const { place, timeZone, capacity, hours } = day()
    if (!place || Date.now() < askAt) return wakeAt(askAt)
    const { clinicId } = place
    const query = { view: 'move', id: moveId } as const
    const state = await others.see(keyOf({ clinicId, ...from }), clinicId, query)
    if (state === 'reserving') return wakeAt(Date.now() + INQUIRY_AFTER_MS)
    if (state === 'committed') return arrive(moveId)
    const opening = { ...place, timeZone, capacity, ...(hours && { hours }) }
    perform(stepOf(moveId, 'release_move', CLOCK), { type: 'release_move', opening, moveId })
  }

  function arrive(moveId: string): void {
    const { reservations, place } = day()
    if (place && reservations.has(moveId))
      perform(stepOf(moveId, 'confirm_move', CLOCK), {
        type: 'confirm_move',
        clinicId: place.clinicId,
        moveId,
      })
  }

  async function settle(): Promise<void> {
    const before = failures()
    await Promise.resolve().then(undo).catch(postpone)
    await Promise.all([
      ...[...day().moves.keys()].map((id) => settleMove(id).catch(postpone)),
      ...[...day().reservations.values()].map((reservation) => inquire(reservation).catch(postpone)),
    ])
    if (failures() === before) reset()
  }

  return { settleMove, postpone, arrive, undo, settle }
}

export const keyOf = ({ clinicId, doctorId, date }: Place) => dayKey(clinicId, doctorId, date)

/** Each step of a move may come twice, and has one effect: its id says which it is. */
export const stepOf = (moveId: string, step: string, actor: string): Operation => ({
  id: `${moveId}:${step}`,
  actor,
  isKeyed: false,
})
