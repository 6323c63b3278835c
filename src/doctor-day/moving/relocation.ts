import { newId } from '../../lib/crypto'
import type { Answer, CommandOf, Known, Near, Operation, Replies } from '../commands'
import { refuse } from '../rules/facts'
import type { Opening, Reservation, Visit, Waiting } from '../state/day'
import { aliasesOf, idsOf } from '../state/person'
import { visitOf } from '../state/records'
import { view } from '../state/views'
import { NEW_ID } from '../storage/address'
import { endMove, keyOf, outcomeOf, reserveOf, toAnswer, unreachable } from './ending'
import type { AbsenceWanted, KnownAliases, Relief, Relocated, Step } from './requests'
import type { MoveHost, Settling } from './settling'

type Patient = Replies['declare_absence'][number]

/** `known`: what D1 knows of the day that the patients move to. */
interface Target {
  to: Opening
  reason: string
  known: Known | null
  aliases: KnownAliases
  notOffered: string[]
}

/** An affected appointment. `reserve`: its move is under way. `end`: what became of it so far. */
interface Leaving {
  operation: Operation
  patient: Patient
  reserve: CommandOf<'reserve'> | null
  end: Relocated
}

type Moving = { operation: Operation; reserve: CommandOf<'reserve'> }

/**
 * A doctor is absent: this day moves all its patients at once. It asks the other day for the same time for
 * each of them in one call, and in a second one for the nearest free time for the others: earlier slots find
 * room first. Those who find none join the waitlist in a last call, once the others have moved: a crash
 * before it gives no slot to a patient who waits. Each patient’s move is an operation of its own, so a retry
 * continues where the first try ended.
 */
