import { and, eq, type SQL, sql } from 'drizzle-orm'
import { today } from '../access/actions'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { newId } from '../lib/crypto'
import type { Statement } from '../lib/db'
import { Problem } from '../problem'
import { firstOrNotFound, selectDoctor, selectDoctors } from './actions'
import {
  type ChangeDoctor,
  type Doctor,
  type DoctorRow,
  doctors,
  type NewDoctor,
  toDoctor,
  weeklyHours,
} from './model'
import { onDate } from './on-date'
import { changedTerms, termsOfNewDays } from './terms'
import { type SetWeeklyHours, toWeek, VERSIONS_MAX } from './weekly-hours'

/** A doctor is added or changed, with the hours of new days. */

export async function addDoctor(ctx: Ctx, wanted: NewDoctor): Promise<Doctor> {
  const id = newId()
  const { name, code, specialty, weekly_hours } = wanted
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
    // Only the request that has added the doctor finds this id.
    setWeek(ctx, id, weekly_hours, sql`true`),
    selectDoctors(ctx).where(and(eq(doctors.clinicId, ctx.clinic.id), eq(doctors.code, wanted.code))),
    keepState(ctx, id),
  ])
  const [doctor] = results[3]
  if (doctor?.opId !== opId)
    throw new Problem('doctor_code_taken', 'A doctor with this code already exists; send another code')
  return toDoctor(asKept(doctor, reply))
}

/**
 * Days that are in use keep the terms that they started with. Only the request that claimed the key changes
 * anything: a late retry undoes no newer change. Where weekly hours are in force, other hours would change no
 * day: that is refused, within the statement, and leaves the key free; so is a version too many.
 */
export async function changeDoctor(ctx: Ctx, id: string, wanted: ChangeDoctor): Promise<Doctor> {
  const { name, specialty, weekly_hours, working_hours, capacity } = wanted
  const found = selectDoctor(ctx, id)
  const isOfHours = weekly_hours === undefined && (working_hours !== undefined || capacity !== undefined)
  const isPermitted = isOfHours ? hasNoWeek(ctx, id) : hasRoom(ctx, id, weekly_hours)
  const { results, reply, replayed } = await ctx.once.transact(
    (op) => {
      const isFirst = sql`${op} = ${ctx.once.opId} AND ${isPermitted}`
      return [
        weekly_hours === null ? removeWeeks(ctx, id, isFirst) : setWeek(ctx, id, weekly_hours, isFirst),
        removeOldWeeks(ctx, id),
        ctx.db
          .update(doctors)
          .set({
            name: name ?? sql`${doctors.name}`,
            ...(specialty !== undefined && { specialty }),
            ...changedTerms(wanted),
          })
          .where(and(eq(doctors.clinicId, ctx.clinic.id), eq(doctors.id, id), isFirst)),
        audited(ctx, 'doctor.changed', id),
        found,
        keepState(ctx, id),
        ctx.db.select({ isRefused: sql<number>`is_refused` }).from(refusedIf(isPermitted)),
      ]
    },
    [found, sql`(SELECT 1 WHERE ${isPermitted})`],
  )
  const doctor = firstOrNotFound(results[4] as DoctorRow[])
  const { weekly } = doctor.onDate
  const [answer] = results[6] as { isRefused: number }[]
  if (!replayed && answer?.isRefused)
    throw isOfHours
      ? weeklyHoursDecide(weekly?.validFrom ?? '')
      : new Problem('too_many_weekly_hours', TOO_MANY)
  return toDoctor(asKept(doctor, reply))
}

const refusedIf = (isPermitted: SQL): SQL => sql`(SELECT NOT (${isPermitted}) AS is_refused)`

const TOO_MANY =
  `A doctor has at most ${VERSIONS_MAX} weekly hours from today on; ` +
  'replace one by sending its valid_from, or remove all with weekly_hours: null'

/**
 * Whether the new version leaves those that count from today on within their number: only versions before
 * that of today are removed for it. Answers the same once the version is there.
 */
