import { and, asc, eq, sql } from 'drizzle-orm'
import { today } from '../access/actions'
import { clinics } from '../access/model'
import type { ActingClinic } from '../context'
import { toldAbsence } from '../days/absence'
import { declareOn, onDay, replyOrThrow } from '../doctor-day/client'
import type { Answer, Operation } from '../doctor-day/commands'
import { dayKey } from '../doctor-day/storage/address'
import { selectDoctor, selectKnown } from '../doctors/actions'
import { type DoctorTerms, opening } from '../doctors/terms'
import { newId } from '../lib/crypto'
import { type Db, databaseOf } from '../lib/db'
import { logFailure } from '../lib/log'
import { onObject, withTimeout } from '../lib/outage'
import { SECOND_MS } from '../lib/time'
import { aliasesIn, selectAliases } from '../merges/person'
import { Problem } from '../problem'
import { dateAfter } from '../slots/model'
import { selectNotOffered } from '../visit-kinds/actions'
import { IS_TO_TELL, type LeaveRow, leaveDays, leaves, type Outcome } from './model'
import { addUsedDays } from './used-days'

/** What the job of a leave does: it tells the days, one after another, and ends them after a cancellation. */

/** A date that cannot be told so often is shown as failed. Outages of D1 do not count. */
const TRIES_MAX = 10

/** A day that moves all of its patients answers within some seconds. */
const DAY_MS_MAX = 30 * SECOND_MS

/** `next`: there is more to do now. `retry`: a day could not be told. `wait`: later. */
export type Worked = 'next' | 'retry' | 'wait' | 'over' | 'unknown'

type DateRow = typeof leaveDays.$inferSelect

/** Where the job works, as an action knows it of its Ctx. */
interface Place {
  env: Env
  db: Db
  now: number
  clinic: ActingClinic
}

/** Tells one day, or ends the work. Each step may be repeated: the day knows the operation. */
export async function workOnLeave(env: Env, clinicId: string, leaveId: string): Promise<Worked> {
  const db = databaseOf(env.DB)
  const isOfLeave = and(eq(leaveDays.clinicId, clinicId), eq(leaveDays.leaveId, leaveId))
  // A leave that is paused may have been shortened.
  const mayWorkOn = sql`(${leaveDays.state} = 'ending'
    OR (SELECT status FROM leaves WHERE id = ${leaveId} AND clinic_id = ${clinicId}) <> 'paused')`
  const [[clinic], [leave], [date]] = await db.batch([
    db.select().from(clinics).where(eq(clinics.id, clinicId)),
    db
      .select()
      .from(leaves)
      .where(and(eq(leaves.id, leaveId), eq(leaves.clinicId, clinicId))),
    db
      .select()
      .from(leaveDays)
      .where(and(isOfLeave, IS_TO_TELL, mayWorkOn))
      .orderBy(asc(leaveDays.tries), asc(leaveDays.date))
      .limit(1),
  ])
  if (!clinic || !leave) return 'unknown'
  const place = { env, db, now: Date.now(), clinic }
  if (date) return await workOnDate(place, leave, date)
  return leave.status === 'running' || leave.status === 'cancelling' ? await finish(place, leave) : 'over'
}

/** A retirement or a closing looks once more for days that were used just before it, and copied after it. */
async function finish({ db, now, clinic }: Place, leave: LeaveRow): Promise<Worked> {
  if (leave.kind !== 'leave' && leave.status === 'running') {
    const more = await addUsedDays(db, clinic.id, leave.id)
    if (more) return 'next'
    if (now < leave.createdAt + COPIED_MS) return 'wait'
  }
  const after = leave.status === 'running' ? 'completed' : 'cancelled'
  await db
    .update(leaves)
    .set({ status: after })
    .where(and(eq(leaves.id, leave.id), eq(leaves.clinicId, clinic.id), eq(leaves.status, leave.status)))
  return 'over'
}

/** In ordinary times D1 has a day’s first event within a second. */
const COPIED_MS = 15 * SECOND_MS

async function workOnDate(place: Place, leave: LeaveRow, date: DateRow): Promise<Worked> {
  try {
    if (date.date < today(place)) await store(place, date, { state: 'over' })
    else if (date.state === 'ending') await endOn(place, leave, date)
    else await tell(place, leave, date)
    return 'next'
  } catch (error) {
    const why = error instanceof Problem ? error.code : 'unavailable'
    logFailure('leave_date_failed', error, { clinic: place.clinic.id, leave: leave.id, date: date.date, why })
    const tries = date.tries + 1
    // What is ending is tried until it has ended.
    const isFailed = date.state === 'pending' && tries >= TRIES_MAX
    await store(place, date, { tries, why, ...(isFailed && { state: 'failed' }) })
    return 'retry'
  }
}

/** Unless the leave was cancelled meanwhile. */
const store = (
  { db, clinic }: Place,
  { leaveId, doctorId, date, state }: DateRow,
  change: Partial<DateRow>,
) =>
  db
    .update(leaveDays)
    .set(change)
    .where(
      and(
        eq(leaveDays.clinicId, clinic.id),
        eq(leaveDays.leaveId, leaveId),
        eq(leaveDays.doctorId, doctorId),
        eq(leaveDays.date, date),
        eq(leaveDays.state, state),
      ),
    )