export function relocation(source: MoveHost, inFlight: Set<string>, settles: Settling) {
  const { day, perform, others, later, copied } = source
  const { settleMoves, settleEarlier, postpone, confirmCommitted } = settles

  async function relocate(operation: Operation, wanted: AbsenceWanted): Promise<Answer<Relief>> {
    // An appointment that has just moved here is affected too.
    await confirmCommitted()
    const { known, aliases = {}, notOffered = [], ...declare } = wanted
    const declared = perform(operation, declare)
    if (!declared.ok) return declared
    const { moveTo: to, reason } = declare
    if (!to) await copied()
    const ends = to
      ? await relocateAll(operation, declared.reply, { to, reason, known, aliases, notOffered })
      : []
    return { ok: true, reply: { absence: view(day(), { view: 'absence' }), ends } }
  }

  async function relocateAll(
    operation: Operation,
    patients: Patient[],
    target: Target,
  ): Promise<Relief['ends']> {
    const begun = patients.map((patient) => begin(operation, patient, target))
    const ended = await waitInstead(await moveAll(begun, target), target)
    return ended.map(({ patient: { appointmentId }, end }) => ({ appointmentId, end }))
  }

  function begin(operation: Operation, patient: Patient, { to, aliases, notOffered }: Target): Leaving {
    const { appointmentId, isCheckedIn, serviceId = '' } = patient
    const own = { ...operation, id: `${operation.id}:${appointmentId}` }
    if (isCheckedIn) return { operation: own, patient, reserve: null, end: 'checked_in' }
    if (notOffered.includes(serviceId))
      return { operation: own, patient, reserve: null, end: 'service_not_offered' }
    const command = {
      type: 'begin_move',
      clinicId: to.clinicId,
      appointmentId,
      moveId: newId(),
      to,
      ...aliasesOf({ alsoKnownAs: aliases[patient.patientId] }),
      allowAnother: false,
    } as const
    const { slot = 1, startsAt = null } = day().appointments.get(appointmentId) ?? {}
    const near: Near = { slot, ...(startsAt !== null && { time: wallClock(startsAt) }) }
    const begun = perform(own, command)
    const reserve = reserveOf(begun, command)
    const beside = affectedWith(patient, aliases)
    return {
      operation: own,
      patient,
      reserve: reserve && { ...reserve, near, ...(beside.length > 0 && { beside }) },
      end: relocated(toAnswer(begun)),
    }
  }

  /** The other visits of the same patient that the absence affects: they move to the same day. */
  const affectedWith = ({ appointmentId, patientId }: Patient, aliases: KnownAliases): string[] => {
    const ids = idsOf({ patientId, ...aliasesOf({ alsoKnownAs: aliases[patientId] }) })
    return [...day().affected].flatMap(([id, other]) =>
      id !== appointmentId && ids.includes(other.patientId) ? [id] : [],
    )
  }

  async function moveAll(begun: Leaving[], target: Target): Promise<Leaving[]> {
    const moving = begun.flatMap(({ operation, reserve }) => (reserve ? [{ operation, reserve }] : []))
    const moveIds = moving.map(({ reserve }) => reserve.moveId)
    for (const moveId of moveIds) inFlight.add(moveId)
    try {
      // The next list of doctors has to show the absence. What the moves change is copied after the answer.
      const [answers] = await Promise.all([reserveAll(moving, target), copied()])
      const ends = new Map(
        moving.map(({ operation, reserve }, n) => {
          const answer = answers?.[n] as Answer<Reservation> | undefined
          return [reserve, relocated(endMove(perform, operation, reserve, answer ? outcomeOf(answer) : null))]
        }),
      )
      return begun.map((one) => ({ ...one, end: (one.reserve && ends.get(one.reserve)) ?? one.end }))
    } finally {
      for (const moveId of moveIds) inFlight.delete(moveId)
      later(settleMoves(moveIds, begun[0]?.operation.actor).catch(postpone))
    }
  }

  /** Null where the other day is out of reach. */
  async function reserveAll(moving: Moving[], target: Target) {
    const ids = moving.map(({ reserve }) => reserve.appointmentId)
    const exact = await settleEarlier(ids, keyOf(target.to))
      .then(() => askEach(moving, target, { isExact: true }))
      .catch(unreachable)
    const isTaken = (n: number) => exact?.[n]?.ok === false && exact[n].refused === 'slot_taken'
    const displaced = moving.filter((_, n) => isTaken(n))
    const nearest = (await askEach(displaced, target).catch(unreachable))?.values()
    return exact?.map((answer, n) => (isTaken(n) ? nearest?.next().value : answer)) ?? null
  }

  /** Each call of a move is an operation of its own: the other day may remember a refusal. */
  function askEach(moving: Moving[], { to, known }: Target, exact: Pick<Near, 'isExact'> = {}) {
    const steps = moving.map(({ operation, reserve: { near, ...reserve } }) => ({
      operation: {
        ...operation,
        id: exact.isExact ? reserve.moveId : `${reserve.moveId}:nearest`,
        isKeyed: true,
        known,
        texts: source.textsOf(reserve.appointmentId),
      },
      command: { ...reserve, ...(near && { near: { ...near, ...exact } }) },
    }))
    return others.performEach(keyOf(to), steps)
  }

  /** Those who found no room join the waitlist there. */
  async function waitInstead(moved: Leaving[], target: Target): Promise<Leaving[]> {
    const { to, known, aliases } = target
    const seeking = moved.filter(({ end }) => end === 'day_full')
    const full = seeking.filter((one, n) => !waitsBeside(one, seeking.slice(0, n), target))
    const steps = full.map(
      ({ operation, patient }): Step => ({
        operation: { ...operation, id: `${operation.id}:wait`, known },
        command: {
          type: 'wait',
          opening: to,
          waitId: NEW_ID,
          patientId: patient.patientId,
          ...aliasesOf({ alsoKnownAs: aliases[patient.patientId] }),
          ...visitOf(patient),
          allowAnother: false,
        },
      }),
    )
    const answers = await others.performEach(keyOf(to), steps).catch(unreachable)
    const ended = new Map(
      full.map((one, n) => [one, giveUp(one, answers?.[n] as Answer<Replies['wait']> | undefined, target)]),
    )
    const vain = [...ended.values()].flatMap(({ stop }) => stop ?? [])
    await others.performEach(keyOf(to), vain)
    const instead = (one: Leaving) => (seeking.includes(one) ? 'already_waiting' : one.end)
    return moved.map((one) => ({ ...one, end: ended.get(one)?.end ?? instead(one) }))
  }

  /** A patient has one place on a waitlist: another visit of the same day gets none beside it. */
  function waitsBeside({ patient }: Leaving, before: Leaving[], { to, aliases }: Target): boolean {
    const visits = affectedWith(patient, aliases)
    const isThere = (id: string) => {
      const waiting = day().affected.get(id)?.waiting
      return waiting?.date === to.date && waiting.doctorId === to.doctorId
    }
    return visits.some((id) => isThere(id) || before.some((other) => other.patient.appointmentId === id))
  }

  /**
   * Joined first, cancelled then: the patient always has one of the two. `stop` withdraws the place where the
   * appointment cannot be cancelled any more.
   */
  function giveUp(
    { operation, patient }: Leaving,
    waits: Answer<Replies['wait']> = refuse('unavailable'),
    { to: { clinicId, doctorId, date }, reason }: Target,
  ): { end: Relocated; stop?: Step } {
    if (!waits.ok) return { end: waits.refused }
    const { id: waitId, isNew } = waits.reply
    // The patient waits there already, for something else.
    if (!isNew && !standsFor(waits.reply, patient)) return { end: 'already_waiting' }
    const { appointmentId } = patient
    const cancelled = perform(
      { ...operation, id: `${operation.id}:give-up` },
      { type: 'cancel', clinicId, appointmentId, reason, waiting: { waitId, doctorId, date } },
    )
    if (cancelled.ok) return { end: 'waitlisted' }
    const stop: Step = {
      operation: { ...operation, id: `${operation.id}:stop` },
      command: { type: 'stop_waiting', clinicId, waitId },
    }
    return { end: cancelled.refused, ...(isNew && { stop }) }
  }

  return relocate
}

/** `2030-01-07T10:30:00-05:00` → `10:30` */
const wallClock = (startsAt: string): string => startsAt.slice(11, 16)

/** Whether a place that the patient had before is one for such a visit, in any slot of this day alone. */
const standsFor = ({ of, wish, span = 1, serviceId }: Waiting, visit: Visit): boolean =>
  !of && wish === undefined && span === (visit.span ?? 1) && serviceId === visit.serviceId

const relocated = (moved: Answer<unknown>): Relocated => (moved.ok ? 'moved' : moved.refused)
