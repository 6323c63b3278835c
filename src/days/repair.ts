import { and, eq, gte, lt, sql } from 'drizzle-orm'
import { clinics } from '../access/model'
import { requireClinic } from '../access/permissions'
import { appointments } from '../appointments/model'
import { audited } from '../audit/model'
import { checkIns } from '../checkins/model'
import type { Ctx } from '../context'
import { notRefused, onDay, operation } from '../doctor-day/client'
import type { Known } from '../doctor-day/commands'
import type { Refused } from '../doctor-day/refused'
import type { Opening, Remains } from '../doctor-day/state/day'
import type { Event } from '../doctor-day/state/event'
import { visitOf } from '../doctor-day/state/records'
import { scheduleOf, timesOf } from '../doctor-day/state/slot-times'
import { slotsOfPlace } from '../doctor-day/state/slots'
import { type DayKey, dayKey, dayKeyOf, idsOn } from '../doctor-day/storage/address'
import { selectDoctor } from '../doctors/actions'
import { days } from '../doctors/model'
import { opening } from '../doctors/terms'
import { newId } from '../lib/crypto'
import { notFound, Problem } from '../problem'
import type { RepairDay, RepairedDay } from './model'

type AppointmentRow = typeof appointments.$inferSelect
type CheckInRow = typeof checkIns.$inferSelect
type DayRow = typeof days.$inferSelect

/**
 * A damaged day starts anew: with the appointments and check-ins that D1 has copied, or empty where the loss
 * is accepted. Holds and the waitlist are in no copy. The day begins first, then D1 learns its new head:
 * between the two the day refuses, because D1 still knows more than it has. A retry with the same key
 * completes both.
 */
export async function repairDay(ctx: Ctx, clinicId: string, wanted: RepairDay): Promise<RepairedDay> {
  requireClinic(ctx, clinicId)
  const { doctor_id, date, how } = wanted
  const there: Ctx = { ...ctx, clinic: { ...ctx.clinic, id: clinicId } }
  const key = dayKey(clinicId, doctor_id, date)
  const { opId, results } = await ctx.once.transact(() => [
    ctx.db.select().from(clinics).where(eq(clinics.id, clinicId)),
    selectDoctor(there, doctor_id, date),
    ctx.db
      .select()
      .from(days)
      .where(isDay(days, there, wanted)),
    ctx.db
      .select()
      .from(appointments)
      .where(isDay(appointments, there, wanted)),
    ctx.db
      .select()
      .from(checkIns)
      .where(isDay(checkIns, there, wanted)),
    selectBookedOn(there, key),
  ])
  const [[clinic], [doctor], [day = null], appointmentRows, checkInRows, bookedHere] = results
  if (!clinic) throw notFound('Clinic')
  if (!doctor) throw notFound('Doctor')
  const { off: _, offerMinutes: __, ...terms } = opening({ ...there, clinic }, doctor, date)
  const isRebuilt = how === 'rebuild'
  const remains = isRebuilt ? remainsOf(key, wanted, appointmentRows, checkInRows, bookedHere) : NOTHING
  const events = eventsOf(day && isRebuilt ? { ...terms, ...termsOf(day, terms, appointmentRows) } : terms, {
    ...remains,
    isAbsent: isRebuilt && day?.isPresent === false,
  })
  const call = onDay(ctx.env, key, (object) => object.repair(operation(ctx, opId), day, events))
  const answer = await (call as Promise<Known | Refused>)
  if ('refused' in answer && answer.refused === 'unavailable') throw new Problem('unavailable', CHANGED)
  const known = notRefused(answer)
  await ctx.db.batch(afterwards(there, wanted, known, terms))
  return {
    clinic_id: clinicId,
    doctor_id,
    date,
    state: isRebuilt ? 'live' : 'loss_accepted',
    appointments: remains.appointments.length,
    check_ins: remains.checkIns.length,
  }
}

const CHANGED = 'The day has changed since its copy was read, and nothing was repaired; try again in a second'

const NOTHING: Remains = { appointments: [], checkIns: [], movedAway: [] }

const isDay = (
  { clinicId, doctorId, date }: typeof days | typeof appointments | typeof checkIns,
  ctx: Ctx,
  wanted: RepairDay,
) => and(eq(clinicId, ctx.clinic.id), eq(doctorId, wanted.doctor_id), eq(date, wanted.date))

/** The appointments that were first booked on this day, wherever they are now: their ids lead here. */
function selectBookedOn(ctx: Ctx, key: DayKey) {
  const { from, until } = idsOn(key)
  return ctx.db
    .select()
    .from(appointments)
    .where(
      and(eq(appointments.clinicId, ctx.clinic.id), gte(appointments.id, from), lt(appointments.id, until)),
    )
}

