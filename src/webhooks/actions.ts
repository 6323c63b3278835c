import { and, desc, eq, lt, sql } from 'drizzle-orm'
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
  const instant = instantOf(event.timestamp)
  const { clinicId, appointmentId } = webhookEvents
  const isSame = and(
    eq(clinicId, ctx.clinic.id),
    eq(appointmentId, event.appointment_id),
    eq(webhookEvents.instant, instant),
  )
  const { opId, results } = await ctx.once.transact((op) => [
    ctx.db
      .insert(webhookEvents)
      .values({
        id: newId(),
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
      .onConflictDoNothing({ target: [clinicId, appointmentId, webhookEvents.instant] }),
    audited(ctx, 'webhook_event.received', sql`(SELECT number FROM ${webhookEvents} WHERE ${isSame})`),
    // Reads the number that the insert was given; or the event of an earlier attempt, or of another request.
    ctx.db.select().from(webhookEvents).where(isSame),
  ])
  const [stored] = results[2]
  if (stored?.opId !== opId)
    throw new Problem('event_exists', 'An event for this appointment_id and timestamp is already stored')
  return toAccepted(stored)
}

/** Newest first. */
export async function listEvents(ctx: Ctx, wanted: ListEvents): Promise<Page<WebhookEvent>> {
  const before = wanted.cursor?.[1]
  const rows = await ctx.db
    .select()
    .from(webhookEvents)
    .where(
      and(
        eq(webhookEvents.clinicId, ctx.clinic.id),
        before === undefined ? undefined : lt(webhookEvents.number, before),
      ),
    )
    .orderBy(desc(webhookEvents.number))
    .limit(wanted.limit + 1)
  const page = cutPage(rows, wanted.limit, (row) => ['number', row.number])
  return { ...page, rows: page.rows.map(toWebhookEvent) }
}
