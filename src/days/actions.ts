import { staffOf } from '../access/actions'
import type { Ctx } from '../context'
import { notRefused, onDay, operation } from '../doctor-day/client'
import { problemOf } from '../doctor-day/refusals'
import type { Refused } from '../doctor-day/refused'
import type { Recorded } from '../doctor-day/state/event'
import { unusedDay } from '../doctor-day/state/fold'
import { ledgerOf } from '../doctor-day/state/views'
import { dayKey } from '../doctor-day/storage/address'
import { requireDay, seeDay } from '../doctors/actions'
import { findDoctor } from '../doctors/finding'
import { isClosed, offOn, opening } from '../doctors/terms'
import type { Page } from '../lib/page'
import { askedInstant } from '../lib/time'
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
  const instant = askedInstant(at)
  const { doctor, seen } = await seeDay(ctx, day.doctor_id, day.date, { view: 'ledger' }, instant)
  const ledger = seen ?? ledgerOf(unusedDay(opening(ctx, doctor, day.date)))
  const isPresent = ledger.isPresent && (instant !== null || !isClosed(offOn(doctor, day.date), seen))
  return toLedger({ ...ledger, isPresent }, instant ?? Date.now())
}

/** Oldest first. `next` is the last event’s number: a log has no gaps, so pages skip and repeat nothing. */
export async function listDayEvents(
  ctx: Ctx,
  day: DayPath,
  { since, limit }: ListDayEvents,
): Promise<Page<DayEvent>> {
  const { known } = await requireDay(ctx, day.doctor_id, day.date)
  const ask = onDay(ctx.env, keyOf(ctx, day), (object) => object.history(since, limit + 1))
  const events = notRefused(await (ask as Promise<Recorded[] | Refused>))
  const isLost = since === 0 && events.length === 0 && (known?.version ?? 0) > 0
  if (isLost) throw problemOf({ ok: false, refused: 'day_damaged' })
  const shown = events.slice(0, limit)
  const people = await staffOf(
    ctx,
    shown.map(({ actor }) => actor),
  )
  const rows = shown.map((event) => toDayEvent(event, people.get(event.actor) ?? null))
  return { rows, next: events.length > limit ? String(rows.at(-1)?.seq) : null }
}

export async function verifyDay(ctx: Ctx, day: DayPath): Promise<Verdict> {
  const { known } = await requireDay(ctx, day.doctor_id, day.date)
  return toVerdict(await onDay(ctx.env, keyOf(ctx, day), (object) => object.verify(known)))
}

/** The day copies its log to D1 again, after the reply, and retries until D1 has stored all of it. */
export async function resyncDay(ctx: Ctx, day: DayPath): Promise<Resync> {
  const { opId } = await findDoctor(ctx, day.doctor_id)
  const events = await onDay(ctx.env, keyOf(ctx, day), (object) => object.resync(operation(ctx, opId)))
  return { events: notRefused(events) }
}

const keyOf = (ctx: Ctx, { doctor_id, date }: DayPath) => dayKey(ctx.clinic.id, doctor_id, date)
