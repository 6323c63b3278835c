import { and, asc, eq, gt } from 'drizzle-orm'
import * as v from 'valibot'
import { today } from '../access/actions'
import type { Ctx } from '../context'
import { notRefused, onDay, type RemoteDay } from '../doctor-day/client'
import type { Refused } from '../doctor-day/refused'
import { unusedDay } from '../doctor-day/state/fold'
import { closedOf, type Figures, figuresOf, type Sight } from '../doctor-day/state/views'
import { dayKey } from '../doctor-day/storage/address'
import { fieldsOn } from '../doctors/actions'
import { days, doctors } from '../doctors/model'
import { type DoctorTerms, isClosed, offOn, opening } from '../doctors/terms'
import { logFailure } from '../lib/log'
import { withTimeout } from '../lib/outage'
import { cursor, cutPage, limit, type Page } from '../lib/page'
import { component } from '../lib/schema'
import { LocalDate, SECOND_MS } from '../lib/time'
import { Problem } from '../problem'

/** All doctors of a clinic on one date. */

/** The days of a page are asked at once, and each is an object that may have to wake. */
export const DAYS_PER_PAGE_MAX = 50

/** A day that is slow to answer is shown without its figures. */
const DAY_MS_MAX = 3 * SECOND_MS

export const ListDays = v.object({
  /** Without it: today, at the clinic. */
  date: v.optional(LocalDate),
  limit: v.pipe(
    limit(DAYS_PER_PAGE_MAX),
    v.transform((wanted) => Math.min(wanted, DAYS_PER_PAGE_MAX)),
  ),
  cursor: cursor(v.string()),
})
export type ListDays = v.InferOutput<typeof ListDays>

const count = v.number()

/**
 * booked + held + offered + over + closed + remaining = capacity. `closed`: slots that are free and not
 * given, because the doctor takes no patients on that date. `waiting`: patients on the waitlist without an
 * offer; `queue`: those who have checked in. `problem` names why a day shows no figures; then they are null.
 */
export const DayOfClinic = component('DayOfClinic', {
  doctor_id: v.string(),
  doctor_name: v.string(),
  doctor_code: v.string(),
  date: v.string(),
  figures: v.nullable(
    v.object({
      is_present: v.boolean(),
      capacity: count,
      booked: count,
      held: count,
      offered: count,
      over: count,
      closed: count,
      remaining: count,
      waiting: count,
      version: count,
      queue: v.object({ waiting: count, called: count, served: count, skipped: count, no_show: count }),
    }),
  ),
  problem: v.nullable(v.picklist(['day_damaged', 'newer_version', 'unavailable'])),
})
export type DayOfClinic = v.InferOutput<typeof DayOfClinic>

type DoctorRow = DoctorTerms & Pick<typeof doctors.$inferSelect, 'name' | 'code'>

/**
 * D1 names the doctors and the days that were used; each of these days is asked for its figures, all at once.
 * So a page costs one query and one call for each used day. A day that is used for the first time may be
 * shown as unused until D1 has its copy, half a second later.
 */
export async function listDays(ctx: Ctx, wanted: ListDays): Promise<Page<DayOfClinic>> {
  const { date = today(ctx) } = wanted
  const found = await ctx.db
    .select({ doctor: fieldsOn(date), version: days.version })
    .from(doctors)
    .leftJoin(
      days,
      and(eq(days.clinicId, doctors.clinicId), eq(days.doctorId, doctors.id), eq(days.date, date)),
    )
    .where(and(eq(doctors.clinicId, ctx.clinic.id), gt(doctors.id, wanted.cursor?.[0] ?? '')))
    .orderBy(asc(doctors.id))
    .limit(wanted.limit + 1)
  const { rows, next } = cutPage(found, wanted.limit, ({ doctor }) => [doctor.id])
  return { rows: await Promise.all(rows.map((row) => dayOfClinic(ctx, date, row))), next }
}

async function dayOfClinic(
  ctx: Ctx,
  date: string,
  { doctor, version }: { doctor: DoctorRow; version: number | null },
): Promise<DayOfClinic> {
  const { id: doctor_id, name: doctor_name, code: doctor_code } = doctor
  const shown = { doctor_id, doctor_name, doctor_code, date }
  const figures =
    version === null
      ? figuresOf(unusedDay(opening(ctx, doctor, date)), Date.now())
      : await askDay(ctx, dayKey(ctx.clinic.id, doctor_id, date), version)
  if (typeof figures === 'string') return { ...shown, figures: null, problem: figures }
  const { isPresent, setAt, remaining, date: _, timeZone: __, ...numbers } = figures
  const off = offOn(doctor, date)
  const is_present = isPresent && !(off && isClosed(off, version === null ? null : { setAt }))
  const closed = closedOf({ isPresent: is_present, remaining })
  return { ...shown, figures: { is_present, ...numbers, ...closed }, problem: null }
}

/**
 * D1 was read before: a day that knows less than D1 was lost. One day that does not answer hides no other.
 */
async function askDay(
  ctx: Ctx,
  key: string,
  version: number,
): Promise<Figures | NonNullable<DayOfClinic['problem']>> {
  const query = { view: 'figures', at: Date.now() } as const
  const call = (day: RemoteDay) => day.see(ctx.clinic.id, query) as Promise<Sight<typeof query> | Refused>
  try {
    const sight = notRefused(await withTimeout(onDay(ctx.env, key, call), DAY_MS_MAX))
    return sight.seen && sight.version >= version ? sight.seen : 'day_damaged'
  } catch (error) {
    if (error instanceof Problem && (error.code === 'day_damaged' || error.code === 'newer_version'))
      return error.code
    logFailure('day_not_seen', error, { clinic: ctx.clinic.id, day: key })
    return 'unavailable'
  }
}