/** The number of slots and the hours as copied; older copies have no hours: then those of the doctor. */
function termsOf(day: DayRow, { date, timeZone, hours }: Opening, rows: AppointmentRow[]): Partial<Opening> {
  const copied = day.terms ? day.terms.hours : hours
  const { timetable } = scheduleOf(date, timeZone, copied ?? null)
  const fits = rows.every(({ slot, startsAt }) => timesOf(timetable, slot).startsAt === startsAt)
  return {
    capacity: Math.max(day.capacity, ...rows.flatMap(slotsOfPlace)),
    hours: fits ? copied : undefined,
  }
}

function eventsOf(terms: Opening, { isAbsent, ...remains }: Remains & { isAbsent: boolean }): Event[] {
  const begun: Event[] = [
    { type: 'opened', ...terms },
    { type: 'rebuilt', ...remains },
  ]
  return isAbsent
    ? [...begun, { type: 'availability_set', id: newId(), isPresent: false, notes: null }]
    : begun
}

function remainsOf(
  key: DayKey,
  wanted: RepairDay,
  rows: AppointmentRow[],
  checkInRows: CheckInRow[],
  bookedHere: AppointmentRow[],
): Remains {
  const patientOf = new Map(rows.map(({ id, patientId }) => [id, patientId]))
  const isHere = (row: AppointmentRow) => row.doctorId === wanted.doctor_id && row.date === wanted.date
  return {
    appointments: withoutDoubles(rows).map((copied) => {
      const { clinicId, doctorId, date, version, status, span, serviceId, ...row } = copied
      const visit = visitOf({ span, serviceId: serviceId ?? undefined })
      return { ...row, ...visit, status: isTaken(status) ? 'booked' : status }
    }),
    checkIns: checkInRows.flatMap(({ id, appointmentId, position, status, checkedInAt, calledAt }) => {
      if (status === 'undone') return []
      const known = { id, appointmentId, position, status, checkedInAt, calledAt }
      const patientId = patientOf.get(appointmentId) ?? ''
      return [{ ...known, patientId, priority: 'normal', room: null, servedAt: null }]
    }),
    lastPosition: Math.max(0, ...checkInRows.map(({ position }) => position)),
    movedAway: bookedHere
      .filter((row) => dayKeyOf(row.id) === key && !isHere(row))
      .map(({ id, doctorId, date, slot, moves }) => ({
        ...{ appointmentId: id, doctorId, date, slot, moves },
        moveId: '',
      })),
  }
}

/** The day itself has one status for all of these. */
const isTaken = (
  status: AppointmentRow['status'],
): status is Exclude<AppointmentRow['status'], 'cancelled' | 'no_show'> =>
  status !== 'cancelled' && status !== 'no_show'

/** An appointment that moves away is in the copy until its new day is copied; its slot may have a new one. */
function withoutDoubles(rows: AppointmentRow[]): AppointmentRow[] {
  const holders = new Map<number, AppointmentRow>()
  for (const row of rows)
    for (const slot of isTaken(row.status) ? slotsOfPlace(row) : [])
      if (row.version > (holders.get(slot)?.version ?? -1)) holders.set(slot, row)
  return rows.filter(
    (row) => !isTaken(row.status) || slotsOfPlace(row).every((slot) => holders.get(slot) === row),
  )
}

/** D1’s copy goes on from the new log. Of a loss that was accepted it shows no appointment as booked. */
const afterwards = (ctx: Ctx, wanted: RepairDay, { version, head }: Known, { capacity }: Opening) => {
  const [isLoss, state] =
    wanted.how === 'rebuild' ? ([false, 'live'] as const) : ([true, 'loss_accepted'] as const)
  const row = { clinicId: ctx.clinic.id, doctorId: wanted.doctor_id, date: wanted.date }
  return [
    ctx.db
      .insert(days)
      .values({ ...row, isPresent: true, capacity, taken: 0, version, head, state })
      .onConflictDoUpdate({
        target: [days.clinicId, days.doctorId, days.date],
        set: { version, head, state, ...(isLoss && { isPresent: true, capacity, taken: 0 }) },
        setWhere: sql`${days.head} IS NOT excluded.head`,
      }),
    audited(ctx, isLoss ? 'day.loss_accepted' : 'day.rebuilt', `${wanted.doctor_id}/${wanted.date}`),
    ctx.db
      .update(appointments)
      .set({
        version,
        ...(isLoss && { updatedAt: ctx.now, status: sql`iif(status = 'no_show', status, 'cancelled')` }),
      })
      .where(isDay(appointments, ctx, wanted)),
    ctx.db
      .update(checkIns)
      .set({ version })
      .where(isDay(checkIns, ctx, wanted)),
  ] as const
}
