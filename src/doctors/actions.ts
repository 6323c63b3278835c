import { and, asc, eq, getTableColumns, gt, isNull, type SQL, sql } from 'drizzle-orm'
import { today } from '../access/actions'
import type { Ctx } from '../context'
import { decideOn, see } from '../doctor-day/client'
import { problemOf } from '../doctor-day/refusals'
import { setAtOf } from '../doctor-day/state/records'
import type { HasMoved, Query, Seen } from '../doctor-day/state/views'
import { dayKey } from '../doctor-day/storage/address'
import { newId } from '../lib/crypto'
import { cutPage, type Page } from '../lib/page'
import { notFound } from '../problem'
import { findDay } from './finding'
import {
  type Availability,
  type Doctor,
  days,
  defaultAvailability,
  doctors,
  type ListDoctors,
  type ListedDoctor,
  type SetAvailability,
  toAvailability,
  toDoctor,
  weeklyHours,
} from './model'
import { onDate } from './on-date'
import { availabilityOn, isClosed, offOn, opening } from './terms'
import { toWeeklyHours, type WeeklyHours } from './weekly-hours'
import { toDayHours } from './working-hours'

/** What the actions here need of a Ctx: work that no caller waits for has nothing else. */
type Asking = Pick<Ctx, 'db' | 'clinic' | 'now'>

/** With what is valid on the date; without one, today. */
export const fieldsOn = (date: string) => ({ ...getTableColumns(doctors), onDate: onDate(date) })

export const selectDoctors = (ctx: Asking, date = today(ctx)) => ctx.db.select(fieldsOn(date)).from(doctors)

type DoctorOnDate = Awaited<ReturnType<typeof selectDoctors>>[number]

/** With a date, the same query reads from D1’s copy of the days whether each doctor is present that day. */
export async function listDoctors(ctx: Ctx, wanted: ListDoctors): Promise<Page<ListedDoctor>> {
  const { date, retired } = wanted
  const isAvailable = availabilityOn(ctx, date)
  const rows = await ctx.db
    .select({ doctor: fieldsOn(date ?? today(ctx)), day: days })
    .from(doctors)
    .leftJoin(
      days,
      and(eq(days.clinicId, doctors.clinicId), eq(days.doctorId, doctors.id), eq(days.date, date ?? '')),
    )
    .where(
      and(
        eq(doctors.clinicId, ctx.clinic.id),
        gt(doctors.id, wanted.cursor?.[0] ?? ''),
        retired === 'true' ? undefined : isNull(doctors.retiredAt),
        hasSpecialty(wanted.specialty),
      ),
    )
    .orderBy(asc(doctors.id))
    .limit(wanted.limit + 1)
  const listed = rows.map(({ doctor, day }) => ({
    ...toDoctor(doctor),
    ...(date !== undefined && { is_available: isAvailable(doctor, day) }),
  }))
  return cutPage(listed, wanted.limit, (doctor) => [doctor.id])
}

/** In any case, of ASCII. Without one, no condition. */
export const hasSpecialty = (specialty: string | undefined): SQL | undefined =>
  specialty === undefined ? undefined : sql`lower(${doctors.specialty}) = lower(${specialty})`

export async function getDoctor(ctx: Ctx, id: string): Promise<Doctor> {
  return toDoctor(await requireDoctor(ctx, id))
}

/** By the date from which they are valid. */
export async function listWeeklyHours(ctx: Ctx, id: string): Promise<WeeklyHours[]> {
  const [found, versions] = await ctx.db.batch([
    selectDoctor(ctx, id),
    ctx.db
      .select({ validFrom: weeklyHours.validFrom, week: weeklyHours.week })
      .from(weeklyHours)
      .where(and(eq(weeklyHours.clinicId, ctx.clinic.id), eq(weeklyHours.doctorId, id)))
      .orderBy(asc(weeklyHours.validFrom)),
  ])
  firstOrNotFound(found)
  return versions.map(toWeeklyHours)
}

