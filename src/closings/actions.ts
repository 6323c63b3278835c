import { and, asc, eq, gt, lte, type SQL, sql } from 'drizzle-orm'
import { requireClinicRow, today } from '../access/actions'
import type { ClinicRow } from '../access/model'
import { appointments } from '../appointments/model'
import { selectStanding, toStanding } from '../appointments/standing'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { problemOf } from '../doctor-day/refusals'
import { invalid } from '../http/failure'
import { newId } from '../lib/crypto'
import { cutPage, type Page } from '../lib/page'
import { notFound, Problem } from '../problem'
import { dateAfter, datesIn } from '../slots/model'
import {
  CLOSING_DATES_MAX,
  type Closing,
  type ClosingPath,
  type ClosingWithStanding,
  closings,
  type ListClosings,
  type NewClosing,
  toClosing,
} from './model'

/** Days on which a clinic is closed. D1 decides; what stands is listed for the desk. */

export async function closeClinic(
  ctx: Ctx,
  clinicId: string,
  wanted: NewClosing,
): Promise<ClosingWithStanding> {
  const clinic = await requireClinicRow(ctx, clinicId)
  const { from = '', to = '' } = wanted.date === undefined ? wanted : { from: wanted.date, to: wanted.date }
  const dates = datesOf(ctx, clinic, from, to)
  const id = newId()
  const inRange = sql`clinic_id = ${clinicId} AND date BETWEEN ${from} AND ${to}`
  const { opId, results } = await ctx.once.transact((op) => [
    ctx.db.insert(closings).select(
      sql`SELECT ${clinicId}, value, ${id}, ${from}, ${to}, ${wanted.name}, ${ctx.now}, ${op}
        FROM json_each(${JSON.stringify(dates)})
        WHERE NOT EXISTS (SELECT 1 FROM closings WHERE ${inRange})`,
    ),
    audited(ctx, 'clinic.closed', id, clinicId),
    ctx.db.select().from(closings).where(inRange).orderBy(asc(closings.date)).limit(1),
    selectStanding(ctx, clinicId, from, lte(appointments.date, to)),
  ])
  const [, , [closing], standing] = results
  if (closing?.opId !== opId) throw new Problem('date_closed', CLOSED)
  return { ...toClosing(closing), ...toStanding(standing) }
}

const CLOSED =
  'The clinic is closed on one of these dates already; send the other dates, or delete that closing'

function datesOf(ctx: Ctx, clinic: ClinicRow, from: string, to: string): string[] {
  const here = today({ now: ctx.now, clinic })
  if (from < here) throw problemOf({ ok: false, refused: 'date_over', dates: { date: from, today: here } })
  const days = datesIn(from, to)
  const message = `to must be within ${CLOSING_DATES_MAX} dates of from`
  if (days > CLOSING_DATES_MAX) throw invalid([{ field: 'to', rule: 'range', message }])
  return Array.from({ length: days }, (_, n) => dateAfter(from, n))
}

/** By date, those that have begun included. */
export async function listClosings(
  ctx: Ctx,
  clinicId: string,
  { limit, cursor }: ListClosings,
): Promise<Page<Closing>> {
  await requireClinicRow(ctx, clinicId)
  const rows = await ctx.db
    .select()
    .from(closings)
    .where(and(eq(closings.clinicId, clinicId), gt(closings.date, cursor?.[0] ?? ''), sql`date = from_date`))
    .orderBy(asc(closings.date))
    .limit(limit + 1)
  return cutPage(rows.map(toClosing), limit, (closing) => [closing.from])
}

const selectClosing = (ctx: Ctx, { id, closing_id }: ClosingPath) =>
  ctx.db
    .select()
    .from(closings)
    .where(and(eq(closings.clinicId, id), eq(closings.id, closing_id)))
    .limit(1)

export async function getClosing(ctx: Ctx, path: ClosingPath): Promise<ClosingWithStanding> {
  await requireClinicRow(ctx, path.id)
  const [closing] = await selectClosing(ctx, path)
  if (!closing) throw notFound('Closing')
  const { fromDate, toDate } = closing
  const standing = await selectStanding(ctx, path.id, fromDate, lte(appointments.date, toDate))
  return { ...toClosing(closing), ...toStanding(standing) }
}

/** The first answer is kept with the key: afterwards there is nothing left to answer with. */
export async function deleteClosing(ctx: Ctx, path: ClosingPath): Promise<Closing> {
  await requireClinicRow(ctx, path.id)
  const isClosing = and(eq(closings.clinicId, path.id), eq(closings.id, path.closing_id))
  const { reply, results } = await ctx.once.transact((op) => [
    selectClosing(ctx, path),
    ctx.once.keep(keptOf(path, sql`${op} = ${ctx.once.opId}`)),
    ctx.db.delete(closings).where(and(isClosing, sql`${op} = ${ctx.once.opId}`)),
    audited(ctx, 'clinic.opened_again', path.closing_id, path.id),
  ])
  const [[closing]] = results
  if (closing) return toClosing(closing)
  if (reply === null) throw notFound('Closing')
  return JSON.parse(reply) as Closing
}

const keptOf = ({ id, closing_id }: ClosingPath, isFirst: SQL): SQL =>
  sql`SELECT json_object('closing_id', id, 'from', from_date, 'to', to_date, 'name', name,
      'created_at', strftime('%Y-%m-%dT%H:%M:%fZ', created_at / 1000.0, 'unixepoch'))
    FROM closings WHERE clinic_id = ${id} AND id = ${closing_id} AND ${isFirst} LIMIT 1`
