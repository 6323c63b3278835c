import { and, eq, gt, lt, type SQL, type SQLWrapper, sql } from 'drizzle-orm'
import type { BatchResponse } from 'drizzle-orm/batch'
import { newId } from './lib/crypto'
import type { Db, Statement } from './lib/db'
import { DAY_MS } from './lib/time'
import { keyReused, Problem } from './problem'
import type { Claimed } from './recorder/claims'
import { type RecorderEnv, recordAs } from './recorder/client'
import { CLAIM, type Kind } from './recorder/kind'
import { idempotencyKeys } from './recorder/model'

const IDEMPOTENCY_TTL_MS = DAY_MS

/** Each claim deletes up to this many expired keys of its clinic, so the table holds about one day's keys. */
const SWEPT_PER_CLAIM = 2

type Statements = readonly Statement[]

/** The operation of a request, known once its key is claimed. Without a key each request is an operation. */
export interface Claim {
  key: string | null
  fingerprint: string
  expiresAt: number
  opId: string
  /** The first request with this key; replies name it. */
  requestId: string
  /** When that first request claimed the key, in epoch milliseconds. */
  claimedAt: number
  /** An earlier request claimed the key. */
  replayed: boolean
  /** What the first request kept as its answer. */
  reply: string | null
}

/**
 * Whether two requests are one: `current` is SHA-256 over method, path and input. A key that was claimed
 * before a deployment may have one of the `earlier` forms, which are computed only if `current` differs.
 */
export interface Fingerprint {
  current: string
  earlier(): string[]
}

export const matches = ({ current, earlier }: Fingerprint, claimed: string): boolean =>
  claimed === current || earlier().includes(claimed)

/** Lets a request take effect at most once, however often the caller sends it. */
export interface Once {
  readonly key: string | null
  readonly fingerprint: Fingerprint
  /** The id of this request's operation, unless an earlier request claimed the key. */
  readonly opId: string
  /**
   * Claims the key and runs `statements` as one transaction in one round trip. Each row they write stores
   * `op`, the id of the operation. If the key was claimed with another fingerprint, `op` is NULL, the column
   * refuses it, and the transaction writes nothing.
   *
   * The key is claimed only if each of `found` finds a row; the action answers 404 if one does not. So the
   * key stays free for the request that the caller sends once the record is there, with its id.
   */
  transact<const T extends Statements>(
    statements: (op: SQL<string>) => T,
    found?: readonly SQLWrapper[],
  ): Promise<Claim & { results: BatchResponse<T> }>
  /**
   * As `transact`, in one lot with other requests. Claims the key where the kind finds what it asks for, and
   * does what the kind says, unless another request has the key.
   */
  record<Fields extends readonly unknown[], Result>(
    kind: Kind<Fields, Result>,
    ...fields: Fields
  ): Promise<Claim & { result: Result }>
  /** Claims the key, and reads nothing else. */
  claim(): Promise<Claim>
  /** A statement for `transact`: keeps one text, which the query selects, as `reply` of all retries. */
  keep(answer: SQL, when?: SQL): Statement
  /** Whether this request is the first with its key, or the first one has kept no reply. */
  isUnanswered(op: SQL<string>): SQL
}

/** The part of a Ctx that a claim needs. */
interface ClaimContext {
  env: RecorderEnv
  db: Db
  now: number
  requestId: string
  clinic: { id: string }
  actor: { keyId: string }
  recordClaim(claim: Claim): void
}

/** For a request without a key, which has no retries. */
export const NO_FINGERPRINT: Fingerprint = { current: '', earlier: () => [] }

export function once(
  ctx: ClaimContext,
  request: { key: string | null; fingerprint: Fingerprint; ttlMs?: number; opId?: string },
): Once {
  const { key, fingerprint, ttlMs = IDEMPOTENCY_TTL_MS, opId = newId() } = request
  const { now, requestId } = ctx
  const until = { expiresAt: now + ttlMs, claimedAt: now }
  const own = {
    key,
    fingerprint: fingerprint.current,
    ...until,
    opId,
    requestId,
    replayed: false,
    reply: null,
  }
  const claimedBy = (claimed: Claimed | null): Claim => {
    const claim = { ...own, ...claimed, replayed: claimed !== null && claimed.opId !== opId }
    ctx.recordClaim(claim)
    return claim
  }
  const recordOnce: Once['record'] = async (kind, ...fields) => {
    const sender = { ...own, clinicId: ctx.clinic.id, keyId: ctx.actor.keyId, now }
    const { claimed, result } = await recordAs(ctx.env, kind, sender, fields, fingerprint.earlier)
    if (key !== null && !claimed) return { ...own, result }
    return { ...claimedBy(claimed), result }
  }
  return {
    key,
    fingerprint,
    opId,
    record: recordOnce,
    claim: async () => (key === null ? claimedBy(null) : recordOnce(CLAIM)),
    async transact(statements, found = []) {
      if (key === null) {
        const results = await batch(ctx, statements(sql<string>`${opId}`))
        return { ...claimedBy(null), results }
      }
      const claimAs = (accepted: string) =>
        claim(ctx, key, { ...own, fingerprint: accepted }, statements, found)
      const { row, results } = await claimAs(own.fingerprint).catch(async (error) => {
        const earlier = await earlierClaim(ctx, key, fingerprint, error)
        if (earlier === undefined) throw error
        return claimAs(earlier)
      })
      const ofStatements = results.slice(2, -1) as never
      return row ? { ...claimedBy(row), results: ofStatements } : { ...own, results: ofStatements }
    },
    keep: (answer, when) =>
      ctx.db
        .update(idempotencyKeys)
        .set({ reply: sql`(${answer})` })
        .where(and(isClaimed(ctx, key), eq(idempotencyKeys.opId, opId), when)),
    isUnanswered: (op) =>
      sql`(${op} = ${opId} OR NOT EXISTS (SELECT 1 FROM ${idempotencyKeys}
        WHERE ${isClaimed(ctx, key)} AND reply IS NOT NULL))`,
  }
}

