import { and, eq, inArray, type SQL, sql } from 'drizzle-orm'
import { appointments } from '../appointments/model'
import type { Ctx } from '../context'
import { performOn } from '../doctor-day/client'
import type { Refusal } from '../doctor-day/commands'
import { dayKey } from '../doctor-day/storage/address'
import { doctors } from '../doctors/model'
import { opening } from '../doctors/terms'
import { type ErasureRow, erasures } from './model'
import { selectErasure } from './records'

/** The days on which an erased patient had an appointment erase what is written of it. */

/** Each is an object that has to wake. */
const DAYS_AT_ONCE = 20

/** Within the time limit of a request. What is left is done by the next request of the same erasure. */
const WORK_MS_MAX = 5_000

interface Visited {
  doctorId: string
  date: string
}

/** Goes on from where the erasure has come to. `why`: a day refused; the erasure waits for it. */
export async function eraseOnDays(ctx: Ctx, begun: ErasureRow): Promise<{ row: ErasureRow; why?: Refusal }> {
  const startedAt = Date.now()
  let row = begun
  while (row.state === 'erasing') {
    const days = await selectVisited(ctx, row)
    const answers = await Promise.all(days.map((day) => eraseOn(ctx, row, day)))
    const refused = answers.find((answer) => !answer.ok)
    if (refused && !refused.ok) return { row, why: refused.refused }
    const sums = answers.map((answer) => (answer.ok ? answer.reply : { texts: 0, cancelled: 0 }))
    row = await advance(ctx, row, days, {
      texts: sums.reduce((sum, { texts }) => sum + texts, 0),
      cancelled: sums.reduce((sum, { cancelled }) => sum + cancelled, 0),
    })
    if (Date.now() - startedAt > WORK_MS_MAX) break
  }
  return { row }
}

/** A retry finds the first reply of the day: nothing is counted twice. */
export async function eraseOn(ctx: Ctx, { patientId, opId }: ErasureRow, { doctorId, date }: Visited) {
  const terms = await ctx.db
    .select()
    .from(doctors)
    .where(and(eq(doctors.clinicId, ctx.clinic.id), eq(doctors.id, doctorId)))
  const [doctor] = terms
  if (!doctor) return { ok: true as const, reply: { texts: 0, cancelled: 0 } }
  const key = dayKey(ctx.clinic.id, doctorId, date)
  return performOn(ctx, key, `erase:${opId}:${key}`, {
    type: 'erase_patient',
    opening: opening(ctx, doctor, date),
    patientId,
  })
}

const selectVisited = (ctx: Ctx, { patientId, doneUntil }: ErasureRow): Promise<Visited[]> =>
  ctx.db
    .selectDistinct({ date: appointments.date, doctorId: appointments.doctorId })
    .from(appointments)
    .where(
      and(
        isOf(ctx, patientId),
        doneUntil
          ? sql`(${appointments.date}, ${appointments.doctorId}) > (${doneUntil[0]}, ${doneUntil[1]})`
          : undefined,
      ),
    )
    .orderBy(appointments.date, appointments.doctorId)
    .limit(DAYS_AT_ONCE)

const isOf = (ctx: Ctx, patientId: string): SQL | undefined =>
  and(eq(appointments.clinicId, ctx.clinic.id), eq(appointments.patientId, patientId))

/** Two requests of one erasure may work at once: the first to come this far counts. */
async function advance(
  ctx: Ctx,
  row: ErasureRow,
  days: Visited[],
  sums: { texts: number; cancelled: number },
) {
  const last = days.at(-1)
  const isDone = days.length < DAYS_AT_ONCE
  const [, [now]] = await ctx.db.batch([
    ctx.db
      .update(erasures)
      .set({
        texts: sql`texts + ${sums.texts}`,
        cancelled: sql`cancelled + ${sums.cancelled}`,
        ...(last && { doneUntil: [last.date, last.doctorId] }),
        ...(isDone && { state: 'erased' as const }),
      })
      .where(
        and(
          eq(erasures.clinicId, ctx.clinic.id),
          eq(erasures.patientId, row.patientId),
          eq(erasures.state, 'erasing'),
          sql`done_until IS ${row.doneUntil ? JSON.stringify(row.doneUntil) : null}`,
        ),
      ),
    selectErasure(ctx, row.patientId),
  ])
  return now ?? row
}

export const countKept = (ctx: Ctx, patientId: string) =>
  ctx.db.select({ count: sql<number>`count(*)` }).from(appointments).where(isOf(ctx, patientId))

const AHEAD = ['booked', 'checked_in'] as const

/** Visits that have not taken place, on a date or later. */
export const selectAhead = (ctx: Ctx, patientId: string, from: string) =>
  ctx.db
    .select({ id: appointments.id, status: appointments.status })
    .from(appointments)
    .where(
      and(
        isOf(ctx, patientId),
        sql`${appointments.date} >= ${from}`,
        inArray(sql`+${appointments.status}`, [...AHEAD]),
      ),
    )
    .limit(AHEAD_MAX)

/** As many as an answer names. */
const AHEAD_MAX = 100
