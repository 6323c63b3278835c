import { index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** The first request with each key. Every retry uses that request's ids, so that all replies are equal. */
export const idempotencyKeys = sqliteTable(
  'idempotency_keys',
  {
    clinicId: text('clinic_id').notNull(),
    key: text('key').notNull(),
    fingerprint: text('fingerprint').notNull(),
    opId: text('op_id').notNull(),
    requestId: text('request_id').notNull(),
    createdAt: integer('created_at').notNull(),
    expiresAt: integer('expires_at').notNull(),
    /** JSON of the first answer, where the record that it shows can be changed later. */
    reply: text('reply'),
  },
  (t) => [
    primaryKey({ columns: [t.clinicId, t.key] }),
    index('idempotency_keys_expiry').on(t.clinicId, t.expiresAt),
  ],
)
