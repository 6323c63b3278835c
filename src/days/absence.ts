import type { Ctx } from '../context'
import { decideOn, moveOn, performOn, problemOf, see } from '../doctor-day/client'
import type { Refusal } from '../doctor-day/commands'
import type { Opening } from '../doctor-day/state/day'
import { dayKey, newIdOn } from '../doctor-day/storage/address'
import { opening, selectDoctor } from '../doctors/actions'
import { invalid } from '../http/failure'
import { newId } from '../lib/crypto'
import { notFound } from '../problem'
import { type Absence, type DayPath, type DeclareAbsence, toAbsence, type Why } from './model'

/**
 * The doctor is absent, and each patient struck is moved to the other day, or waits for it where it is full,
 * or has to be called. One after the other, by slot: who comes first finds room first. Each step is an
 * operation of its own, so a retry goes on where the first try ended.
 */
export async function declareAbsence(ctx: Ctx, day: DayPath, wanted: DeclareAbsence): Promise<Absence> {
  const { doctor_id, date } = day
  const { reason, move_to } = wanted
  const toDoctorId = move_to?.doctor_id ?? doctor_id
  if (toDoctorId === doctor_id && move_to?.date === date) throw sameDay()
  const { opId, results } = await ctx.once.transact(() => [
    selectDoctor(ctx, doctor_id),
    selectDoctor(ctx, toDoctorId),
  ])
  const [[doctor], [toDoctor]] = results
  if (!doctor || !toDoctor) throw notFound('Doctor')
  const key = dayKey(ctx.clinic.id, doctor_id, date)
  const standing = await decideOn(ctx, key, opId, {
    type: 'declare_absence',
    opening: opening(ctx, doctor, date),
    id: newId(),
    reason,
  })
  const to = move_to ? opening(ctx, toDoctor, move_to.date) : null
  const whys = new Map<string, Why>()
  for (const { appointmentId, patientId, isCheckedIn } of standing) {
    const struck = { key, opId: `${opId}:${appointmentId}`, appointmentId, patientId, reason }
    if (isCheckedIn) whys.set(appointmentId, 'checked_in')
    else if (to) whys.set(appointmentId, await rehome(ctx, struck, to))
  }
  return toAbsence(day, await see(ctx, key, { view: 'absence' }), whys)
}

interface StruckPatient {
  key: string
  opId: string
  appointmentId: string
  patientId: string
  reason: string
}

/** Moves the appointment, or has its patient wait; else tells why neither could be. */
async function rehome(ctx: Ctx, struck: StruckPatient, to: Opening): Promise<Why> {
  const { key, opId, appointmentId } = struck
  const clinicId = ctx.clinic.id
  const wanted = { type: 'begin_move', clinicId, appointmentId, to, allowAnother: false } as const
  const moved = await moveOn(ctx, key, opId, wanted)
  if (moved.ok) return 'moved'
  if (moved.refused !== 'day_full') return whyOf(moved.refused)
  return waitInstead(ctx, struck, to)
}

/** First a place in the other line, then the appointment is given up: never neither. */
async function waitInstead(ctx: Ctx, struck: StruckPatient, to: Opening): Promise<Why> {
  const { key, opId, appointmentId, patientId, reason } = struck
  const { clinicId, doctorId, date } = to
  const there = dayKey(clinicId, doctorId, date)
  const place = await performOn(ctx, there, `${opId}:wait`, {
    type: 'wait',
    opening: to,
    waitId: newIdOn(there),
    patientId,
  })
  if (!place.ok) return whyOf(place.refused)
  const { id: waitId, isNew } = place.reply
  const waiting = { waitId, doctorId, date }
  const command = { type: 'cancel', clinicId, appointmentId, reason, waiting } as const
  const givenUp = await performOn(ctx, key, `${opId}:give-up`, command)
  if (givenUp.ok) return 'waitlisted'
  if (isNew) await performOn(ctx, there, `${opId}:stop`, { type: 'stop_waiting', clinicId, waitId })
  return whyOf(givenUp.refused)
}

const WHYS: Partial<Record<Refusal, Why>> = {
  already_booked: 'already_booked',
  already_checked_in: 'checked_in',
  already_cancelled: 'cancelled',
  doctor_absent: 'doctor_absent',
  moving: 'moving',
}

/** What is no reason to call a patient is one to try the whole again. */
function whyOf(refused: Refusal): Why {
  const why = WHYS[refused]
  if (!why) throw problemOf({ ok: false, refused })
  return why
}

const sameDay = () =>
  invalid([
    { field: 'move_to', rule: 'another_day', message: 'move_to must be another day, or another doctor' },
  ])
