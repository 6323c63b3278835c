import { type SQL, sql } from 'drizzle-orm'
import { index, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import * as v from 'valibot'
import type { Ctx } from '../context'
import { cursor, limit } from '../lib/page'
import { component } from '../lib/schema'
import { iso } from '../lib/time'

/** Which key changed what and when, as ids only. Changes of a doctor's day are in that day's own log. */
export const audit = sqliteTable(
  'audit',
  {
    seq: integer('seq').primaryKey({ autoIncrement: true }),
    clinicId: text('clinic_id').notNull(),
    at: integer('at').notNull(),
    keyId: text('key_id').notNull(),
    action: text('action').notNull(),
    subject: text('subject').notNull(),
    requestId: text('request_id').notNull(),
  },
  (t) => [index('audit_by_clinic').on(t.clinicId, t.seq)],
)

/** Must directly follow the statement that it records, in one batch: it writes only if that wrote a row. */
export const audited = (ctx: Ctx, action: string, subject: string | SQL) =>
  ctx.db.insert(audit).select(sql`
    SELECT NULL, ${ctx.clinic.id}, ${ctx.now}, ${ctx.actor.keyId}, ${action}, ${subject}, ${ctx.requestId}
    WHERE changes() > 0`)

/**
 * Records an action that writes nothing in D1, once for each operation: `op` is the id of the operation that
 * claimed the key.
 */
export const auditedOnce = (ctx: Ctx, op: SQL<string>, action: string, subject: string) =>
  ctx.db.insert(audit).select(sql`
    SELECT NULL, ${ctx.clinic.id}, ${ctx.now}, ${ctx.actor.keyId}, ${action}, ${subject}, ${ctx.requestId}
    WHERE ${op} = ${ctx.once.opId}`)

export const AuditEntry = component('AuditEntry', {
  seq: v.number(),
  at: v.string(),
  key_id: v.string(),
  action: v.string(),
  subject: v.string(),
  request_id: v.string(),
})
export type AuditEntry = v.InferOutput<typeof AuditEntry>

export const toAuditEntry = (row: typeof audit.$inferSelect): AuditEntry => ({
  seq: row.seq,
  at: iso(row.at),
  key_id: row.keyId,
  action: row.action,
  subject: row.subject,
  request_id: row.requestId,
})

export const ListAudit = v.object({ limit: limit(100), cursor: cursor(v.number()) })
export type ListAudit = v.InferOutput<typeof ListAudit>
