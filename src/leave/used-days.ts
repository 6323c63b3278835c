import { sql } from 'drizzle-orm'
import type { Db } from '../lib/db'
import { leaveDays } from './model'

/**
 * The days in use that a retirement or a closing covers: their objects are told. An unused day needs not be
 * told, because each request that would use it asks D1 first.
 */

/** The days that D1 knows to be in use, of one doctor or of all, on the dates of the leave. */
export const insertUsedDays = (db: Db, clinicId: string, leaveId: string) =>
  db
    .insert(leaveDays)
    .select(
      sql`SELECT days.clinic_id, leaves.id, days.date, days.doctor_id, 'pending', 0, NULL, 0, 0, 0, NULL
      FROM leaves
        CROSS JOIN doctors ON doctors.clinic_id = leaves.clinic_id
          AND doctors.id = coalesce(leaves.doctor_id, doctors.id)
        CROSS JOIN days ON days.clinic_id = leaves.clinic_id AND days.doctor_id = doctors.id
          AND days.date BETWEEN leaves.from_date AND coalesce(leaves.to_date, '9999-12-31')
      WHERE leaves.id = ${leaveId} AND leaves.clinic_id = ${clinicId}`,
    )
    .onConflictDoNothing()

/** Whether there are days that the leave did not know yet. */
export async function addUsedDays(db: Db, clinicId: string, leaveId: string): Promise<boolean> {
  const added = await insertUsedDays(db, clinicId, leaveId)
  return added.meta.changes > 0
}