const isClaimed = (ctx: ClaimContext, key: string | null) =>
  and(eq(idempotencyKeys.clinicId, ctx.clinic.id), eq(idempotencyKeys.key, key ?? NO_KEY))

/** No key is empty. */
const NO_KEY = ''

/** Throws keyReused if another request has claimed the key. No row: one of `found` is missing. */
async function claim<T extends Statements>(
  ctx: ClaimContext,
  key: string,
  own: Claim,
  statements: (op: SQL<string>) => T,
  found: readonly SQLWrapper[],
) {
  const results = await batch(ctx, [
    sweep(ctx),
    claimKey(ctx, key, own, found),
    ...statements(claimedOperation(ctx, key, own.fingerprint)),
    readClaim(ctx, key),
  ]).catch(throwKeyReused)
  const [row] = results.at(-1) as Awaited<ReturnType<typeof readClaim>>
  if (!row && found.length > 0) return { row: null, results }
  if (row?.fingerprint !== own.fingerprint) throw keyReused()
  return { row, results }
}

/** The fingerprint under which an earlier version claimed the key for an equal request, if it did. */
async function earlierClaim(ctx: ClaimContext, key: string, { earlier }: Fingerprint, error: unknown) {
  if (!(error instanceof Problem) || error.code !== 'idempotency_key_reused') return undefined
  const [claimed] = await readClaim(ctx, key)
  return earlier().find((form) => form === claimed?.fingerprint)
}

async function batch<T extends Statements>(ctx: ClaimContext, statements: T): Promise<BatchResponse<T>> {
  const [first, ...rest] = statements
  return (first ? await ctx.db.batch([first, ...rest]) : []) as BatchResponse<T>
}

const sweep = (ctx: ClaimContext) =>
  ctx.db.delete(idempotencyKeys).where(
    sql`rowid IN (SELECT rowid FROM idempotency_keys WHERE clinic_id = ${ctx.clinic.id}
      AND expires_at <= ${ctx.now} ORDER BY expires_at LIMIT ${SWEPT_PER_CLAIM})`,
  )

const claimKey = (
  ctx: ClaimContext,
  key: string,
  { fingerprint, opId, expiresAt }: Claim,
  found: readonly SQLWrapper[],
) => {
  const claimed = { fingerprint, opId, requestId: ctx.requestId, createdAt: ctx.now, expiresAt, reply: null }
  const isFound = and(...found.map((query) => sql`EXISTS ${query}`)) ?? sql`true`
  return ctx.db
    .insert(idempotencyKeys)
    .select(
      sql`SELECT ${ctx.clinic.id}, ${key}, ${fingerprint}, ${opId}, ${ctx.requestId}, ${ctx.now},
        ${expiresAt}, NULL WHERE ${isFound}`,
    )
    .onConflictDoUpdate({
      target: [idempotencyKeys.clinicId, idempotencyKeys.key],
      set: claimed,
      setWhere: lt(idempotencyKeys.expiresAt, ctx.now + 1),
    })
}

const claimedOperation = (
  ctx: ClaimContext,
  key: string,
  fingerprint: string,
) => sql<string>`(SELECT op_id FROM idempotency_keys
  WHERE clinic_id = ${ctx.clinic.id} AND key = ${key} AND fingerprint = ${fingerprint})`

const readClaim = (ctx: ClaimContext, key: string) =>
  ctx.db
    .select({
      fingerprint: idempotencyKeys.fingerprint,
      opId: idempotencyKeys.opId,
      requestId: idempotencyKeys.requestId,
      claimedAt: idempotencyKeys.createdAt,
      reply: idempotencyKeys.reply,
    })
    .from(idempotencyKeys)
    .where(
      and(
        eq(idempotencyKeys.clinicId, ctx.clinic.id),
        eq(idempotencyKeys.key, key),
        gt(idempotencyKeys.expiresAt, ctx.now),
      ),
    )

/** `op_id` is NOT NULL wherever an operation writes; its refusal means that another request has the key. */
function throwKeyReused(error: unknown): never {
  const cause = error instanceof Error ? (error.cause ?? error) : error
  throw cause instanceof Error && /NOT NULL constraint failed: \w+\.op_id/.test(cause.message)
    ? keyReused()
    : error
}
