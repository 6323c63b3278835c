import { and, asc, eq, gte, lte, type SQL, sql } from 'drizzle-orm'
import type { SQLiteColumn } from 'drizzle-orm/sqlite-core'
import { today } from '../access/actions'
import type { Ctx } from '../context'
import { askedDayKey, caughtUp, waitIfPossible } from '../doctor-day/client'
import type { DayVersion } from '../doctor-day/state/day'
import { dayKey } from '../doctor-day/storage/address'
import { requireDay, seeDay } from '../doctors/actions'
import { invalid } from '../http/failure'
import { cutPage, type Page } from '../lib/page'
import { askedInstant } from '../lib/time'
import { idsIn, selectIds } from '../merges/person'
import { Problem } from '../problem'
import type { Asked } from '../recorder/asked-days'
import { askedOf } from '../recorder/client'
import { type Appointment, appointments, type ListAppointments, toAppointment } from './model'
import { type AskWaitlist, toWaiting, type WaitingPlace } from './waitlist'

/** Lists of appointments: of one day, which the day itself knows, and across days, from D1’s copy. */

/** Without a date: today, at the clinic. */
export async function listDay(ctx: Ctx, doctorId: string, date = today(ctx)): Promise<Appointment[]> {
  const { seen } = await seeDay(ctx, doctorId, date, { view: 'appointments' })
  return seen.map(toAppointment)
}

/**
 * Across days, by date: read from D1’s copy, which follows the days within a second in ordinary times. An id
 * begins with the key of the day it was booked on, so a doctor’s day is listed in one run. Ids never change,
 * so pages repeat or skip only an appointment that is rescheduled to another date between two pages.
 *
 * Of one patient it shows what was booked just before: the Recorder names the days that were asked, and they
 * are waited for. For other lists the caller names them (`at_least`).
 */
export async function listAppointments(ctx: Ctx, wanted: ListAppointments): Promise<Page<Appointment>> {
  const { patient_id, at_least } = wanted
  if (at_least) await Promise.all(at_least.map((day) => waitFor(ctx, day)))
  const current =
    patient_id === undefined
      ? await selectAppointments(ctx, wanted)
      : await selectOfPerson(ctx, wanted, patient_id)
  return cutPage(current.map(toAppointment), wanted.limit, (row) => [row.date, row.id])
}

/** Most patients have one id: all are asked for it at once, and for other ids only where there are some. */
async function selectOfPerson(ctx: Ctx, wanted: ListAppointments, patientId: string) {
  const askedFor = (id: string) => askedOf(ctx.env, ctx.clinic.id, id)
  const [[rows, found], asked] = await Promise.all([
    ctx.db.batch([selectAppointments(ctx, wanted), selectIds(ctx, patientId)]),
    askedFor(patientId),
  ])
  const others = idsIn(found).filter((id) => id !== patientId)
  const ofOthers = (await Promise.all(others.map(askedFor))).flatMap(({ days }) => days)
  const days = [...asked.days, ...ofOthers].map((day) => askedDayKey(ctx.clinic.id, day))
  if (days.length === 0 && asked.moves.length === 0 && others.length === 0) return rows
  await Promise.all([...new Set(days)].map((day) => waitIfPossible(ctx, day)))
  await waitForMoves(ctx, [patientId, ...others], asked)
  const own = selectAppointments(ctx, wanted)
  const more = others.map((id) => selectAppointments(ctx, { ...wanted, patient_id: id }))
  return (await ctx.db.batch([own, ...more])).flat().sort(byDate)
}

/**
 * Waits for the days to which appointments of the patient were lately to move. D1 knows whose they are, and
 * their doctor, but for one that moved before D1 had heard of it: that one comes from a day that was lately
 * asked to book the patient.
 */
