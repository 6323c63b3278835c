import type { Ctx } from '../context'
import { onDay, operation, see } from '../doctor-day/client'
import { untouched } from '../doctor-day/state/fold'
import { ledgerOf } from '../doctor-day/state/views'
import { dayKey } from '../doctor-day/storage/address'
import { findDoctor, knownDoctor, opening } from '../doctors/actions'
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

/** The numbers of a day, now or as of an instant. Where nobody has touched it, its doctor's terms hold. */
export async function getDay(ctx: Ctx, day: DayPath, { at }: AskDay): Promise<Ledger> {
  const [ledger, doctor] = await Promise.all([
    see(ctx, keyOf(ctx, day), { view: 'ledger' }, at ? Date.parse(instantOf(at)) : null),
    knownDoctor(ctx, day.doctor_id),
  ])
  return toLedger(ledger ?? ledgerOf(untouched(opening(ctx, doctor, day.date))))
}

/** Oldest first. The number of the last one leads on: a log has no gaps, so nothing is missed or repeated. */
export async function listDayEvents(
  ctx: Ctx,
  day: DayPath,
  { since, limit }: ListDayEvents,
): Promise<Page<DayEvent>> {
  const [events] = await Promise.all([
    onDay(ctx.env, keyOf(ctx, day), (object) => object.history(since, limit + 1)),
    knownDoctor(ctx, day.doctor_id),
  ])
  const rows = events.slice(0, limit).map(toDayEvent)
  return { rows, next: events.length > limit ? String(rows.at(-1)?.seq) : null }
}

export async function verifyDay(ctx: Ctx, day: DayPath): Promise<Verdict> {
  const [verdict] = await Promise.all([
    onDay(ctx.env, keyOf(ctx, day), (object) => object.verify()),
    knownDoctor(ctx, day.doctor_id),
  ])
  return toVerdict(verdict)
}

/** The day sends its log to D1's copy again: behind the reply, and until D1 has taken all of it. */
export async function resyncDay(ctx: Ctx, day: DayPath): Promise<Resync> {
  const { opId } = await findDoctor(ctx, day.doctor_id)
  return { events: await onDay(ctx.env, keyOf(ctx, day), (object) => object.resync(operation(ctx, opId))) }
}

const keyOf = (ctx: Ctx, { doctor_id, date }: DayPath) => dayKey(ctx.clinic.id, doctor_id, date)
