import { and, desc, eq, lt } from 'drizzle-orm'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { newId } from '../lib/crypto'
import { cutPage, type Page } from '../lib/page'
import { instantOf } from '../lib/time'
import { Problem } from '../problem'
import {
  type AcceptedEvent,
  type ListEvents,
  longForm,
  type NewWebhookEvent,
  toAccepted,
  toWebhookEvent,
  type WebhookEvent,
  webhookEvents,
} from './model'

/** Stores one event per appointment and instant. Senders repeat events, and a repeated one is refused. */
export async function receiveEvent(ctx: Ctx, event: NewWebhookEvent): Promise<AcceptedEvent> {
  const id = newId()
  const instant = instantOf(event.timestamp)
  const { opId, results } = await ctx.once.transact((op) => [
    ctx.db
      .insert(webhookEvents)
      .values({
        id,
        clinicId: ctx.clinic.id,
        eventType: longForm(event.event_type),
        appointmentId: event.appointment_id,
        patientId: event.patient_id,
        timestamp: event.timestamp,
        instant,
        notes: event.notes,
        receivedAt: ctx.now,
        requestId: ctx.requestId,
        opId: op,
      })
      .onConflictDoNothing()
      .returning(),
    audited(ctx, 'webhook_event.received', id),
  ])
  const stored = results[0][0] ?? (await findStored(ctx, event.appointment_id, instant))
  if (stored?.opId !== opId)
    throw new Problem('event_exists', 'An event for this appointment_id and timestamp is already stored')
  return toAccepted(stored)
}

/** The stored event is from an earlier attempt of this request, or from another request. */
async function findStored(ctx: Ctx, appointmentId: string, instant: string) {
  const { clinicId } = webhookEvents
  const isSame = and(eq(webhookEvents.appointmentId, appointmentId), eq(webhookEvents.instant, instant))
  const [stored] = await ctx.db
    .select()
    .from(webhookEvents)
    .where(and(eq(clinicId, ctx.clinic.id), isSame))
  return stored
}

/** Newest first. */
export async function listEvents(ctx: Ctx, wanted: ListEvents): Promise<Page<WebhookEvent>> {
  const before = wanted.cursor?.[0]
  const rows = await ctx.db
    .select()
    .from(webhookEvents)
    .where(
      and(
        eq(webhookEvents.clinicId, ctx.clinic.id),
        before === undefined ? undefined : lt(webhookEvents.seq, before),
      ),
    )
    .orderBy(desc(webhookEvents.seq))
    .limit(wanted.limit + 1)
  const page = cutPage(rows, wanted.limit, (row) => [row.seq])
  return { ...page, rows: page.rows.map(toWebhookEvent) }
}