async function waitForMoves(ctx: Ctx, patientIds: string[], { days, moves }: Asked): Promise<void> {
  if (moves.length === 0) return
  const { id, clinicId, patientId, doctorId } = appointments
  const rows = await ctx.db
    .select({ id, patientId, doctorId })
    .from(sql`json_each(${JSON.stringify(moves.map(({ appointmentId }) => appointmentId))}) AS moved`)
    .innerJoin(appointments, and(sql`${id} = moved.value`, sql`+${clinicId} = ${ctx.clinic.id}`))
  const known = new Map(rows.map((row) => [row.id, row]))
  const lately = days.flatMap((day) => ('key' in day ? [] : day.doctorId))
  const targets = moves.flatMap(({ appointmentId, doctorId: wanted, date }) => {
    const row = known.get(appointmentId)
    if (row && !patientIds.includes(row.patientId)) return []
    const doctors = wanted === null ? (row ? [row.doctorId] : lately) : [wanted]
    return doctors.map((doctor) => dayKey(ctx.clinic.id, doctor, date))
  })
  await Promise.all([...new Set(targets)].map((day) => waitIfPossible(ctx, day)))
}

type AppointmentRow = typeof appointments.$inferSelect

/** As SQLite sorts: dates and ids are ASCII. */
const byDate = (one: AppointmentRow, other: AppointmentRow): number =>
  one.date === other.date ? compare(one.id, other.id) : compare(one.date, other.date)

const compare = (one: string, other: string): number => (one < other ? -1 : 1)

/** Waits until D1 has what the caller has seen of a day. */
async function waitFor(ctx: Ctx, { doctorId, date, version }: DayVersion): Promise<void> {
  const { known } = await requireDay(ctx, doctorId, date)
  if (known && known.version >= version) return
  const day = await caughtUp(ctx, dayKey(ctx.clinic.id, doctorId, date)).catch(() => null)
  if (day && day.version < version) throw invalid([{ field: 'at_least', rule: 'value', message: TOO_HIGH }])
  if (!day || day.copied < version) throw new Problem('unavailable', LATE)
}

const TOO_HIGH =
  'at_least names a version that the day does not have; send values of the header X-Day-Version'
const LATE = 'D1 does not have this version of the day yet; retry'

function selectAppointments(ctx: Ctx, wanted: ListAppointments) {
  const { patient_id, doctor_id, from, to, status, cursor } = wanted
  const { clinicId, patientId, doctorId, date, id } = appointments
  return ctx.db
    .select()
    .from(appointments)
    .where(
      and(
        eq(clinicId, ctx.clinic.id),
        patient_id === undefined ? undefined : eq(patientId, patient_id),
        doctor_id === undefined ? undefined : (patient_id ? alsoEq : eq)(doctorId, doctor_id),
        // A later page begins at its cursor: SQLite would begin at `from`, and read all pages before it.
        from === undefined || (cursor && cursor[0] >= from) ? undefined : gte(date, from),
        to === undefined ? undefined : lte(date, to),
        status === undefined
          ? undefined
          : (patient_id || doctor_id ? alsoEq : eq)(appointments.status, status),
        cursor && sql`(${date}, ${id}) > (${cursor[0]}, ${cursor[1]})`,
      ),
    )
    .orderBy(asc(date), asc(id))
    .limit(wanted.limit + 1)
}

/**
 * The plus keeps SQLite from choosing the index of this column. SQLite does not know how many rows a value
 * has: it could read all booked appointments of a clinic to find those of one patient.
 */
const alsoEq = (column: SQLiteColumn, value: string): SQL => sql`+${column} = ${value}`

/** Who waits for a doctor’s day, in order, now or at an instant: 500 patients at most. */
export async function listWaitlist(ctx: Ctx, asked: AskWaitlist): Promise<WaitingPlace[]> {
  const instant = askedInstant(asked.at)
  const { doctor_id, date = today(ctx, instant ?? ctx.now) } = asked
  const { seen } = await seeDay(ctx, doctor_id, date, { view: 'waitlist' }, instant)
  return seen.map((waiting) => ({ ...toWaiting(waiting), doctor_id, date }))
}
