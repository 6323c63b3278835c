import { and, eq, sql } from 'drizzle-orm'
import { budget } from '../access/budget'
import type { Ctx } from '../context'
import { NO_RECORD } from '../doctor-day/refusals'
import { type DayKey, dayKeyOf, isIssued } from '../doctor-day/storage/address'
import { SECOND_MS } from '../lib/time'
import { Problem } from '../problem'
import { appointments } from './model'

/**
 * Unproven ids per second, clinic and isolate that turn out to be of no appointment. A client that guesses
 * ids would otherwise cost D1 a read each, which it takes from all clinics.
 */
export const UNKNOWN_IDS_PER_SECOND = 5

/** Look-ups under way, of a clinic in an isolate: a screen of old appointments needs many at once. */
export const ID_LOOKUPS_AT_ONCE = 50

/** A clinic whose look-ups were refused counts as guessing ids for as long as this. */
const GUESSING_MS = 10 * SECOND_MS

const unknown = budget(UNKNOWN_IDS_PER_SECOND)
const underWay = budget(ID_LOOKUPS_AT_ONCE)
/** By clinic: until when it counts as guessing. */
const guessing = new Map<string, number>()

/** An id that no day has made and an id of another clinic get the same answer. */
export const noRecord = (): Problem => new Problem('not_found', NO_RECORD)

/** The day of an id that a day has made. No object is asked about any other id, and it is not found. */
export function dayOf(ctx: Ctx, id: string): DayKey {
  const day = dayKeyOf(id)
  if (!day || !isIssued(id, ctx.env.DOCTORDAY_SECRET)) throw noRecord()
  return day
}

/** An appointment's id that nothing proves, because it is older than signatures are, must be in D1's copy. */
export async function dayOfAppointment(ctx: Ctx, id: string): Promise<DayKey> {
  const day = dayKeyOf(id)
  if (day && (isIssued(id, ctx.env.DOCTORDAY_SECRET) || (await isCopied(ctx, id)))) return day
  throw noRecord()
}

/**
 * A look-up that is under way may find nothing. While ids are being guessed it counts as unknown until it is
 * found; at other times it does not, and a second can have as many more unknown ids as are under way.
 */
async function isCopied(ctx: Ctx, id: string): Promise<boolean> {
  const [clinicId, now] = [ctx.clinic.id, Date.now()]
  const isGuessing = now < (guessing.get(clinicId) ?? 0)
  if (!unknown.hasLeft(clinicId) || !underWay.take(clinicId)) {
    guessing.set(clinicId, now + GUESSING_MS)
    throw new Problem('unavailable', 'Too many unknown ids are being looked up; try again', {
      retryAfterSeconds: 1,
    })
  }
  if (isGuessing) unknown.take(clinicId)
  const rows = await ctx.db
    .select({ id: appointments.id })
    .from(appointments)
    .where(and(eq(appointments.id, id), sql`+${appointments.clinicId} = ${clinicId}`))
  const isFound = rows.length > 0
  underWay.giveBack(clinicId)
  if (isGuessing && isFound) unknown.giveBack(clinicId)
  if (!isGuessing && !isFound) unknown.take(clinicId)
  return isFound
}
