import { and, desc, eq, lt } from 'drizzle-orm'
import { auditOfLot } from '../audit/model'
import type { Ctx } from '../context'
import { newId } from '../lib/crypto'
import { cutPage, type Page } from '../lib/page'
import { instantOf } from '../lib/time'
import { Problem } from '../problem'
import { kindOf, type Row } from '../recorder/kind'
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

type NewRow = [
  eventType: string,
  appointmentId: string,
  patientId: string,
  timestamp: string,
  instant: string,
  notes: string | null,
  id: string,
]

const SAME = `webhook_events.clinic_id = sent.clinic AND webhook_events.appointment_id = sent.appointment_id
  AND webhook_events.instant = sent.instant`

/**
 * The result is the event that D1 has of this appointment and instant. Numbers have no gap: of equal events
 * only the first is given one.
 */
export const WEBHOOK_EVENT = kindOf<NewRow, Stored | undefined>({
  name: 'webhook_event',
  columns: ['event_type', 'appointment_id', 'patient_id', 'timestamp', 'instant', 'notes', 'id'],
  statements: ({ sent, performed }) => [
    `INSERT INTO webhook_events (id, number, clinic_id, event_type, appointment_id, patient_id, timestamp,
       instant, notes, received_at, request_id, op_id)
     SELECT id, row_number() OVER (PARTITION BY clinic ORDER BY place)
         + (SELECT coalesce(max(number), 0) FROM webhook_events WHERE clinic_id = clinic),
       clinic, event_type, appointment_id, patient_id, timestamp, instant, notes, at, request, op
     FROM (SELECT *, min(place) FROM ${performed} GROUP BY clinic, appointment_id, instant) AS sent
     WHERE NOT EXISTS (SELECT 1 FROM webhook_events WHERE ${SAME})
     ON CONFLICT DO NOTHING`,
    auditOfLot(
      'webhook_event.received',
      'number',
      `(SELECT sent.*, number FROM ${sent} CROSS JOIN webhook_events ON ${SAME} AND op_id = asked)`,
    ),
    // The number that the insert has given; or the event of an earlier attempt, or of another request.
    `SELECT asked AS op, op_id AS opId, number, webhook_events.request_id AS requestId
     FROM ${sent} CROSS JOIN webhook_events ON ${SAME}`,
  ],
  result: ([, , found]) => found?.[0] as Stored | undefined,
})

interface Stored extends Row {
  opId: string
  number: number
  requestId: string
}

/** Stores one event per appointment and instant. Senders repeat events, and a repeated one is refused. */
export async function receiveEvent(ctx: Ctx, event: NewWebhookEvent): Promise<AcceptedEvent> {
  const { event_type, appointment_id, patient_id, timestamp, notes } = event
  const { opId, result: stored } = await ctx.once.record(
    WEBHOOK_EVENT,
    longForm(event_type),
    appointment_id,
    patient_id,
    timestamp,
    instantOf(timestamp),
    notes ?? null,
    newId(),
  )
  if (stored?.opId !== opId)
    throw new Problem('event_exists', 'An event for this appointment_id and timestamp is already stored')
  return toAccepted({ ...stored, appointmentId: appointment_id })
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
