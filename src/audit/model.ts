import { type SQL, sql } from 'drizzle-orm'
import { index, integer, sqliteTable, text as textColumn, uniqueIndex } from 'drizzle-orm/sqlite-core'
import * as v from 'valibot'
import type { Ctx } from '../context'
import { cursor, limit } from '../lib/page'
import { component, text } from '../lib/schema'
import { iso } from '../lib/time'

/**
 * Which key changed what and when, as ids only, in the audit of the clinic that the change concerns. A key is
 * never removed, so its row says whose key it is and of which clinic. Changes of a doctor's day are in that
 * day's own log.
 */
export const audit = sqliteTable(
  'audit',
  {
    seq: integer('seq').primaryKey(),
    clinicId: textColumn('clinic_id').notNull(),
    at: integer('at').notNull(),
    keyId: textColumn('key_id').notNull(),
    action: textColumn('action').notNull(),
    subject: textColumn('subject').notNull(),
    requestId: textColumn('request_id').notNull(),
    /** Where a lot has written the row: a lot that is sent again writes no second one. */
    opId: textColumn('op_id'),
  },
  (t) => [
    index('audit_by_clinic').on(t.clinicId, t.seq),
    uniqueIndex('audit_once').on(t.opId, t.action).where(sql`op_id IS NOT NULL`),
  ],
)

/**
 * Must directly follow the statement that it records, in one batch: it writes only if that wrote a row.
 * `clinicId`: the clinic that the change concerns, where that is not the one of the key.
 */
export const audited = (ctx: Ctx, action: string, subject: string | SQL, clinicId = ctx.clinic.id) =>
  ctx.db.insert(audit).select(sql`
    SELECT NULL, ${clinicId}, ${ctx.now}, ${ctx.actor.keyId}, ${action}, ${subject}, ${ctx.requestId},
      NULL WHERE changes() > 0`)

/**
 * A statement of a kind: records what its entries have written. `written`: the table `sent`, joined to the
 * rows that have its own operation: a retry by another request has written nothing. `clinic`: SQL for the
 * clinic that a row concerns.
 */
export const auditOfLot = (action: string, subject: string, written: string, clinic = 'clinic'): string => `
  INSERT INTO audit (clinic_id, at, key_id, action, subject, request_id, op_id)
  SELECT ${clinic}, at, actor, '${action}', ${subject}, request, asked FROM ${written} WHERE true
  ON CONFLICT DO NOTHING`

/**
 * Records an action on a clinic that writes nothing in D1, once for each operation: `op` is the id of the
 * operation that claimed the key.
 */
export const auditedOnce = (ctx: Ctx, op: SQL<string>, action: string, clinicId: string) =>
  ctx.db.insert(audit).select(sql`
    SELECT NULL, ${clinicId}, ${ctx.now}, ${ctx.actor.keyId}, ${action}, ${clinicId}, ${ctx.requestId},
      NULL FROM clinics WHERE id = ${clinicId} AND ${op} = ${ctx.once.opId}`)

/** `staff_id`: the person whose key it was. `actor_clinic_id`: the clinic of that key. Null: not known. */
export const AuditEntry = component('AuditEntry', {
  seq: v.number(),
  at: v.string(),
  key_id: v.string(),
  staff_id: v.nullable(v.string()),
  actor_clinic_id: v.nullable(v.string()),
  action: v.string(),
  subject: v.string(),
  request_id: v.string(),
})
export type AuditEntry = v.InferOutput<typeof AuditEntry>

interface AuditRow {
  entry: typeof audit.$inferSelect
  staffId: string | null
  actorClinicId: string | null
}

export const toAuditEntry = ({ entry, staffId, actorClinicId }: AuditRow): AuditEntry => ({
  seq: entry.seq,
  at: iso(entry.at),
  key_id: entry.keyId,
  staff_id: staffId,
  actor_clinic_id: actorClinicId,
  action: entry.action,
  subject: entry.subject,
  request_id: entry.requestId,
})

/** `clinic_id`: another clinic, for an admin of all clinics. */
export const ListAudit = v.object({
  clinic_id: v.optional(text(100)),
  limit: limit(100),
  cursor: cursor(v.number()),
})
export type ListAudit = v.InferOutput<typeof ListAudit>
