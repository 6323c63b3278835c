import { and, eq, sql } from 'drizzle-orm'
import { budget } from '../access/budget'
import type { Ctx } from '../context'
import { type DayKey, dayKeyOf, isIssued } from '../doctor-day/storage/address'
import { notFound, Problem } from '../problem'
import { appointments } from './model'

/**
 * Look-ups per second, clinic and isolate for ids that nothing proves and that no appointment has. A client
 * that guesses ids would otherwise cost D1 a read each, which it takes from all clinics.
 */
export const UNSIGNED_LOOKUPS_PER_SECOND = 10

const lookups = budget(UNSIGNED_LOOKUPS_PER_SECOND)

/** The day of an id that a day has made. No object is asked about any other id, and it is not found. */
export function dayOf(ctx: Ctx, id: string, what: string): DayKey {
  const day = dayKeyOf(id)
  if (!day || !isIssued(id, ctx.env.DOCTORDAY_SECRET)) throw notFound(what)
  return day
}

/** An appointment's id that nothing proves, because it is older than signatures are, must be in D1's copy. */
export async function dayOfAppointment(ctx: Ctx, id: string, what = 'Appointment'): Promise<DayKey> {
  const day = dayKeyOf(id)
  if (day && !isIssued(id, ctx.env.DOCTORDAY_SECRET) && (await isCopied(ctx, id))) return day
  return dayOf(ctx, id, what)
}

async function isCopied(ctx: Ctx, id: string): Promise<boolean> {
  if (!lookups.take(ctx.clinic.id))
    throw new Problem('unavailable', 'Too many unknown ids are being looked up; try again', {
      retryAfterSeconds: 1,
    })
  const rows = await ctx.db
    .select({ id: appointments.id })
    .from(appointments)
    .where(and(eq(appointments.id, id), sql`+${appointments.clinicId} = ${ctx.clinic.id}`))
  if (rows.length > 0) lookups.giveBack(ctx.clinic.id)
  return rows.length > 0
}
