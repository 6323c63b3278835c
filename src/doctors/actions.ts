import { and, asc, eq, gt } from 'drizzle-orm'
import { today } from '../access/actions'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { days } from '../days/model'
import { decideOn, see } from '../doctor-day/client'
import type { Opening } from '../doctor-day/state/day'
import { slotsThatFit, usualSlots } from '../doctor-day/state/slot-times'
import { dayKey } from '../doctor-day/storage/address'
import { newId } from '../lib/crypto'
import { cutPage, type Page } from '../lib/page'
import { notFound, Problem } from '../problem'
import {
  type Availability,
  type ChangeDoctor,
  type Doctor,
  doctors,
  type ListDoctors,
  type ListedDoctor,
  type NewDoctor,
  type SetAvailability,
  SLOTS_USUAL,
  toAvailability,
  toDayHours,
  toDoctor,
  usualAvailability,
} from './model'

type DoctorRow = typeof doctors.$inferSelect

export async function addDoctor(ctx: Ctx, wanted: NewDoctor): Promise<Doctor> {
  const id = newId()
  const { name, code, specialty } = wanted
  const { opId, results } = await ctx.once.transact((op) => [
    ctx.db
      .insert(doctors)
      .values({
        id,
        clinicId: ctx.clinic.id,
        name,
        code,
        specialty,
        ...usualDay(wanted),
        createdAt: ctx.now,
        opId: op,
      })
      .onConflictDoNothing(),
    audited(ctx, 'doctor.added', id),
    ctx.db
      .select()
      .from(doctors)
      .where(and(eq(doctors.clinicId, ctx.clinic.id), eq(doctors.code, wanted.code))),
  ])
  const [doctor] = results[2]
  if (doctor?.opId !== opId) throw new Problem('doctor_code_taken', 'A doctor with this code already exists')
  return toDoctor(doctor)
}

/** A number that somebody said counts; else the hours make it, on each date anew. */
function usualDay({ capacity, working_hours }: Pick<NewDoctor, 'capacity' | 'working_hours'>) {
  const workingHours = working_hours ? toDayHours(working_hours) : null
  const usual = workingHours ? usualSlots(workingHours) : SLOTS_USUAL
  return {
    workingHours,
    capacity: capacity ?? usual,
    capacityByHours: workingHours !== null && capacity === undefined,
  }
}

/** Days that somebody has touched keep the terms they began with. */
export async function changeDoctor(ctx: Ctx, id: string, wanted: ChangeDoctor): Promise<Doctor> {
  const { name, specialty } = wanted
  const [, , rows] = await ctx.db.batch([
    ctx.db
      .update(doctors)
      .set({
        ...(name !== undefined && { name }),
        ...(specialty !== undefined && { specialty }),
        ...changedDay(wanted),
      })
      .where(and(eq(doctors.clinicId, ctx.clinic.id), eq(doctors.id, id))),
    audited(ctx, 'doctor.changed', id),
    selectDoctor(ctx, id),
  ])
  return toDoctor(known(rows))
}

function changedDay({ capacity, working_hours }: ChangeDoctor) {
  if (working_hours) return usualDay({ capacity, working_hours })
  const said = capacity === undefined ? {} : { capacity, capacityByHours: false }
  return working_hours === null ? { ...said, workingHours: null, capacityByHours: false } : said
}

/** With a date, whether each is present that day: read from D1's copy of the days, in the same query. */
export async function listDoctors(ctx: Ctx, wanted: ListDoctors): Promise<Page<ListedDoctor>> {
  const { date } = wanted
  const rows = await ctx.db
    .select({ doctor: doctors, isPresent: days.isPresent })
    .from(doctors)
    .leftJoin(
      days,
      and(eq(days.clinicId, doctors.clinicId), eq(days.doctorId, doctors.id), eq(days.date, date ?? '')),
    )
    .where(and(eq(doctors.clinicId, ctx.clinic.id), gt(doctors.id, wanted.cursor?.[0] ?? '')))
    .orderBy(asc(doctors.id))
    .limit(wanted.limit + 1)
  const listed = rows.map(({ doctor, isPresent }) => ({
    ...toDoctor(doctor),
    ...(date !== undefined && { is_available: isPresent ?? true }),
  }))
  return cutPage(listed, wanted.limit, (doctor) => [doctor.id])
}

export async function getDoctor(ctx: Ctx, id: string): Promise<Doctor> {
  return toDoctor(await knownDoctor(ctx, id))
}

/** The day itself keeps this; D1's copy follows. */
export async function setAvailability(
  ctx: Ctx,
  doctorId: string,
  wanted: SetAvailability,
): Promise<Availability> {
  const { opId, doctor } = await findDoctor(ctx, doctorId)
  const { date, is_present: isPresent, notes, capacity, working_hours: hours } = wanted
  const availability = await decideOn(ctx, dayKey(ctx.clinic.id, doctor.id, date), opId, {
    type: 'set_availability',
    opening: opening(ctx, doctor, date),
    id: newId(),
    isPresent,
    notes,
    capacity,
    hours: hours && toDayHours(hours),
  })
  return toAvailability(doctor.id, date, availability)
}

export async function getAvailability(
  ctx: Ctx,
  doctorId: string,
  on: string | undefined,
): Promise<Availability> {
  const date = on ?? today(ctx)
  const [doctor, availability] = await Promise.all([
    knownDoctor(ctx, doctorId),
    see(ctx, dayKey(ctx.clinic.id, doctorId, date), { view: 'availability' }),
  ])
  return availability
    ? toAvailability(doctorId, date, availability)
    : usualAvailability(opening(ctx, doctor, date))
}

export const selectDoctor = (ctx: Ctx, id: string) =>
  ctx.db
    .select()
    .from(doctors)
    .where(and(eq(doctors.clinicId, ctx.clinic.id), eq(doctors.id, id)))

/** One D1 round trip finds the doctor and claims the key. */
export async function findDoctor(ctx: Ctx, id: string): Promise<{ opId: string; doctor: DoctorRow }> {
  const { opId, results } = await ctx.once.transact(() => [selectDoctor(ctx, id)])
  return { opId, doctor: known(results[0]) }
}

export const knownDoctor = async (ctx: Ctx, id: string): Promise<DoctorRow> =>
  known(await selectDoctor(ctx, id))

function known([doctor]: DoctorRow[]): DoctorRow {
  if (!doctor) throw notFound('Doctor')
  return doctor
}

/** What a day of the doctor starts with. How many slots fit into hours depends on the date: clocks change. */
export function opening(ctx: Ctx, doctor: DoctorRow, date: string): Opening {
  const { timeZone } = ctx.clinic
  const { workingHours: hours, capacity, capacityByHours } = doctor
  return {
    clinicId: ctx.clinic.id,
    doctorId: doctor.id,
    date,
    timeZone,
    capacity: hours && capacityByHours ? slotsThatFit(date, timeZone, hours) : capacity,
    ...(hours && { hours }),
  }
}
