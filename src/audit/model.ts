import { type SQL, sql } from 'drizzle-orm'
import { index, integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import * as v from 'valibot'
import type { Ctx } from '../context'
import { cursor, limit } from '../lib/page'
import { component } from '../lib/schema'
import { iso } from '../lib/time'

/** Which key changed what and when, as ids only. Changes of a doctor's day are in that day's own log. */
export const audit = sqliteTable(
  'audit',
  {
    seq: integer('seq').primaryKey(),
    clinicId: text('clinic_id').notNull(),
    at: integer('at').notNull(),
    keyId: text('key_id').notNull(),
    action: text('action').notNull(),
    subject: text('subject').notNull(),
    requestId: text('request_id').notNull(),
    /** Where a lot has written the row: a lot that is sent again writes no second one. */
    opId: text('op_id'),
  },
  (t) => [
    index('audit_by_clinic').on(t.clinicId, t.seq),
    uniqueIndex('audit_once').on(t.opId, t.action).where(sql`op_id IS NOT NULL`),
  ],
)

/** Must directly follow the statement that it records, in one batch: it writes only if that wrote a row. */
export const audited = (ctx: Ctx, action: string, subject: string | SQL) =>
  ctx.db.insert(audit).select(sql`
    SELECT NULL, ${ctx.clinic.id}, ${ctx.now}, ${ctx.actor.keyId}, ${action}, ${subject}, ${ctx.requestId},
      NULL WHERE changes() > 0`)

/**
 * A statement of a kind: records what its entries have written. `written`: the table `sent`, joined to the
 * rows that have its own operation: a retry by another request has written nothing.
 */
export const auditOfLot = (action: string, subject: string, written: string): string => `
  INSERT INTO audit (clinic_id, at, key_id, action, subject, request_id, op_id)
  SELECT clinic, at, actor, '${action}', ${subject}, request, asked FROM ${written} WHERE true
  ON CONFLICT DO NOTHING`

/**
 * Records an action that writes nothing in D1, once for each operation: `op` is the id of the operation that
 * claimed the key.
 */
export const auditedOnce = (ctx: Ctx, op: SQL<string>, action: string, subject: string) =>
  ctx.db.insert(audit).select(sql`
    SELECT NULL, ${ctx.clinic.id}, ${ctx.now}, ${ctx.actor.keyId}, ${action}, ${subject}, ${ctx.requestId},
      NULL WHERE ${op} = ${ctx.once.opId}`)

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
