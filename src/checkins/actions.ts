import type { Ctx } from '../context'
import { dayKey, dayKeyOf } from '../doctor-day/address'
import type { Refusal } from '../doctor-day/day'
import { onDay, operation } from '../doctor-day/reach'
import { knownDoctor, today } from '../doctors/actions'
import { patientNames } from '../patients/actions'
import { notFound, Problem } from '../problem'
import { type CheckedIn, type CheckIn, type Queued, toCheckedIn, toQueued } from './model'

/** The day knows its appointments, its date and its time zone: without a key this asks nobody else. */
export async function checkIn(ctx: Ctx, wanted: CheckIn): Promise<CheckedIn> {
  const key = dayKeyOf(wanted.appointment_id)
  if (!key) throw notFound('Appointment')
  const { opId } = await ctx.once.transact(() => [])
  const answer = await onDay(ctx, key, (day) =>
    day.checkIn(operation(ctx, opId), {
      clinicId: ctx.clinic.id,
      appointmentId: wanted.appointment_id,
      patientId: wanted.patient_id,
    }),
  )
  if (!answer.ok) throw refusal(answer.refused)
  return toCheckedIn(answer.reply)
}

function refusal(refused: Refusal): Problem {
  switch (refused) {
    case 'wrong_patient':
      return new Problem(refused, 'This appointment does not belong to the patient')
    case 'already_checked_in':
      return new Problem(refused, 'The patient has already checked in')
    case 'wrong_date':
      return new Problem(refused, 'Check-in is only allowed on appointment date')
    default:
      return notFound('Appointment')
  }
}

/** Without a date: today, at the clinic. The day keeps no names; they are looked up for those who wait. */
export async function listQueue(ctx: Ctx, doctorId: string, date = today(ctx)): Promise<Queued[]> {
  const [queue] = await Promise.all([
    onDay(ctx, dayKey(ctx.clinic.id, doctorId, date), (day) => day.arrivals(ctx.clinic.id)),
    knownDoctor(ctx, doctorId),
  ])
  const names = await patientNames(
    ctx,
    queue.map((checkIn) => checkIn.patientId),
  )
  return queue.map((checkIn) => toQueued(doctorId, date, checkIn, names.get(checkIn.patientId) ?? ''))
}
