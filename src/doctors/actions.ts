import { and, asc, eq, gt, sql } from 'drizzle-orm'
import { today } from '../access/actions'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { decideOn, see } from '../doctor-day/client'
import { problemOf } from '../doctor-day/refusals'
import type { HasMoved, Query, Seen } from '../doctor-day/state/views'
import { dayKey } from '../doctor-day/storage/address'
import { newId } from '../lib/crypto'
import { cutPage, type Page } from '../lib/page'
import { notFound, Problem } from '../problem'
import { findDay } from './finding'
import {
  type Availability,
  type ChangeDoctor,
  type Doctor,
  days,
  defaultAvailability,
  doctors,
  type ListDoctors,
  type ListedDoctor,
  type NewDoctor,
  type SetAvailability,
  toAvailability,
  toDoctor,
} from './model'
import { availabilityOn, changedTerms, opening, termsOfNewDays } from './terms'
import { toDayHours } from './working-hours'

type DoctorRow = typeof doctors.$inferSelect

export async function addDoctor(ctx: Ctx, wanted: NewDoctor): Promise<Doctor> {
  const id = newId()
  const { name, code, specialty } = wanted
  const { opId, results, reply } = await ctx.once.transact((op) => [
    ctx.db
      .insert(doctors)
      .values({
        id,
        clinicId: ctx.clinic.id,
        name,
        code,
        specialty,
        ...termsOfNewDays(wanted),
        createdAt: ctx.now,
        opId: op,
      })
      .onConflictDoNothing(),
    audited(ctx, 'doctor.added', id),
    ctx.db
      .select()
      .from(doctors)
      .where(and(eq(doctors.clinicId, ctx.clinic.id), eq(doctors.code, wanted.code))),
    keepState(ctx, id),
  ])
  const [doctor] = results[2]
  if (doctor?.opId !== opId)
    throw new Problem('doctor_code_taken', 'A doctor with this code already exists; send another code')
  return toDoctor(asKept(doctor, reply))
}

/**
 * Days that are in use keep the terms that they started with. Only the request that claimed the key changes
 * anything: a late retry undoes no newer change.
 */
export async function changeDoctor(ctx: Ctx, id: string, wanted: ChangeDoctor): Promise<Doctor> {
  const { name, specialty } = wanted
  const found = selectDoctor(ctx, id)
  const { results, reply } = await ctx.once.transact(
    (op) => [
      ctx.db
        .update(doctors)
        .set({
          ...(name !== undefined && { name }),
          ...(specialty !== undefined && { specialty }),
          ...changedTerms(wanted),
        })
        .where(and(eq(doctors.clinicId, ctx.clinic.id), eq(doctors.id, id), sql`${op} = ${ctx.once.opId}`)),
      audited(ctx, 'doctor.changed', id),
      found,
      keepState(ctx, id),
    ],
    [found],
  )
  return toDoctor(asKept(firstOrNotFound(results[2]), reply))
}

/** What a change can change. The first answer shows it as it was then. */
const keepState = (ctx: Ctx, id: string) =>
  ctx.once.keep(sql`SELECT json_object('name', name, 'specialty', specialty, 'capacity', capacity,
    'workingHours', json(working_hours)) FROM doctors WHERE clinic_id = ${ctx.clinic.id} AND id = ${id}`)

const asKept = (doctor: DoctorRow, reply: string | null): DoctorRow =>
  reply === null ? doctor : { ...doctor, ...JSON.parse(reply) }

/** With a date, the same query reads from D1’s copy of the days whether each doctor is present that day. */
export async function listDoctors(ctx: Ctx, wanted: ListDoctors): Promise<Page<ListedDoctor>> {
  const { date } = wanted
  const isAvailable = availabilityOn(ctx, date)
  const rows = await ctx.db
    .select({ doctor: doctors, day: days })
    .from(doctors)
    .leftJoin(
      days,
      and(eq(days.clinicId, doctors.clinicId), eq(days.doctorId, doctors.id), eq(days.date, date ?? '')),
    )
    .where(and(eq(doctors.clinicId, ctx.clinic.id), gt(doctors.id, wanted.cursor?.[0] ?? '')))
    .orderBy(asc(doctors.id))
    .limit(wanted.limit + 1)
  const listed = rows.map(({ doctor, day }) => ({
    ...toDoctor(doctor),
    ...(date !== undefined && { is_available: isAvailable(doctor, day) }),
  }))
  return cutPage(listed, wanted.limit, (doctor) => [doctor.id])
}

export async function getDoctor(ctx: Ctx, id: string): Promise<Doctor> {
  return toDoctor(await requireDoctor(ctx, id))
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
  return availability
    ? toAvailability(doctorId, date, availability)
    : defaultAvailability(opening(ctx, doctor, date))
}

export const selectDoctor = (ctx: Ctx, id: string) =>
  ctx.db
    .select()
    .from(doctors)
    .where(and(eq(doctors.clinicId, ctx.clinic.id), eq(doctors.id, id)))

/** What D1 knows of a day: a day that knows less was lost, and must not give its slots again. */
export const selectKnown = (ctx: Ctx, doctorId: string, date: string) =>
  ctx.db
    .select({ version: days.version, head: days.head })
    .from(days)
    .where(and(eq(days.clinicId, ctx.clinic.id), eq(days.doctorId, doctorId), eq(days.date, date)))

/** The doctor, and what D1 knows of the day: read before the day is asked, which can only know more. */
export async function requireDay(ctx: Ctx, doctorId: string, date: string) {
  const [found, [known = null]] = await ctx.db.batch([
    selectDoctor(ctx, doctorId),
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
): Promise<{ doctor: DoctorRow; seen: Exclude<Seen<Q>, HasMoved> }> {
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

export const requireDoctor = async (ctx: Ctx, id: string): Promise<DoctorRow> =>
  firstOrNotFound(await selectDoctor(ctx, id))

function firstOrNotFound([doctor]: DoctorRow[]): DoctorRow {
  if (!doctor) throw notFound('Doctor')
  return doctor
}