/** The day owns its availability; D1’s copy follows. */
export async function setAvailability(
  ctx: Ctx,
  doctorId: string,
  wanted: SetAvailability,
): Promise<Availability> {
  const { date, is_present: isPresent, notes, capacity, working_hours: hours } = wanted
  const { opId, doctor, known } = await findDay(ctx, doctorId, date)
  const command = {
    type: 'set_availability',
    opening: opening(ctx, doctor, date),
    id: newId(),
    isPresent,
    notes,
    capacity,
    hours: hours && toDayHours(hours),
  } as const
  const availability = await decideOn(ctx, dayKey(ctx.clinic.id, doctor.id, date), opId, command, known)
  return toAvailability(doctor.id, date, availability)
}

export async function getAvailability(
  ctx: Ctx,
  doctorId: string,
  on: string | undefined,
): Promise<Availability> {
  const date = on ?? today(ctx)
  const { doctor, seen: availability } = await seeDay(ctx, doctorId, date, { view: 'availability' })
  if (!availability) return defaultAvailability(opening(ctx, doctor, date))
  const shown = toAvailability(doctorId, date, availability)
  const off = offOn(doctor, date)
  const isOverruled = off && isClosed(off, { setAt: setAtOf(availability) })
  return isOverruled ? { ...shown, is_present: false, notes: off.notes } : shown
}

export const selectDoctor = (ctx: Asking, id: string, date = today(ctx)) =>
  selectDoctors(ctx, date).where(and(eq(doctors.clinicId, ctx.clinic.id), eq(doctors.id, id)))

/** What D1 knows of a day: a day that knows less was lost, and must not give its slots again. */
export const selectKnown = (ctx: Asking, doctorId: string, date: string) =>
  ctx.db
    .select({ version: days.version, head: days.head })
    .from(days)
    .where(and(eq(days.clinicId, ctx.clinic.id), eq(days.doctorId, doctorId), eq(days.date, date)))

/** The doctor, and what D1 knows of the day: read before the day is asked, which can only know more. */
export async function requireDay(ctx: Ctx, doctorId: string, date: string) {
  const [found, [known = null]] = await ctx.db.batch([
    selectDoctor(ctx, doctorId, date),
    selectKnown(ctx, doctorId, date),
  ])
  return { doctor: firstOrNotFound(found), known }
}

/** Doctors that this isolate has found, with their clinic. A doctor is never removed. */
const foundDoctors = new Set<string>()
const FOUND_DOCTORS_MAX = 10_000

/**
 * What a view shows of a doctor’s day. Both stores are asked at once, but of a doctor that may be made up D1
 * is asked first: an object that is reached leaves a file, also where there is nothing to see.
 */
export async function seeDay<Q extends Query>(
  ctx: Ctx,
  doctorId: string,
  date: string,
  query: Q,
  at: number | null = null,
): Promise<{ doctor: DoctorOnDate; seen: Exclude<Seen<Q>, HasMoved> }> {
  const ask = () => see(ctx, dayKey(ctx.clinic.id, doctorId, date), query, at)
  const name = JSON.stringify([ctx.clinic.id, doctorId])
  const finding = requireDay(ctx, doctorId, date)
  if (!foundDoctors.has(name)) await finding
  if (foundDoctors.size >= FOUND_DOCTORS_MAX) foundDoctors.clear()
  foundDoctors.add(name)
  const [first, { doctor, known }] = await Promise.all([ask(), finding])
  const isBehind = ({ version }: { version: number }) => version < (known?.version ?? 0)
  // The day may have written an event after it answered, and D1 copied it before D1 was read.
  const { seen, version } = isBehind(first) ? await ask() : first
  if (isBehind({ version })) throw problemOf({ ok: false, refused: 'day_damaged' })
  return { doctor, seen }
}

export const requireDoctor = async (ctx: Ctx, id: string): Promise<DoctorOnDate> =>
  firstOrNotFound(await selectDoctor(ctx, id))

export function firstOrNotFound<Row>([doctor]: Row[]): Row {
  if (!doctor) throw notFound('Doctor')
  return doctor
}
