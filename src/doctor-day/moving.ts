import { newId } from '../lib/id'
import { logFailure } from '../lib/log'
import { MINUTE_MS, SECOND_MS } from '../lib/time'
import { dayKey, dayKeyOf } from './address'
import type { Command, ReplyTo } from './commands'
import type { Appointment, Day, Opening, Place, Reservation } from './day'
import { isPassing } from './facts'
import type { ConfirmMove, EndMove, MoveReply, MoveWanted, ReleaseMove } from './move-commands'
import type { Answer, Operation } from './operation'
import type { RemoteDay } from './reach'

/** A slot kept this long for a move of which nothing more was heard: the other day is asked. */
const INQUIRY_AFTER_MS = 30 * SECOND_MS
const BACKOFF_MAX_MS = 5 * MINUTE_MS

/** Who ends a move when nobody asks for it any more. */
const CLOCK = 'clock'

/** What a move needs of the object it starts from, and how to reach the others. */
export interface Source {
  day(): Day
  perform<C extends Command>(operation: Operation, command: C): Answer<ReplyTo<C>>
  reach<Reply>(key: string, call: (day: RemoteDay) => Promise<Reply>): Promise<Reply>
  wakeAt(instant: number): void
}

/** Takes an appointment to another day, whatever fails in between. move-rules.ts says what counts. */
export interface Moving {
  move(operation: Operation, wanted: MoveWanted): Promise<Answer<Appointment>>
  /** Whoever comes with a move’s id was sent here by the day that ended it. */
  arrive(moveId: string): void
  /** Ends what a crash has interrupted. */
  undo(): void
  /** Tells the other days how moves ended, and asks them about those that were to come here. Never throws. */
  settle(): Promise<void>
}

export function moving({ day, perform, reach, wakeAt }: Source): Moving {
  const running = new Map<string, Promise<Answer<Appointment>>>()
  let failures = 0

  async function move(operation: Operation, wanted: MoveWanted): Promise<Answer<Appointment>> {
    // Each try is a move of its own: what is left of one that was undone cannot touch the next.
    const command = { ...wanted, moveId: newId() }
    const begun = perform(operation, command)
    if (!begun.ok || begun.reply.state !== 'under_way') return told(begun)
    const { from, traveller } = begun.reply
    const { clinicId, moveId, to, allowAnother } = command
    const reserve = (other: RemoteDay) =>
      other.perform(
        { ...operation, id: moveId, isKeyed: true },
        { type: 'reserve', opening: to, moveId, from, allowAnother, ...traveller },
      )
    const outcome = await settleEarlier(command)
      .then(() => reach(keyOf(to), reserve))
      .then(outcomeOf, outOfReach)
    // What will pass is no answer to remember: the caller may try again with the same key.
    const isLastWord = outcome && (outcome.ok || !isPassing(outcome.refused))
    const ending = isLastWord ? operation : stepOf(moveId, 'end_move', operation.actor)
    const ended = perform(ending, { type: 'end_move', clinicId, moveId, outcome })
    await settleMove(moveId, operation.actor).catch(postpone)
    return told(ended)
  }

  /** What is under way with nobody left to end it: this object, or its storage, failed in between. */
  function undo(): void {
    const { moves, place } = day()
    if (!place || running.size > 0) return
    const { clinicId } = place
    for (const { id: moveId, state } of [...moves.values()])
      if (state === 'reserving')
        perform(stepOf(moveId, 'end_move', CLOCK), { type: 'end_move', clinicId, moveId, outcome: null })
  }

  /** What an earlier try of this appointment left on another day is given back before it asks for more. */
  const settleEarlier = ({ appointmentId }: MoveWanted) =>
    Promise.all(
      [...day().moves.values()].map(
        async (move) => move.appointmentId === appointmentId && settleMove(move.id),
      ),
    )

  async function settleMove(moveId: string, actor = CLOCK): Promise<void> {
    const [move, own] = [day().moves.get(moveId), day().place]
    if (!move || !own || move.state === 'reserving') return
    const { to, appointmentId } = move
    const { clinicId } = own
    const isCommitted = move.state === 'committed'
    await tell(keyOf(to), moveId, actor, isCommitted ? confirmOf(clinicId, moveId) : releaseOf(to, moveId))
    const [home, movedTo] = [dayKeyOf(appointmentId), day().movedTo.get(appointmentId)]
    if (home && movedTo && home !== keyOf(own) && home !== keyOf(to))
      await tell(home, moveId, actor, { type: 'point', clinicId, appointmentId, to: movedTo })
    perform(stepOf(moveId, 'settle_move', actor), { type: 'settle_move', clinicId, moveId })
  }

  /** A refusal here is a bug or a damaged log: either way the move stays open, and is seen in our log. */
  async function tell(key: string, moveId: string, actor: string, command: Command): Promise<void> {
    const answer = await reach(key, (other) => other.perform(stepOf(moveId, command.type, actor), command))
    if (!answer.ok) throw new Error(`Refused: ${answer.refused}`)
  }

  async function inquire({ id: moveId, from, appointment }: Reservation): Promise<void> {
    const askAt = appointment.updatedAt + INQUIRY_AFTER_MS
    const { place, timeZone, capacity, hours } = day()
    if (!place || Date.now() < askAt) return wakeAt(askAt)
    const { clinicId } = place
    const state = await reach(keyOf({ clinicId, ...from }), (other) =>
      other.see(clinicId, { view: 'move', id: moveId }),
    )
    if (state === 'reserving') return wakeAt(Date.now() + INQUIRY_AFTER_MS)
    if (state === 'committed') arrive(moveId)
    else
      perform(
        stepOf(moveId, 'release_move', CLOCK),
        releaseOf({ ...place, timeZone, capacity, ...(hours && { hours }) }, moveId),
      )
  }

  function arrive(moveId: string): void {
    const { reservations, place } = day()
    if (place && reservations.has(moveId))
      perform(stepOf(moveId, 'confirm_move', CLOCK), confirmOf(place.clinicId, moveId))
  }

  function postpone(error: unknown): void {
    failures += 1
    logFailure('move_unsettled', error, { failures })
    wakeAt(Date.now() + Math.min(SECOND_MS * 2 ** failures, BACKOFF_MAX_MS))
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
    async settle() {
      const before = failures
      await Promise.resolve().then(undo).catch(postpone)
      await Promise.all([
        ...[...day().moves.keys()].map((id) => settleMove(id).catch(postpone)),
        ...[...day().reservations.values()].map((reservation) => inquire(reservation).catch(postpone)),
      ])
      if (failures === before) failures = 0
    },
  }
}

const confirmOf = (clinicId: string, moveId: string): ConfirmMove => ({
  type: 'confirm_move',
  clinicId,
  moveId,
})

const releaseOf = (opening: Opening, moveId: string): ReleaseMove => ({
  type: 'release_move',
  opening,
  moveId,
})

const keyOf = ({ clinicId, doctorId, date }: Place) => dayKey(clinicId, doctorId, date)

/** Each step of a move may come twice, and has one effect: its id says which it is. */
const stepOf = (moveId: string, step: string, actor: string): Operation => ({
  id: `${moveId}:${step}`,
  actor,
  isKeyed: false,
})

const outcomeOf = (answer: Answer<Reservation>): EndMove['outcome'] =>
  answer.ok ? { ok: true, appointment: answer.reply.appointment } : { ok: false, refused: answer.refused }

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
