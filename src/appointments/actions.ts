import { and, asc, eq, gte, lte, sql } from 'drizzle-orm'
import type { Ctx } from '../context'
import { dayKey, dayKeyOf } from '../doctor-day/address'
import type { Refusal } from '../doctor-day/day'
import { appointments } from '../doctor-day/model'
import { onDay, operation } from '../doctor-day/reach'
import { knownDoctor, opening, selectDoctor, today } from '../doctors/actions'
import { cutPage, type Page } from '../lib/page'
import { selectPatient } from '../patients/actions'
import { notFound, Problem } from '../problem'
import { type Appointment, type BookAppointment, type ListAppointments, toAppointment } from './model'

/** One D1 round trip finds who is meant and claims the key; then the day alone decides. */
export async function book(ctx: Ctx, wanted: BookAppointment): Promise<Appointment> {
  const { patient, doctor, opId } = await introduce(ctx, wanted)
  const answer = await onDay(ctx, dayKey(ctx.clinic.id, doctor.id, wanted.date), (day) =>
    day.book(operation(ctx, opId), {
      opening: opening(ctx, doctor, wanted.date),
      patientId: patient.id,
      allowAnother: wanted.allow_another,
    }),
  )
  if (!answer.ok) throw refusal(answer.refused, doctor.code, wanted.date)
  return toAppointment(answer.reply)
}

async function introduce(ctx: Ctx, wanted: BookAppointment) {
  const { opId, results } = await ctx.once.transact(() => [
    selectPatient(ctx, wanted.patient_id),
    selectDoctor(ctx, wanted.doctor_id),
  ])
  const [[patient], [doctor]] = results
  if (!patient) throw notFound('Patient')
  if (!doctor) throw notFound('Doctor')
  return { patient, doctor, opId }
}

function refusal(refused: Refusal, code: string, date: string): Problem {
  switch (refused) {
    case 'doctor_absent':
      return new Problem(refused, `Dr ${code} is not available on ${date}`)
    case 'day_full':
      return new Problem(refused, `Dr ${code} has no available slots on ${date}`)
    case 'already_booked':
      return new Problem(
        refused,
        `The patient is booked with Dr ${code} on ${date}; for a second visit send allow_another: true`,
      )
    default:
      return notFound('Appointment')
  }
}

/** The id is the day's address: no look-up stands before the day. */
export async function getAppointment(ctx: Ctx, id: string): Promise<Appointment> {
  const key = dayKeyOf(id)
  const appointment = key && (await onDay(ctx, key, (day) => day.appointment(ctx.clinic.id, id)))
  if (!appointment) throw notFound('Appointment')
  return toAppointment(appointment)
}

/** Without a date: today, at the clinic. */
export async function listDay(ctx: Ctx, doctorId: string, date = today(ctx)): Promise<Appointment[]> {
  const [listed] = await Promise.all([
    onDay(ctx, dayKey(ctx.clinic.id, doctorId, date), (day) => day.appointments(ctx.clinic.id)),
    knownDoctor(ctx, doctorId),
  ])
  return listed.map(toAppointment)
}

/**
 * Across days, by date: read from D1's copy, which follows the days within a second in ordinary times. An id
 * begins with its day, so the appointments of one doctor's day stand together; and it never changes, so a
 * page neither repeats nor skips one that moves to another slot meanwhile.
 */
export async function listAppointments(ctx: Ctx, wanted: ListAppointments): Promise<Page<Appointment>> {
  const { patient_id, doctor_id, from, to, status, cursor } = wanted
  const { clinicId, patientId, doctorId, date, id } = appointments
  const rows = await ctx.db
    .select()
    .from(appointments)
    .where(
      and(
        eq(clinicId, ctx.clinic.id),
        patient_id === undefined ? undefined : eq(patientId, patient_id),
        doctor_id === undefined ? undefined : eq(doctorId, doctor_id),
        from === undefined ? undefined : gte(date, from),
        to === undefined ? undefined : lte(date, to),
        status === undefined ? undefined : eq(appointments.status, status),
        cursor && sql`(${date}, ${id}) > (${cursor[0]}, ${cursor[1]})`,
      ),
    )
    .orderBy(asc(date), asc(id))
    .limit(wanted.limit + 1)
  return cutPage(rows.map(toAppointment), wanted.limit, (row) => [row.date, row.id])
}
