import { and, asc, eq, gt, lte, type SQL, sql } from 'drizzle-orm'
import { today } from '../access/actions'
import { appointments } from '../appointments/model'
import { selectStanding, toStanding } from '../appointments/standing'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { problemOf } from '../doctor-day/refusals'
import { invalid } from '../http/failure'
import { leaves } from '../leave/model'
import { endDays, watch } from '../leave/records'
import { insertUsedDays } from '../leave/used-days'
import { newId } from '../lib/crypto'
import { cutPage, type Page } from '../lib/page'
import { notFound, Problem } from '../problem'
import { dateAfter, datesIn } from '../slots/model'
import {
  CLOSING_DATES_MAX,
  type Closing,
  type ClosingWithStanding,
  closings,
  type ListClosings,
  type NewClosing,
  toClosing,
} from './model'

/**
 * Dates on which the clinic is closed. A closing counts from the batch that stores it: each request that
 * begins after it is refused. The job of leave/ tells the days that are in use, which then refuse by
 * themselves.
 */

export async function closeClinic(ctx: Ctx, wanted: NewClosing): Promise<ClosingWithStanding> {
  const { from, to, reason } = wanted
  const dates = datesOf(ctx, wanted)
  const id = newId()
  const inRange = sql`clinic_id = ${ctx.clinic.id} AND date BETWEEN ${from} AND ${to}`
  // Before the closing is stored, so that its job runs however this request ends.
  await watch(ctx, id)
  const { opId, results } = await ctx.once.transact((op) => [
    ctx.db.insert(closings).select(
      sql`SELECT ${ctx.clinic.id}, value, ${id}, ${from}, ${to}, ${reason}, ${ctx.now}, ${op}
        FROM json_each(${JSON.stringify(dates)})
        WHERE NOT EXISTS (SELECT 1 FROM closings WHERE ${inRange})`,
    ),
    audited(ctx, 'clinic.closed', id),
    ctx.db.insert(leaves).select(
      sql`SELECT id, clinic_id, NULL, 'closing', from_date, to_date, ${`Closed: ${reason}`}, NULL, 'running',
          ${ctx.actor.keyId}, created_at, op_id
        FROM closings WHERE clinic_id = ${ctx.clinic.id} AND date = ${from} AND id = ${id}`,
    ),
    insertUsedDays(ctx.db, ctx.clinic.id, id),
    ctx.db.select().from(closings).where(inRange).orderBy(asc(closings.date)).limit(1),
    selectStanding(ctx, ctx.clinic.id, from, lte(appointments.date, to)),
  ])
  const [, , , , [closing], standing] = results
  if (closing?.opId !== opId) throw new Problem('closings_overlap', OVERLAP)
  await watch(ctx, closing.id, true)
  return { ...toClosing(closing), ...toStanding(standing) }
}

const OVERLAP =
  'The clinic is closed on one of these dates already; send the other dates, or delete that closing'

function datesOf(ctx: Ctx, { from, to }: NewClosing): string[] {
  const here = today(ctx)
  if (from < here) throw problemOf({ ok: false, refused: 'date_over', dates: { date: from, today: here } })
  const days = datesIn(from, to)
  const message = `to must be within ${CLOSING_DATES_MAX} dates of from`
  if (days > CLOSING_DATES_MAX) throw invalid([{ field: 'to', rule: 'range', message }])
  return Array.from({ length: days }, (_, n) => dateAfter(from, n))
}

/** By date, those of the past included. */
export async function listClosings(ctx: Ctx, { limit, cursor }: ListClosings): Promise<Page<Closing>> {
  const rows = await ctx.db
    .select()
    .from(closings)
    .where(
      and(eq(closings.clinicId, ctx.clinic.id), gt(closings.date, cursor?.[0] ?? ''), sql`date = from_date`),
    )
    .orderBy(asc(closings.date))
    .limit(limit + 1)
  return cutPage(rows.map(toClosing), limit, (closing) => [closing.from])
}

const isClosing = (ctx: Ctx, id: string) => and(eq(closings.clinicId, ctx.clinic.id), eq(closings.id, id))

const selectClosing = (ctx: Ctx, id: string) =>
  ctx.db.select().from(closings).where(isClosing(ctx, id)).limit(1)

export async function getClosing(ctx: Ctx, id: string): Promise<ClosingWithStanding> {
  const [closing] = await selectClosing(ctx, id)
  if (!closing) throw notFound('Closing')
  const { fromDate, toDate } = closing
  const standing = await selectStanding(ctx, ctx.clinic.id, fromDate, lte(appointments.date, toDate))
  return { ...toClosing(closing), ...toStanding(standing) }
}

/** The first answer is kept with the key: afterwards there is nothing left to answer with. */
export async function deleteClosing(ctx: Ctx, id: string): Promise<Closing> {
  // A deleted closing still has its job. An id that a caller has made up must not reach an object.
  const [job] = await ctx.db.select({ id: leaves.id }).from(leaves).where(isJob(ctx, id))
  if (!job) throw notFound('Closing')
  await watch(ctx, id)
  const { reply, results } = await ctx.once.transact((op) => {
    const isFirst = sql`${op} = ${ctx.once.opId}`
    const isKnown = sql`EXISTS (SELECT 1 FROM closings WHERE ${isClosing(ctx, id)}) AND ${isFirst}`
    return [
      selectClosing(ctx, id),
      ctx.once.keep(keptOf(ctx, id, isFirst)),
      endDays(ctx, id, isKnown),
      ctx.db
        .update(leaves)
        .set({ status: 'cancelling' })
        .where(and(isJob(ctx, id), isKnown)),
      ctx.db.delete(closings).where(and(isClosing(ctx, id), isFirst)),
      audited(ctx, 'clinic.opened_again', id),
    ]
  })
  const [[closing]] = results
  if (!closing && reply === null) throw notFound('Closing')
  await watch(ctx, id, true)
  return closing ? toClosing(closing) : (JSON.parse(reply ?? '') as Closing)
}

const isJob = (ctx: Ctx, id: string) =>
  and(eq(leaves.id, id), eq(leaves.clinicId, ctx.clinic.id), eq(leaves.kind, 'closing'))

const keptOf = (ctx: Ctx, id: string, isFirst: SQL): SQL =>
  sql`SELECT json_object('closing_id', id, 'from', from_date, 'to', to_date, 'reason', reason,
      'created_at', strftime('%Y-%m-%dT%H:%M:%fZ', created_at / 1000.0, 'unixepoch'))
    FROM closings WHERE ${isClosing(ctx, id)} AND ${isFirst} LIMIT 1`
