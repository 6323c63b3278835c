import { and, eq, inArray, type SQL, sql } from 'drizzle-orm'
import { appointments } from '../appointments/model'
import type { Ctx } from '../context'
import { performOn } from '../doctor-day/client'
import type { Refusal } from '../doctor-day/refused'
import { aliasesOf } from '../doctor-day/state/person'
import { dayKey } from '../doctor-day/storage/address'
import { fieldsOn } from '../doctors/actions'
import { doctors } from '../doctors/model'
import { opening } from '../doctors/terms'
import { type Done, type ErasureRow, FIRST, type Position } from './model'

/** The days on which an erased patient had an appointment erase what is written of it. */

/** Each is an object that has to wake. */
const DAYS_AT_ONCE = 20

interface Visited {
  doctorId: string
  date: string
}

/** A step: the next days. `refused`: one of them cannot erase now, and the erasure waits for it. */
export async function eraseSomeDays(ctx: Ctx, row: ErasureRow): Promise<Done | { refused: Refusal }> {
  const [, ...last] = row.doneUntil ?? FIRST
  const days = await selectVisited(ctx, [row.patientId, ...row.alsoKnownAs], last)
  const answers = await Promise.all(days.map((day) => eraseOn(ctx, row, day)))
  const sums = { texts: 0, cancelled: 0 }
  for (const answer of answers) {
    if (!answer.ok) return { refused: answer.refused }
    sums.texts += answer.reply.texts
    sums.cancelled += answer.reply.cancelled
  }
  const until = days.at(-1)
  const isLast = days.length < DAYS_AT_ONCE || !until
  return { sums, until: isLast ? null : ['days', until.date, until.doctorId] }
}

/** A retry finds the first reply of the day: nothing is counted twice. */
export async function eraseOn(
  ctx: Ctx,
  { patientId, opId, alsoKnownAs }: ErasureRow,
  { doctorId, date }: Visited,
) {
  const terms = await ctx.db
    .select(fieldsOn(date))
    .from(doctors)
    .where(and(eq(doctors.clinicId, ctx.clinic.id), eq(doctors.id, doctorId)))
  const [doctor] = terms
  if (!doctor) return { ok: true as const, reply: { texts: 0, cancelled: 0 } }
  const key = dayKey(ctx.clinic.id, doctorId, date)
  // A replay is one operation for many patients.
  return performOn(ctx, key, `erase:${opId}:${patientId}:${key}`, {
    type: 'erase_patient',
    opening: opening(ctx, doctor, date),
    patientId,
    ...aliasesOf({ alsoKnownAs }),
  })
}

const selectVisited = (ctx: Ctx, ids: string[], [date, doctorId]: Position): Promise<Visited[]> =>
  ctx.db
    .selectDistinct({ date: appointments.date, doctorId: appointments.doctorId })
    .from(appointments)
    .where(
      and(
        isOf(ctx, ids),
        date === undefined
          ? undefined
          : sql`(${appointments.date}, ${appointments.doctorId}) > (${date}, ${doctorId})`,
      ),
    )
    .orderBy(appointments.date, appointments.doctorId)
    .limit(DAYS_AT_ONCE)

const isOf = (ctx: Ctx, ids: string[]): SQL | undefined =>
  and(eq(appointments.clinicId, ctx.clinic.id), inArray(appointments.patientId, ids))

export const countAppointments = (ctx: Ctx, ids: string[]) =>
  ctx.db.select({ count: sql<number>`count(*)` }).from(appointments).where(isOf(ctx, ids))

const AHEAD = ['booked', 'checked_in'] as const

/** Visits that have not taken place, on a date or later. */
export const selectAhead = (ctx: Ctx, ids: string[], from: string) =>
  ctx.db
    .select({ id: appointments.id, status: appointments.status })
    .from(appointments)
    .where(
      and(
        isOf(ctx, ids),
        sql`${appointments.date} >= ${from}`,
        inArray(sql`+${appointments.status}`, [...AHEAD]),
      ),
    )
    .limit(AHEAD_MAX)

/** As many as an answer names. */
const AHEAD_MAX = 100
