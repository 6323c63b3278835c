import { withTimeout } from '../../lib/outage'
import { SECOND_MS } from '../../lib/time'
import type { OtherDays } from '../client'
import type { Answer, Command, Operation, ReplyTo } from '../commands'
import type { Guard } from '../guard'
import type { Day, Move, Reservation } from '../state/day'
import type { Texts } from '../state/texts'
import { dayKeyOf } from '../storage/address'
import { backoff } from './backoff'
import { keyOf, operationOf } from './ending'

/** If a day that reserved a slot for a move hears no more for this long, it asks the day that began it. */
const INQUIRY_AFTER_MS = 30 * SECOND_MS

/** A list that is being read waits this long for the days that reserved slots of this one. */
const LIST_WAIT_MS = SECOND_MS

/** The actor of the steps that no caller is waiting for. */
const CLOCK = 'clock'

/** What a move needs of the object it starts from, and how that object calls other days. */
export interface MoveHost {
  name: string | undefined
  day(): Day
  /** Whether the day is damaged. */
  check: Guard['check']
  perform<C extends Command>(operation: Operation, command: C): Answer<ReplyTo<C>>
  others: OtherDays
  /** What is written of an appointment of this day: it moves along. */
  textsOf(appointmentId: string): Texts
  wakeAt(instant: number): void
  /** Lets work continue after the answer. */
  later(work: Promise<unknown>): void
  /** Waits until D1 has what was appended before, but not long. Never throws. */
  copied(): Promise<unknown>
}

/** How moves end on the other day. */
export interface Settling {
  /** Reports how these moves ended: one call per day, and one per appointment whose first day is a third. */
  settleMoves(ids: Iterable<string>, actor?: string): Promise<void>
  /**
   * Releases the slots that earlier tries of these appointments left on the other day, before this try asks
   * for slots there. Leftovers on a third day do not matter here, and that day may be unreachable.
   */
  settleEarlier(appointmentIds: string[], key: string): Promise<void>
  postpone(error: unknown): void
  confirmReservation(moveId: string): void
  confirmCommitted(): Promise<void>
  abortInterrupted(): void
  settle(): Promise<void>
}

/** Ends every move on this day and the other one. `inFlight`: moves that a running request will end. */
export function settling(source: MoveHost, inFlight: ReadonlySet<string>): Settling {
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

  async function settleMoves(ids: Iterable<string>, actor = CLOCK): Promise<void> {
    const ended = [...ids]
      .flatMap((id) => day().moves.get(id) ?? [])
      .filter(({ state }) => state !== 'reserving')
    const byDay = Map.groupBy(ended, ({ to }) => keyOf(to))
    await Promise.all([...byDay].map(([key, moves]) => report(key, moves, actor)))
  }

  async function report(key: string, moves: Move[], actor: string): Promise<void> {
    const steps = moves.map((move) => {
      const command = endOf(move)
      return { operation: operationOf(move.id, command.type, actor), command }
    })
    const answers = await others.performEach(key, steps)
    await Promise.all(
      moves.map(async (move, n) => {
        acknowledged(answers[n])
        await pointHome(move, actor)
        const { clinicId } = move.to
        const settle = { type: 'settle_move', clinicId, moveId: move.id } as const
        perform(operationOf(move.id, settle.type, actor), settle)
      }),
    )
  }

  /** Tells a third day, to which the appointment’s id leads, where the appointment is now. */
  async function pointHome({ id, to, appointmentId }: Move, actor: string): Promise<void> {
    const [own, home, movedTo] = [day().identity, dayKeyOf(appointmentId), day().movedTo.get(appointmentId)]
    if (!own || !home || !movedTo || home === keyOf(own) || home === keyOf(to)) return
    const point = { type: 'point', clinicId: own.clinicId, appointmentId, to: movedTo } as const
    acknowledged(await others.perform(home, operationOf(id, point.type, actor), point))
  }

  async function settleEarlier(appointmentIds: string[], key: string): Promise<void> {
    const ids = new Set(appointmentIds)
    const earlier = [...day().moves.values()].filter(
      (move) => ids.has(move.appointmentId) && keyOf(move.to) === key,
    )
    await settleMoves(earlier.map(({ id }) => id))
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

  /**
   * A move is answered before this day hears that it is committed. So whoever reads a list after that answer
   * finds the appointment there, this day asks first; with nothing reserved, there is nothing to ask.
   */
  async function confirmCommitted(): Promise<void> {
    const { reservations, identity } = day()
    if (!identity || reservations.size === 0) return
    const { clinicId } = identity
    const bySource = Map.groupBy(reservations.values(), ({ from }) => keyOf({ clinicId, ...from }))
    const asking = [...bySource].map(async ([key, reserved]) => {
      const ids = reserved.map(({ id }) => id)
      const committed = await others.see(key, clinicId, { view: 'committed', ids })
      for (const id of committed) confirmReservation(id)
    })
    // A day that cannot be asked is asked again by the alarm.
    await withTimeout(Promise.allSettled(asking), LIST_WAIT_MS).catch(() => undefined)
  }

  async function settle(): Promise<void> {
    const before = failures()
    try {
      if (day().isNewer) return
      abortInterrupted()
      const { moves, reservations } = day()
      await Promise.all([
        settleMoves(moves.keys()).catch(postpone),
        ...[...reservations.values()].map((reservation) => askSource(reservation).catch(postpone)),
      ])
    } catch (error) {
      postpone(error)
    }
    if (failures() === before) reset()
  }

  return {
    settleMoves,
    settleEarlier,
    postpone,
    confirmReservation,
    confirmCommitted,
    abortInterrupted,
    settle,
  }
}

const endOf = ({ id: moveId, to, state }: Move): Command =>
  state === 'committed'
    ? { type: 'confirm_move', clinicId: to.clinicId, moveId }
    : { type: 'release_move', opening: to, moveId }

/** A refusal here is a bug or a damaged log. The move stays open, and the failure is logged. */
function acknowledged(answer: Answer<unknown> | undefined): void {
  if (!answer?.ok) throw new Error(`Refused: ${answer?.refused}`)
}