const operationOf = ({ id, actor }: LeaveRow, end: string): Operation => ({
  id: `${id}:${end}`,
  actor,
  isKeyed: true,
})

async function tell(place: Place, leave: LeaveRow, dateRow: DateRow): Promise<void> {
  const { env, db, clinic } = place
  const { doctorId, date } = dateRow
  const { doctorId: toId, daysLater } = leave.moveTo ?? { doctorId: null, daysLater: 0 }
  const [toDoctorId, toDate] = [toId ?? doctorId, dateAfter(date, daysLater)]
  const [[doctor], [toDoctor], [known = null], [toKnown = null], aliases, services] = await db.batch([
    selectDoctor(place, doctorId, date),
    selectDoctor(place, toDoctorId, toDate),
    selectKnown(place, doctorId, date),
    selectKnown(place, toDoctorId, toDate),
    selectAliases(place, doctorId, date),
    selectNotOffered(place, toDoctorId),
  ])
  if (!doctor || !toDoctor) throw new Error('A doctor of a leave is gone')
  const wanted = {
    type: 'declare_absence',
    opening: opening(place, withoutCauses(doctor), date),
    id: newId(),
    reason: leave.reason,
    moveTo: leave.moveTo ? opening(place, toDoctor, toDate) : null,
    leave: { id: leave.id, since: leave.createdAt, until: Date.now() + DAY_MS_MAX },
    known: toKnown,
    aliases: aliasesIn(aliases),
    notOffered: services.map(({ id }) => id),
  } as const
  const told = declareOn(
    env,
    dayKey(clinic.id, doctorId, date),
    { ...operationOf(leave, date), known },
    wanted,
  )
  const { moved, waitlisted, to_call } = toldAbsence(
    { doctor_id: doctorId, date },
    await withTimeout(told, DAY_MS_MAX),
  )
  const outcome: Outcome = { moved, waitlisted, to_call }
  const counts = { moved: moved.length, waitlisted: waitlisted.length, toCall: to_call.length }
  await store(place, dateRow, { state: 'told', why: null, outcome, ...counts })
}

/** A leave is no reason against itself. Only a day off is: its end must not open the day. */
const withoutCauses = (doctor: DoctorTerms): DoctorTerms => ({
  ...doctor,
  retiredAt: null,
  onDate: { ...doctor.onDate, leave: null, closing: null },
})

async function endOn(place: Place, leave: LeaveRow, dateRow: DateRow): Promise<void> {
  const { env, db, clinic } = place
  const { doctorId, date } = dateRow
  const [[doctor], [retirement], [known = null]] = await db.batch([
    selectDoctor(place, doctorId, date),
    selectRetirement(place, doctorId),
    selectKnown(place, doctorId, date),
  ])
  if (!doctor) throw new Error('The doctor of a leave is gone')
  const { off, ...terms } = opening(place, doctor, date)
  const reason = off?.kind === 'retired' && retirement ? { ...off, id: retirement.id } : off
  const command = {
    type: 'end_absence',
    opening: { ...terms, ...(reason && { off: reason }) },
    leaveId: leave.id,
  } as const
  const ending = { ...operationOf(leave, `${date}:end`), isKeyed: false, known }
  if (reason) await handOver(place, dateRow, reason.id)
  const ended = onDay(env, dayKey(clinic.id, doctorId, date), (day) => day.perform(ending, command))
  replyOrThrow((await withTimeout(ended, DAY_MS_MAX)) as Answer<null>)
  // The closing may have ended meanwhile: then it has to open the day that it closes only now.
  if (reason && (await handOver(place, dateRow, reason.id)))
    await onObject(env.LEAVE_JOB, reason.id, (job) => job.watch(clinic.id, true))
  await store(place, dateRow, { state: 'ended', why: null })
}

/**
 * A closing or a retirement knows the days that were in use before it. It has to know this one too, so that
 * its end opens the day. Answers whether it has ended already.
 */
async function handOver({ db, clinic }: Place, { doctorId, date }: DateRow, leaveId: string) {
  const handed = await db
    .insert(leaveDays)
    .select(
      sql`SELECT clinic_id, id, ${date}, ${doctorId},
          CASE WHEN status IN ('running', 'completed') THEN 'told' ELSE 'ending' END, 0, NULL, 0, 0, 0, NULL
        FROM leaves WHERE id = ${leaveId} AND clinic_id = ${clinic.id} AND kind <> 'leave'`,
    )
    .onConflictDoUpdate({
      target: [leaveDays.clinicId, leaveDays.leaveId, leaveDays.doctorId, leaveDays.date],
      set: { state: 'ending', tries: 0 },
      setWhere: sql`excluded.state = 'ending'`,
    })
    .returning({ state: leaveDays.state })
  return handed[0]?.state === 'ending'
}

const selectRetirement = ({ db, clinic }: Place, doctorId: string) =>
  db
    .select({ id: leaves.id })
    .from(leaves)
    .where(
      and(
        eq(leaves.clinicId, clinic.id),
        eq(leaves.doctorId, doctorId),
        eq(leaves.kind, 'retirement'),
        sql`${leaves.status} IN ('running', 'completed')`,
      ),
    )
    .limit(1)
