import { newId } from '../../lib/crypto'
import type { Answer, Command, CommandOf, Known, Operation, Replies, ReplyTo } from '../commands'
import type { Opening, Reservation } from '../state/day'
import { view } from '../state/views'
import { NEW_ID } from '../storage/address'
import { endMove, keyOf, outcomeOf, reserveOf, toAnswer, unreachable } from './ending'
import type { AbsenceWanted, Relief, Relocated, Step } from './requests'
import type { MoveHost, Settling } from './settling'

type Patient = Replies['declare_absence'][number]
type Reply = Answer<ReplyTo<Command>>

/** `known`: what D1 knows of the day that the patients move to. */
interface Target {
  to: Opening
  reason: string
  known: Known | null
}

/** An affected appointment. `reserve`: its move is under way. `end`: null until the other day answers. */
interface Leaving {
  operation: Operation
  patient: Patient
  reserve: CommandOf<'reserve'> | null
  end: Relocated | null
}

/** `vain`: the patient’s new place on the waitlist, which the patient cannot take. */
interface Ended {
  end: Relocated
  vain?: Step
}

/**
 * A doctor is absent: this day moves all its patients at once. It asks the other day in one call, in which
 * earlier slots find room first, and those who find none join the waitlist. Each patient’s move is an
 * operation of its own, so a retry continues where the first try ended.
 */
export function relocation(source: MoveHost, inFlight: Set<string>, settles: Settling) {
  const { day, perform, others, later, copied } = source
  const { settleMoves, settleEarlier, postpone, confirmCommitted } = settles

  async function relocate(operation: Operation, wanted: AbsenceWanted): Promise<Answer<Relief>> {
    // An appointment that has just moved here is affected too.
    await confirmCommitted()
    const { known, ...declare } = wanted
    const declared = perform(operation, declare)
    if (!declared.ok) return declared
    const { moveTo: to, reason } = declare
    const ends = to ? await moveAll(operation, declared.reply, { to, reason, known }) : []
    if (!to) await copied()
    return { ok: true, reply: { absence: view(day(), { view: 'absence' }), ends } }
  }

  async function moveAll(operation: Operation, patients: Patient[], target: Target): Promise<Relief['ends']> {
    const leaving = patients.map((patient) => begin(operation, patient, target.to))
    const begun = leaving.flatMap(({ reserve }) => reserve?.moveId ?? [])
    for (const moveId of begun) inFlight.add(moveId)
    try {
      const asking = leaving.filter(({ end }) => end === null || end === 'day_full')
      // The next list of doctors has to show the absence. What the moves change is copied after the answer.
      const [answers] = await Promise.all([ask(asking, target), copied()])
      const ended = new Map(asking.map((one, n) => [one, endOf(one, answers[n] ?? [], target)]))
      const vain = [...ended.values()].flatMap(({ vain }) => (vain ? [[vain]] : []))
      if (vain.length > 0) await others.performEach(keyOf(target.to), vain)
      return leaving.map((one) => ({
        appointmentId: one.patient.appointmentId,
        end: ended.get(one)?.end ?? one.end ?? 'unavailable',
      }))
    } finally {
      for (const moveId of begun) inFlight.delete(moveId)
      later(settleMoves(begun, operation.actor).catch(postpone))
    }
  }

  function begin(operation: Operation, patient: Patient, to: Opening): Leaving {
    const { appointmentId, isCheckedIn } = patient
    const own = { ...operation, id: `${operation.id}:${appointmentId}` }
    if (isCheckedIn) return { operation: own, patient, reserve: null, end: 'checked_in' }
    const command = {
      type: 'begin_move',
      clinicId: to.clinicId,
      appointmentId,
      moveId: newId(),
      to,
      allowAnother: false,
    } as const
    const begun = perform(own, command)
    const reserve = reserveOf(begun, command)
    return { operation: own, patient, reserve, end: reserve ? null : relocated(toAnswer(begun)) }
  }

  /** For each appointment, the answer to each step that was tried; nothing where the day is out of reach. */
  async function ask(asking: Leaving[], { to, known }: Target): Promise<Reply[][]> {
    if (asking.length === 0) return []
    const attempts = asking.map(({ operation, patient: { patientId }, reserve }): Step[] => [
      ...(reserve
        ? [{ operation: { ...operation, id: reserve.moveId, isKeyed: true, known }, command: reserve }]
        : []),
      {
        operation: { ...operation, id: `${operation.id}:wait`, known },
        command: { type: 'wait', opening: to, waitId: NEW_ID, patientId, allowAnother: false },
      },
    ])
    const ids = asking.map(({ patient }) => patient.appointmentId)
    const answers = await settleEarlier(ids, keyOf(to))
      .then(() => others.performEach(keyOf(to), attempts))
      .catch(unreachable)
    return answers ?? []
  }

  function endOf(one: Leaving, answers: Reply[], target: Target): Ended {
    const [reserved, waits = reserved] = answers
    if (one.reserve) {
      const outcome = reserved ? outcomeOf(reserved as Answer<Reservation>) : null
      const end = relocated(endMove(perform, one.operation, one.reserve, outcome))
      if (end !== 'day_full') return { end }
    }
    return waits ? giveUp(one, waits as Answer<Replies['wait']>, target) : { end: 'unavailable' }
  }

  /** The patient waits for the other day by now, and then gives up this one: so has one of the two always. */
  function giveUp(
    { operation, patient: { appointmentId } }: Leaving,
    waits: Answer<Replies['wait']>,
    { to: { clinicId, doctorId, date }, reason }: Target,
  ): Ended {
    if (!waits.ok) return { end: waits.refused }
    const { id: waitId, isNew } = waits.reply
    const cancelled = perform(
      { ...operation, id: `${operation.id}:give-up` },
      { type: 'cancel', clinicId, appointmentId, reason, waiting: { waitId, doctorId, date } },
    )
    if (cancelled.ok) return { end: 'waitlisted' }
    const stop = {
      operation: { ...operation, id: `${operation.id}:stop` },
      command: { type: 'stop_waiting', clinicId, waitId },
    } as const
    return { end: cancelled.refused, ...(isNew && { vain: stop }) }
  }

  return relocate
}

const relocated = (moved: Answer<unknown>): Relocated => (moved.ok ? 'moved' : moved.refused)
