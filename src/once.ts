import { and, eq, lt, type SQL, sql } from 'drizzle-orm'
import type { BatchResponse } from 'drizzle-orm/batch'
import { index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import type { Db, Statement } from './lib/db'
import { newId } from './lib/id'
import { DAY_MS } from './lib/time'
import { Problem } from './problem'

const IDEMPOTENCY_TTL_MS = DAY_MS

/**
 * Each claim clears this many expired keys of its clinic, so the table never holds much more than a day's.
 */
const SWEPT_PER_CLAIM = 2

/**
 * Which request a key stands for. The first one's ids are used by every retry, so that replies come out
 * equal.
 */
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
  },
  (t) => [
    primaryKey({ columns: [t.clinicId, t.key] }),
    index('idempotency_keys_expiry').on(t.clinicId, t.expiresAt),
  ],
)

type Statements = readonly Statement[]

/** How one request takes effect at most once, however often it is sent. */
export interface Once {
  key: string | null
  fingerprint: string
  expiresAt: number
  /**
   * The id under which this request's effect is known, if no earlier request with the key claimed another.
   */
  opId: string
  /** The first request that came with this key; replies name it. */
  requestId: string
  replayed: boolean
  /**
   * Claims the key and runs `statements` as one transaction in one round trip. What they write carries `op`,
   * the id of the operation: where the key belongs to another request `op` is NULL, the column refuses it,
   * and nothing at all is written.
   */
  transact<const T extends Statements>(
    statements: (op: SQL<string>) => T,
  ): Promise<{ opId: string; results: BatchResponse<T> }>
}

/** Who acts, when, on which database: what of a Ctx matters here. */
interface Acting {
  db: Db
  now: number
  requestId: string
  clinic: { id: string }
}

/**
 * `fingerprint`: SHA-256 over method, path and validated input. Without a key each request is its own
 * operation.
 */
export function once(
  ctx: Acting,
  request: { key: string | null; fingerprint: string; ttlMs?: number; opId?: string },
): Once {
  const { key, fingerprint, ttlMs = IDEMPOTENCY_TTL_MS, opId = newId() } = request
  return {
    key,
    fingerprint,
    expiresAt: ctx.now + ttlMs,
    opId,
    requestId: ctx.requestId,
    replayed: false,
    async transact(statements) {
      if (key === null) return { opId, results: await batch(ctx, statements(sql<string>`${opId}`)) }
      const results = await batch(ctx, [
        sweep(ctx),
        claim(ctx, this),
        ...statements(claimedOperation(ctx, this)),
        readClaim(ctx, key),
      ]).catch(refuseForeignKey)
      const claimed = (results.at(-1) as Awaited<ReturnType<typeof readClaim>>)[0]
      if (claimed?.fingerprint !== fingerprint) throw reused()
      Object.assign(this, { requestId: claimed.requestId, replayed: claimed.opId !== opId })
      return { opId: claimed.opId, results: results.slice(2, -1) as never }
    },
  }
}

async function batch<T extends Statements>(ctx: Acting, statements: T): Promise<BatchResponse<T>> {
  const [first, ...rest] = statements
  return (first ? await ctx.db.batch([first, ...rest]) : []) as BatchResponse<T>
}

const sweep = (ctx: Acting) =>
  ctx.db.delete(idempotencyKeys).where(
    sql`rowid IN (SELECT rowid FROM idempotency_keys WHERE clinic_id = ${ctx.clinic.id}
      AND expires_at <= ${ctx.now} ORDER BY expires_at LIMIT ${SWEPT_PER_CLAIM})`,
  )

const claim = (ctx: Acting, { key, fingerprint, opId, expiresAt }: Once) => {
  const claimed = { fingerprint, opId, requestId: ctx.requestId, createdAt: ctx.now, expiresAt }
  return ctx.db
    .insert(idempotencyKeys)
    .values({ clinicId: ctx.clinic.id, key: key ?? '', ...claimed })
    .onConflictDoUpdate({
      target: [idempotencyKeys.clinicId, idempotencyKeys.key],
      set: claimed,
      setWhere: lt(idempotencyKeys.expiresAt, ctx.now + 1),
    })
}

const claimedOperation = (
  ctx: Acting,
  { key, fingerprint }: Once,
) => sql<string>`(SELECT op_id FROM idempotency_keys
  WHERE clinic_id = ${ctx.clinic.id} AND key = ${key} AND fingerprint = ${fingerprint})`

const readClaim = (ctx: Acting, key: string) =>
  ctx.db
    .select()
    .from(idempotencyKeys)
    .where(and(eq(idempotencyKeys.clinicId, ctx.clinic.id), eq(idempotencyKeys.key, key)))

const reused = () =>
  new Problem('idempotency_key_reused', 'This Idempotency-Key was used for another request; send a new key')

function refuseForeignKey(error: unknown): never {
  const cause = error instanceof Error ? error.cause : undefined
  const message = cause instanceof Error ? cause.message : error instanceof Error ? error.message : ''
  throw /NOT NULL constraint failed: \w+\.op_id/.test(message) ? reused() : error
}
