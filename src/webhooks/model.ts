import { integer, sqliteTable, text as textColumn, uniqueIndex } from 'drizzle-orm/sqlite-core'
import * as v from 'valibot'
import { cursor, limit } from '../lib/page'
import { component, note, text } from '../lib/schema'
import { IsoInstant, iso } from '../lib/time'

/** `instant` is `timestamp` in one spelling, so that two spellings of one moment are the same event. */
export const webhookEvents = sqliteTable(
  'webhook_events',
  {
    seq: integer('seq').primaryKey({ autoIncrement: true }),
    id: textColumn('id').notNull(),
    /**
     * 1, 2, 3 … in each clinic, so that a clinic can be moved to another database. A trigger of the database
     * (migration 0006) replaces 0 as part of the insert.
     */
    number: integer('number').notNull().default(0),
    clinicId: textColumn('clinic_id').notNull(),
    eventType: textColumn('event_type').notNull(),
    appointmentId: textColumn('appointment_id').notNull(),
    patientId: textColumn('patient_id').notNull(),
    timestamp: textColumn('timestamp').notNull(),
    instant: textColumn('instant').notNull(),
    notes: textColumn('notes'),
    receivedAt: integer('received_at').notNull(),
    requestId: textColumn('request_id').notNull(),
    opId: textColumn('op_id').notNull(),
  },
  (t) => [
    uniqueIndex('webhook_events_once').on(t.clinicId, t.appointmentId, t.instant),
    uniqueIndex('webhook_events_number').on(t.clinicId, t.number),
  ],
)

const EVENT_TYPES = ['appointment.scheduled', 'appointment.cancelled', 'appointment.updated'] as const
const SHORT_FORMS = ['scheduled', 'cancelled', 'updated'] as const

/** The body that a sender posts. It is published, so it has only rules that JSON Schema can express. */
export const NewWebhookEvent = component('NewWebhookEvent', {
  event_type: v.picklist([...EVENT_TYPES, ...SHORT_FORMS]),
  appointment_id: text(200),
  patient_id: text(200),
  timestamp: IsoInstant,
  notes: note(10_000),
})
export type NewWebhookEvent = v.InferOutput<typeof NewWebhookEvent>

/** `scheduled` → `appointment.scheduled`. */
export const longForm = (type: NewWebhookEvent['event_type']): string =>
  type.startsWith('appointment.') ? type : `appointment.${type}`

export const AcceptedEvent = component('AcceptedEvent', {
  status: v.literal('accepted'),
  message: v.string(),
  event_id: v.pipe(v.number(), v.integer()),
  appointment_id: v.string(),
  request_id: v.string(),
})
export type AcceptedEvent = v.InferOutput<typeof AcceptedEvent>

export const WebhookEvent = component('WebhookEvent', {
  id: v.pipe(v.number(), v.integer()),
  event_type: v.picklist(EVENT_TYPES),
  appointment_id: v.string(),
  patient_id: v.string(),
  timestamp: v.string(),
  notes: v.nullable(v.string()),
  received_at: v.string(),
})
export type WebhookEvent = v.InferOutput<typeof WebhookEvent>

export const WebhookEvents = component('WebhookEvents', { count: v.number(), events: v.array(WebhookEvent) })

type Row = typeof webhookEvents.$inferSelect

export const toAccepted = (row: Pick<Row, 'number' | 'appointmentId' | 'requestId'>): AcceptedEvent => ({
  status: 'accepted',
  message: 'Appointment event received and stored',
  event_id: row.number,
  appointment_id: row.appointmentId,
  request_id: row.requestId,
})

export const toWebhookEvent = (row: Row): WebhookEvent => ({
  id: row.number,
  event_type: row.eventType as WebhookEvent['event_type'],
  appointment_id: row.appointmentId,
  patient_id: row.patientId,
  timestamp: row.timestamp,
  notes: row.notes,
  received_at: iso(row.receivedAt),
})

/** The cursor names what it counts: cursors from before events had numbers are refused. */
export const ListEvents = v.object({ limit: limit(100), cursor: cursor(v.literal('number'), v.number()) })
export type ListEvents = v.InferOutput<typeof ListEvents>
