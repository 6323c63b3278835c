import { and, asc, eq, gte, type SQL } from 'drizzle-orm'
import type { Ctx } from '../context'
import { appointments } from './model'

/** Appointments that stand although the doctor, or the whole clinic, takes no patients then. */

const STANDING_MAX = 200

type AppointmentRow = typeof appointments.$inferSelect

/** From a date on, those whose visit has not begun, as D1’s copy has them. */
export const selectStanding = (ctx: Ctx, clinicId: string, from: string, condition?: SQL) =>
  ctx.db
    .select()
    .from(appointments)
    .where(
      and(
        eq(appointments.clinicId, clinicId),
        eq(appointments.status, 'booked'),
        gte(appointments.date, from),
        condition,
      ),
    )
    .orderBy(asc(appointments.date), asc(appointments.id))
    .limit(STANDING_MAX + 1)

export const toStanding = (rows: AppointmentRow[]) => ({
  appointments: rows.slice(0, STANDING_MAX).map(({ id, patientId, doctorId, date, slot }) => ({
    appointment_id: id,
    patient_id: patientId,
    doctor_id: doctorId,
    date,
    slot,
  })),
  has_more: rows.length > STANDING_MAX,
})