function hasRoom(ctx: Ctx, id: string, wanted: SetWeeklyHours | null | undefined): SQL {
  if (!wanted) return sql`true`
  const here = today(ctx)
  const { valid_from: validFrom = here } = wanted
  const isAhead = validFrom > here
  const others = sql`FROM weekly_hours WHERE ${isOf(ctx, id)} AND valid_from <> ${validFrom}`
  const current = isAhead ? sql`EXISTS (SELECT 1 ${others} AND valid_from <= ${here}) + 1` : sql`1`
  return sql`((SELECT count(*) ${others} AND valid_from > ${here}) + ${current} <= ${VERSIONS_MAX})`
}

/** None is in force today. One that begins later leaves the days before it to the other hours. */
const hasNoWeek = (ctx: Ctx, id: string): SQL =>
  sql`NOT EXISTS (SELECT 1 FROM weekly_hours
    WHERE clinic_id = ${ctx.clinic.id} AND doctor_id = ${id} AND valid_from <= ${today(ctx)})`

const weeklyHoursDecide = (since: string) =>
  new Problem(
    'weekly_hours_decide',
    `The weekly hours of this doctor decide since ${since}, so working_hours and capacity would change no ` +
      'day; send weekly_hours with the change, or weekly_hours: null to remove them',
  )

/** Writes nothing where no weekly hours are sent. */
function setWeek(ctx: Ctx, id: string, wanted: SetWeeklyHours | undefined, isFirst: SQL): Statement {
  const { valid_from: validFrom = today(ctx) } = wanted ?? {}
  const week = wanted ? JSON.stringify(toWeek(wanted)) : null
  return ctx.db
    .insert(weeklyHours)
    .select(
      sql`SELECT clinic_id, id, ${validFrom}, ${week} FROM doctors
        WHERE clinic_id = ${ctx.clinic.id} AND id = ${id} AND ${week} IS NOT NULL AND ${isFirst}`,
    )
    .onConflictDoUpdate({
      target: [weeklyHours.clinicId, weeklyHours.doctorId, weeklyHours.validFrom],
      set: { week: sql`excluded.week` },
    })
}

const isOf = (ctx: Ctx, id: string) =>
  and(eq(weeklyHours.clinicId, ctx.clinic.id), eq(weeklyHours.doctorId, id))

const removeWeeks = (ctx: Ctx, id: string, isFirst: SQL): Statement =>
  ctx.db.delete(weeklyHours).where(and(isOf(ctx, id), isFirst))

/** Keeps the newest versions, and all from that of today on: `hasRoom` lets in no more than are kept. */
const removeOldWeeks = (ctx: Ctx, id: string): Statement =>
  ctx.db.delete(weeklyHours).where(
    and(
      isOf(ctx, id),
      sql`${weeklyHours.validFrom} < (SELECT valid_from FROM weekly_hours
        WHERE clinic_id = ${ctx.clinic.id} AND doctor_id = ${id}
        ORDER BY valid_from DESC LIMIT 1 OFFSET ${VERSIONS_MAX - 1})`,
      sql`${weeklyHours.validFrom} < (SELECT max(valid_from) FROM weekly_hours
        WHERE clinic_id = ${ctx.clinic.id} AND doctor_id = ${id} AND valid_from <= ${today(ctx)})`,
    ),
  )

/** What a change can change. The first answer shows it as it was then. */
const keepState = (ctx: Ctx, id: string) =>
  ctx.once.keep(sql`SELECT json_object('name', name, 'specialty', specialty, 'capacity', capacity,
    'workingHours', json(working_hours), 'retiredAt', retired_at, 'onDate', json(${onDate(today(ctx))}))
    FROM doctors WHERE clinic_id = ${ctx.clinic.id} AND id = ${id}`)

const asKept = (doctor: DoctorRow, reply: string | null): DoctorRow =>
  reply === null ? doctor : { ...doctor, ...JSON.parse(reply) }
