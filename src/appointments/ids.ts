import { and, eq, sql } from 'drizzle-orm'
import { budget } from '../access/budget'
import type { Ctx } from '../context'
import { type DayKey, dayKeyOf, isIssued } from '../doctor-day/storage/address'
import { notFound, Problem } from '../problem'
import { appointments } from './model'

/**
 * Unproven ids per second, clinic and isolate that turn out to be of no appointment. A client that guesses
 * ids would otherwise cost D1 a read each, which it takes from all clinics.
 */
export const UNKNOWN_IDS_PER_SECOND = 5

/** Look-ups under way, of a clinic in an isolate: a screen of old appointments needs many at once. */
export const ID_LOOKUPS_AT_ONCE = 50

const unknown = budget(UNKNOWN_IDS_PER_SECOND)
const underWay = budget(ID_LOOKUPS_AT_ONCE)

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

/**
 * Look-ups that are under way may all find nothing, so a second can have as many more unknown ids as that.
 */
async function isCopied(ctx: Ctx, id: string): Promise<boolean> {
  if (!unknown.hasLeft(ctx.clinic.id) || !underWay.take(ctx.clinic.id))
    throw new Problem('unavailable', 'Too many unknown ids are being looked up; try again', {
      retryAfterSeconds: 1,
    })
  const rows = await ctx.db
    .select({ id: appointments.id })
    .from(appointments)
    .where(and(eq(appointments.id, id), sql`+${appointments.clinicId} = ${ctx.clinic.id}`))
  underWay.giveBack(ctx.clinic.id)
  if (rows.length === 0) unknown.take(ctx.clinic.id)
  return rows.length > 0
}
