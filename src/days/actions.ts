import type { Ctx } from '../context'
import { onDay, operation, see } from '../doctor-day/client'
import { unusedDay } from '../doctor-day/state/fold'
import { ledgerOf } from '../doctor-day/state/views'
import { dayKey } from '../doctor-day/storage/address'
import { findDoctor, opening, requireDoctor } from '../doctors/actions'
import type { Page } from '../lib/page'
import { instantOf } from '../lib/time'
import {
  type AskDay,
  type DayEvent,
  type DayPath,
  type Ledger,
  type ListDayEvents,
  type Resync,
  toDayEvent,
  toLedger,
  toVerdict,
  type Verdict,
} from './model'

/** The figures of a day, now or at an instant. For an unused day they follow from the doctor’s terms. */
export async function getDay(ctx: Ctx, day: DayPath, { at }: AskDay): Promise<Ledger> {
  const [ledger, doctor] = await Promise.all([
    see(ctx, keyOf(ctx, day), { view: 'ledger' }, at ? Date.parse(instantOf(at)) : null),
    requireDoctor(ctx, day.doctor_id),
  ])
  return toLedger(ledger ?? ledgerOf(unusedDay(opening(ctx, doctor, day.date))))
}

/** Oldest first. `next` is the last event’s number: a log has no gaps, so pages skip and repeat nothing. */
export async function listDayEvents(
  ctx: Ctx,
  day: DayPath,
  { since, limit }: ListDayEvents,
): Promise<Page<DayEvent>> {
  const [events] = await Promise.all([
    onDay(ctx.env, keyOf(ctx, day), (object) => object.history(since, limit + 1)),
    requireDoctor(ctx, day.doctor_id),
  ])
  const rows = events.slice(0, limit).map(toDayEvent)
  return { rows, next: events.length > limit ? String(rows.at(-1)?.seq) : null }
}

export async function verifyDay(ctx: Ctx, day: DayPath): Promise<Verdict> {
  const [verdict] = await Promise.all([
    onDay(ctx.env, keyOf(ctx, day), (object) => object.verify()),
    requireDoctor(ctx, day.doctor_id),
  ])
  return toVerdict(verdict)
}

/** The day copies its log to D1 again, after the reply, and retries until D1 has stored all of it. */
export async function resyncDay(ctx: Ctx, day: DayPath): Promise<Resync> {
  const { opId } = await findDoctor(ctx, day.doctor_id)
  return { events: await onDay(ctx.env, keyOf(ctx, day), (object) => object.resync(operation(ctx, opId))) }
}

const keyOf = (ctx: Ctx, { doctor_id, date }: DayPath) => dayKey(ctx.clinic.id, doctor_id, date)
