import { newId } from '../lib/id'
import { logFailure } from '../lib/log'
import { MINUTE_MS, SECOND_MS } from '../lib/time'
import { dayKey, dayKeyOf } from './address'
import type { Command, ReplyTo } from './commands'
import type { Appointment, Day, Place, Reservation } from './day'
import type { Answer, Operation } from './doctor-day'
import type { BeginMove, EndMove, MoveReply } from './move-commands'
import type { RemoteDay } from './reach'

/** A slot kept this long for a move of which nothing more was heard: the other day is asked. */
const INQUIRY_AFTER_MS = 30 * SECOND_MS
const BACKOFF_MAX_MS = 5 * MINUTE_MS

/** Who ends a move when nobody asks for it any more. */
const CLOCK = 'clock'

export type MoveWanted = Omit<BeginMove, 'moveId'>

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
  /** At waking nobody is left who could end what was under way: it is undone. */
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
    // Out of reach is no answer, so it is not remembered: the caller may try again with the same key.
    const ending = outcome ? operation : stepOf(moveId, 'abort', operation.actor)
    const ended = perform(ending, { type: 'end_move', clinicId, moveId, outcome })
    await settleMove(moveId, operation.actor).catch(postpone)
    return told(ended)
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
    await tell(
      keyOf(to),
      stepOf(moveId, 'end', actor),
      move.state === 'committed'
        ? { type: 'confirm_move', clinicId, moveId }
        : { type: 'release_move', opening: to, moveId },
    )
    const [home, movedTo] = [dayKeyOf(appointmentId), day().movedTo.get(appointmentId)]
    if (home && movedTo && home !== keyOf(own) && home !== keyOf(to))
      await tell(home, stepOf(moveId, 'point', actor), {
        type: 'point',
        clinicId,
        appointmentId,
        to: movedTo,
      })
    perform(stepOf(moveId, 'settle', actor), { type: 'settle_move', clinicId, moveId })
  }

  /** A refusal here is a bug or a damaged log: either way the move stays open, and is seen in our log. */
  async function tell(key: string, operation: Operation, command: Command): Promise<void> {
    const answer = await reach(key, (other) => other.perform(operation, command))
    if (!answer.ok) throw new Error(`Refused: ${answer.refused}`)
  }

  async function inquire({ id: moveId, from, appointment }: Reservation): Promise<void> {
    const askAt = appointment.updatedAt + INQUIRY_AFTER_MS
    const { place, timeZone, capacity } = day()
    if (!place || Date.now() < askAt) return wakeAt(askAt)
    const { clinicId } = place
    const state = await reach(keyOf({ clinicId, ...from }), (other) =>
      other.see(clinicId, { view: 'move', id: moveId }),
    )
    if (state === 'reserving') return wakeAt(Date.now() + INQUIRY_AFTER_MS)
    const opening = { ...place, timeZone, capacity }
    perform(
      stepOf(moveId, 'end', CLOCK),
      state === 'committed'
        ? { type: 'confirm_move', clinicId, moveId }
        : { type: 'release_move', opening, moveId },
    )
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
      const started = move(operation, wanted).finally(() => running.delete(operation.id))
      running.set(operation.id, started)
      return started
    },
    arrive(moveId) {
      const { reservations, place } = day()
      if (place && reservations.has(moveId))
        perform(stepOf(moveId, 'end', CLOCK), { type: 'confirm_move', clinicId: place.clinicId, moveId })
    },
    undo() {
      const { moves, place } = day()
      for (const { id, state } of [...moves.values()])
        if (place && state === 'reserving')
          perform(stepOf(id, 'abort', CLOCK), {
            type: 'end_move',
            clinicId: place.clinicId,
            moveId: id,
            outcome: null,
          })
    },
    async settle() {
      const before = failures
      await Promise.all([
        ...[...day().moves.keys()].map((id) => settleMove(id).catch(postpone)),
        ...[...day().reservations.values()].map((reservation) => inquire(reservation).catch(postpone)),
      ])
      if (failures === before) failures = 0
    },
  }
}

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
