import { and, eq, inArray, isNotNull, sql } from 'drizzle-orm'
import { today } from '../access/actions'
import { appointments } from '../appointments/model'
import { selectStanding, toStanding } from '../appointments/standing'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { firstOrNotFound, selectDoctor } from '../doctors/actions'
import { type Doctor, doctors, toDoctor } from '../doctors/model'
import { newId } from '../lib/crypto'
import { leaves, type RetiredDoctor } from './model'
import { endDays, watch } from './records'
import { insertUsedDays } from './used-days'

/** A doctor retires: a leave without an end, of which the days in use are told. Unused days ask D1. */

/**
 * From the answer on, no request that names the doctor gives a slot. Days in use are told by the job: until
 * then a hold or an offer of such a day can still be booked.
 */
export async function retireDoctor(ctx: Ctx, id: string): Promise<RetiredDoctor> {
  const leaveId = newId()
  const found = selectDoctor(ctx, id)
  const from = today(ctx)
  firstOrNotFound(await found)
  await watch(ctx, leaveId)
  const { results } = await ctx.once.transact(
    (op) => [
      ctx.db
        .insert(leaves)
        .select(
          sql`SELECT ${leaveId}, clinic_id, id, 'retirement', ${from}, NULL, 'Retired', NULL, 'running',
            ${ctx.actor.keyId}, ${ctx.now}, ${op} FROM doctors
          WHERE clinic_id = ${ctx.clinic.id} AND id = ${id} AND retired_at IS NULL`,
        )
        .onConflictDoNothing(),
      insertUsedDays(ctx.db, ctx.clinic.id, leaveId),
      ctx.db
        .update(doctors)
        .set({ retiredAt: ctx.now })
        .where(
          and(
            eq(doctors.clinicId, ctx.clinic.id),
            eq(doctors.id, id),
            sql`EXISTS (SELECT 1 FROM leaves WHERE id = ${leaveId})`,
          ),
        ),
      audited(ctx, 'doctor.retired', id),
      found,
      selectStanding(ctx, ctx.clinic.id, from, eq(appointments.doctorId, id)),
    ],
    [found],
  )
  const [, , , , retired, standing] = results
  await watch(ctx, leaveId, true)
  return { ...toDoctor(firstOrNotFound(retired)), ...toStanding(standing) }
}

/** The days that were told are opened again, unless their availability was changed since. */
export async function reinstateDoctor(ctx: Ctx, id: string): Promise<Doctor> {
  const found = selectDoctor(ctx, id)
  const isRetirement = and(
    eq(leaves.clinicId, ctx.clinic.id),
    eq(leaves.doctorId, id),
    eq(leaves.kind, 'retirement'),
    inArray(leaves.status, ['running', 'completed']),
  )
  const [doctor, [retirement]] = await ctx.db.batch([
    found,
    ctx.db.select({ id: leaves.id }).from(leaves).where(isRetirement).limit(1),
  ])
  firstOrNotFound(doctor)
  if (retirement) await watch(ctx, retirement.id)
  const leaveId = retirement?.id ?? ''
  const { results } = await ctx.once.transact(
    (op) => {
      const isFirst = sql`${op} = ${ctx.once.opId}`
      return [
        endDays(ctx, leaveId, isFirst),
        ctx.db
          .update(leaves)
          .set({ status: 'cancelling' })
          .where(and(isRetirement, eq(leaves.id, leaveId), isFirst)),
        ctx.db
          .update(doctors)
          .set({ retiredAt: null })
          .where(
            and(
              eq(doctors.clinicId, ctx.clinic.id),
              eq(doctors.id, id),
              isNotNull(doctors.retiredAt),
              sql`EXISTS (SELECT 1 FROM leaves WHERE id = ${leaveId} AND clinic_id = ${ctx.clinic.id}
                AND status = 'cancelling')`,
              // The doctor may have retired again since: that retirement has closed the days.
              sql`NOT EXISTS (SELECT 1 FROM leaves WHERE ${isRetirement})`,
              isFirst,
            ),
          ),
        audited(ctx, 'doctor.reinstated', id),
        found,
      ]
    },
    [found],
  )
  if (retirement) await watch(ctx, retirement.id, true)
  return toDoctor(firstOrNotFound(results[4]))
}
