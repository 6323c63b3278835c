import type { Ctx } from '../context'
import { declareOn, operation } from '../doctor-day/client'
import type { Relief, Relocated } from '../doctor-day/moving/requests'
import { problemOf } from '../doctor-day/refusals'
import type { Refusal } from '../doctor-day/refused'
import { dayKey } from '../doctor-day/storage/address'
import { selectDoctor, selectKnown } from '../doctors/actions'
import { opening } from '../doctors/terms'
import { invalid } from '../http/failure'
import { newId } from '../lib/crypto'
import { aliasesIn, selectAliases } from '../merges/person'
import { notFound } from '../problem'
import { selectNotOffered } from '../visit-kinds/actions'
import { type Absence, type DeclareAbsence, type MoveOutcome, toAbsence } from './affected'
import type { DayPath } from './model'

/**
 * Declares the doctor absent. Each affected patient is moved to the other day, to the same time or else the
 * nearest free one, or joins its waitlist where it is full, or has to be called. The day does all of it in
 * one call: moving/relocation.ts.
 */
export async function declareAbsence(ctx: Ctx, day: DayPath, wanted: DeclareAbsence): Promise<Absence> {
  const { doctor_id, date } = day
  const { reason, move_to } = wanted
  const { doctor_id: toDoctorId = doctor_id, date: toDate = date } = move_to ?? {}
  if (move_to && toDoctorId === doctor_id && toDate === date) throw sameDay()
  const finding = [selectDoctor(ctx, doctor_id, date), selectDoctor(ctx, toDoctorId, toDate)] as const
  const { opId, results } = await ctx.once.transact(
    () => [
      ...finding,
      selectKnown(ctx, doctor_id, date),
      selectKnown(ctx, toDoctorId, toDate),
      selectAliases(ctx, doctor_id, date),
      selectNotOffered(ctx, toDoctorId),
    ],
    finding,
  )
  const [[doctor], [toDoctor], [known = null], [toKnown = null], aliases, services] = results
  if (!doctor || !toDoctor) throw notFound('Doctor')
  const absent = operation(ctx, opId, null, known)
  const relief = await declareOn(ctx.env, dayKey(ctx.clinic.id, doctor_id, date), absent, {
    type: 'declare_absence',
    opening: opening(ctx, doctor, date),
    id: newId(),
    reason,
    moveTo: move_to ? opening(ctx, toDoctor, toDate) : null,
    known: toKnown,
    aliases: aliasesIn(aliases),
    notOffered: services.map(({ id }) => id),
  })
  return toldAbsence(day, relief)
}

/** Throws where an appointment could not be moved now: the same operation again continues there. */
export function toldAbsence(day: DayPath, { absence, ends }: Relief): Absence {
  const outcomes = ends.map(({ appointmentId, end }) => [appointmentId, outcomeOf(end)] as const)
  return toAbsence(day, absence, new Map(outcomes))
}

const OUTCOMES: Partial<Record<Relocated, MoveOutcome>> = {
  moved: 'moved',
  waitlisted: 'waitlisted',
  checked_in: 'checked_in',
  already_booked: 'already_booked',
  already_waiting: 'already_waiting',
  service_not_offered: 'service_not_offered',
  already_checked_in: 'checked_in',
  already_cancelled: 'cancelled',
  doctor_absent: 'doctor_absent',
  doctor_retired: 'doctor_retired',
  on_leave: 'on_leave',
  clinic_closed: 'clinic_closed',
  date_over: 'date_over',
  day_over: 'day_over',
  moving: 'moving',
  waitlist_full: 'waitlist_full',
  day_log_full: 'limit_reached',
  key_log_full: 'limit_reached',
}

/** A refusal that is no reason to call the patient fails the request, so that the caller retries. */
function outcomeOf(end: Relocated): MoveOutcome {
  const outcome = OUTCOMES[end]
  if (!outcome) throw problemOf({ ok: false, refused: end as Refusal })
  return outcome
}

const sameDay = () =>
  invalid([
    { field: 'move_to', rule: 'another_day', message: 'move_to must name another day or another doctor' },
  ])
