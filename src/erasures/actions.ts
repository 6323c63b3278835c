import { and, asc, eq, gte, sql } from 'drizzle-orm'
import { today } from '../access/actions'
import type { Ctx } from '../context'
import { askedDayKey, waitIfPossible } from '../doctor-day/client'
import { cutPage, type Page } from '../lib/page'
import { instantOf } from '../lib/time'
import { alreadyMerged, selectMerge } from '../merges/person'
import { selectPatient } from '../patients/actions'
import { notFound, Problem } from '../problem'
import { askedOf } from '../recorder/client'
import { countAppointments, eraseOn, selectAhead } from './days'
import {
  type ErasedPatient,
  type EraseQuery,
  type Erasure,
  type ErasureRow,
  erasures,
  type ListErasures,
  toErased,
  toErasure,
} from './model'
import {
  eraseRecords,
  hasTakenEffect,
  idsWith,
  markErasing,
  selectErasure,
  selectErasures,
  selectRecords,
  unmarkErasing,
} from './records'
import { eraseRemainder } from './remainder'

/**
 * Erases a patient. New requests do not find the patient from the first step on; then D1 and the days say
 * whether a visit is ahead; then the record leaves D1, in one transaction with the erasure; then each day
 * erases what is written of the visits, and what other systems have sent goes. After an interruption the same
 * request goes on with it.
 */
export async function erasePatient(ctx: Ctx, id: string, wanted: EraseQuery): Promise<Erasure> {
  const [[patient], [known]] = await ctx.db.batch([selectPatient(ctx, id), selectErasure(ctx, id)])
  if (!patient && !known) throw notFound('Patient')
  if (!patient) await ctx.once.claim()
  const begun = patient ? await begin(ctx, id, wanted.cancel_ahead) : known
  if (!begun) throw notFound('Patient')
  return finish(ctx, begun)
}

/** Within the time limit of a request. What is left is done by the next request of the same erasure. */
export const WORK_MS_MAX = 5_000

/** Each record of the person has its own steps; a request that names any of them goes on with all. */
async function finish(ctx: Ctx, begun: ErasureRow): Promise<Erasure> {
  const ids = [begun.patientId, ...begun.alsoKnownAs]
  const until = Date.now() + WORK_MS_MAX
  const rows: ErasureRow[] = []
  let waitsFor: string | undefined
  for (const one of ids.length > 1 ? await selectErasures(ctx, ids) : [begun]) {
    const { row, why } = await eraseRemainder(ctx, one, until)
    rows.push(row)
    waitsFor ??= why
  }
  const [counted] = await countAppointments(ctx, ids)
  return toErasure(begun, rows, counted?.count ?? 0, waitsFor)
}

async function begin(ctx: Ctx, id: string, mayCancel: boolean): Promise<ErasureRow | undefined> {
  const [, [merge], records] = await ctx.db.batch([
    markErasing(ctx, idsWith(ctx, id)),
    selectMerge(ctx, id),
    selectRecords(ctx, id),
  ])
  if (merge) throw alreadyMerged(merge.survivorId)
  if (records.length === 0) {
    // Another request has just erased the patient.
    await ctx.once.claim()
    return (await selectErasure(ctx, id))[0]
  }
  const ids = records.map((record) => record.id)
  const asked = (await Promise.all(ids.map((one) => daysJustAsked(ctx, one)))).flat()
  const ahead = await selectAhead(ctx, ids, today(ctx))
  const inTheWay = mayCancel ? ahead.filter(({ status }) => status === 'checked_in') : ahead
  if (inTheWay.length > 0) {
    await unmarkErasing(ctx, ids)
    throw new Problem('appointments_ahead', mayCancel ? IN_THE_CLINIC : AHEAD, {
      appointments: inTheWay.map((one) => one.id),
    })
  }
  const { results } = await ctx.once.transact((op) => [
    ...eraseRecords(ctx, records, op, ctx.now),
    selectErasure(ctx, id),
  ])
  const [row] = results.at(-1) as ErasureRow[]
  if (row) await Promise.all(asked.map((day) => eraseOn(ctx, row, day)))
  return row
}

const AHEAD = 'The patient has appointments ahead; cancel them, or send cancel_ahead=true'
const IN_THE_CLINIC = 'The patient has checked in today; complete the visit, or undo the check-in'

/**
 * The days that were just asked to book the patient: D1’s copy has now what they have decided. A request that
 * found the patient before may still be on its way to one of them.
 */
export async function daysJustAsked(ctx: Ctx, id: string) {
  const { days } = await askedOf(ctx.env, ctx.clinic.id, id)
  await Promise.all(days.map((day) => waitIfPossible(ctx, askedDayKey(ctx.clinic.id, day))))
  return days.flatMap((day) => ('key' in day ? [] : day))
}

/** By the time of the erasure. */
export async function listErasures(
  ctx: Ctx,
  { since, limit, cursor }: ListErasures,
): Promise<Page<ErasedPatient>> {
  const rows = await ctx.db
    .select()
    .from(erasures)
    .where(
      and(
        eq(erasures.clinicId, ctx.clinic.id),
        hasTakenEffect,
        since === undefined ? undefined : gte(erasures.erasedAt, Date.parse(instantOf(since))),
        cursor && sql`(${erasures.erasedAt}, ${erasures.patientId}) > (${cursor[0]}, ${cursor[1]})`,
      ),
    )
    .orderBy(asc(erasures.erasedAt), asc(erasures.patientId))
    .limit(limit + 1)
  const page = cutPage(rows, limit, ({ erasedAt, patientId }) => [erasedAt, patientId])
  return { ...page, rows: page.rows.map(toErased) }
}
