import type { Ctx } from '../context'
import { decideOn, moveOn, performOn, see } from '../doctor-day/client'
import type { Refusal } from '../doctor-day/commands'
import { problemOf } from '../doctor-day/refusals'
import type { Opening } from '../doctor-day/state/day'
import { dayKey, NEW_ID } from '../doctor-day/storage/address'
import { selectDoctor, selectKnown } from '../doctors/actions'
import { opening } from '../doctors/terms'
import { invalid } from '../http/failure'
import { newId } from '../lib/crypto'
import { notFound } from '../problem'
import { type Absence, type DayPath, type DeclareAbsence, type MoveOutcome, toAbsence } from './model'

/**
 * Declares the doctor absent. Each affected patient is moved to the other day, or joins its waitlist where it
 * is full, or has to be called: one after the other by slot, so that earlier slots find room first. Each step
 * is its own operation, so a retry continues where the first try ended.
 */
export async function declareAbsence(ctx: Ctx, day: DayPath, wanted: DeclareAbsence): Promise<Absence> {
  const { doctor_id, date } = day
  const { reason, move_to } = wanted
  const toDoctorId = move_to?.doctor_id ?? doctor_id
  if (toDoctorId === doctor_id && move_to?.date === date) throw sameDay()
  const finding = [selectDoctor(ctx, doctor_id), selectDoctor(ctx, toDoctorId)] as const
  const { opId, results } = await ctx.once.transact(
    () => [...finding, selectKnown(ctx, doctor_id, date)],
    finding,
  )
  const [[doctor], [toDoctor], [known = null]] = results
  if (!doctor || !toDoctor) throw notFound('Doctor')
  const key = dayKey(ctx.clinic.id, doctor_id, date)
  const to = move_to ? opening(ctx, toDoctor, move_to.date) : null
  const command = {
    type: 'declare_absence',
    opening: opening(ctx, doctor, date),
    id: newId(),
    reason,
    moveTo: to,
  } as const
  const outstanding = await decideOn(ctx, key, opId, command, known)
  const outcomes = new Map<string, MoveOutcome>()
  for (const { appointmentId, patientId, isCheckedIn } of outstanding) {
    const affected = { key, opId: `${opId}:${appointmentId}`, appointmentId, patientId, reason }
    if (isCheckedIn) outcomes.set(appointmentId, 'checked_in')
    else if (to) outcomes.set(appointmentId, await moveOrWaitlist(ctx, affected, to))
  }
  const { seen } = await see(ctx, key, { view: 'absence' })
  return toAbsence(day, seen, outcomes)
}

interface AffectedPatient {
  key: string
  opId: string
  appointmentId: string
  patientId: string
  reason: string
}

/** Moves the appointment, or puts its patient on the waitlist; otherwise returns why neither was possible. */
async function moveOrWaitlist(ctx: Ctx, affected: AffectedPatient, to: Opening): Promise<MoveOutcome> {
  const { key, opId, appointmentId } = affected
  const clinicId = ctx.clinic.id
  const wanted = { type: 'begin_move', clinicId, appointmentId, to, allowAnother: false } as const
  const moved = await moveOn(ctx, key, opId, wanted)
  if (moved.ok) return 'moved'
  if (moved.refused !== 'day_full') return outcomeOf(moved.refused)
  return waitInstead(ctx, affected, to)
}

/** Joins the other waitlist first, then cancels the appointment: the patient always has one of the two. */
async function waitInstead(ctx: Ctx, affected: AffectedPatient, to: Opening): Promise<MoveOutcome> {
  const { key, opId, appointmentId, patientId, reason } = affected
  const { clinicId, doctorId, date } = to
  const toKey = dayKey(clinicId, doctorId, date)
  const joined = await performOn(ctx, toKey, `${opId}:wait`, {
    type: 'wait',
    opening: to,
    waitId: NEW_ID,
    patientId,
    allowAnother: false,
  })
  if (!joined.ok) return outcomeOf(joined.refused)
  const { id: waitId, isNew } = joined.reply
  const waiting = { waitId, doctorId, date }
  const command = { type: 'cancel', clinicId, appointmentId, reason, waiting } as const
  const cancelled = await performOn(ctx, key, `${opId}:give-up`, command)
  if (cancelled.ok) return 'waitlisted'
  if (isNew) await performOn(ctx, toKey, `${opId}:stop`, { type: 'stop_waiting', clinicId, waitId })
  return outcomeOf(cancelled.refused)
}

const OUTCOMES: Partial<Record<Refusal, MoveOutcome>> = {
  already_booked: 'already_booked',
  already_checked_in: 'checked_in',
  already_cancelled: 'cancelled',
  doctor_absent: 'doctor_absent',
  date_past: 'date_past',
  day_over: 'day_over',
  moving: 'moving',
  waitlist_full: 'waitlist_full',
  day_log_full: 'limit_reached',
  key_log_full: 'limit_reached',
}

/** A refusal that is no reason to call the patient fails the request, so that the caller retries. */
function outcomeOf(refused: Refusal): MoveOutcome {
  const outcome = OUTCOMES[refused]
  if (!outcome) throw problemOf({ ok: false, refused })
  return outcome
}

const sameDay = () =>
  invalid([
    { field: 'move_to', rule: 'another_day', message: 'move_to must name another day or another doctor' },
  ])
